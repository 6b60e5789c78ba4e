"""wbkit.data: samples by hand, augmentation against published numbers, labels that stay on their pixels."""

import json
import math
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from helpers import FIELDS, make_annotations, make_person

from wbkit.annotations import load_annotations
from wbkit.augment import Outcome, Region, draw_half_body, draw_outcome, truncated_normal
from wbkit.columns import Detections
from wbkit.data import (
    EpochSampler,
    Persons,
    WholeBodyDataset,
    collate,
    join_persons,
    make_loader,
    persons_from_annotations,
    persons_from_detections,
)
from wbkit.errors import InputError
from wbkit.geometry import fix_aspect
from wbkit.keypoints import FLIP_INDICES
from wbkit.pictures import read_image
from wbkit.recipes import Augmentation, W32_DARK_256x192

pytestmark = pytest.mark.usefixtures("one_thread")

SMALL = replace(W32_DARK_256x192, input_size=(96, 128), heatmap_size=(24, 32))
GOLDEN = Path(__file__).resolve().parents[2] / "shared" / "golden"


def persons_of(keypoints, boxes, names, ids=None):
    n = len(boxes)
    return Persons(
        image_ids=np.arange(n),
        file_names=np.array(names),
        boxes_xywh=np.array(boxes, float),
        box_scores=np.ones(n),
        ids=np.arange(n) + 100 if ids is None else ids,
        keypoints=np.array(keypoints, float),
    )


def smooth_picture(seed, size_wh=(160, 120)):
    coarse = np.random.default_rng(seed).integers(0, 256, (9, 12, 3), dtype=np.uint8)
    return cv2.resize(coarse, size_wh, interpolation=cv2.INTER_CUBIC)


@pytest.fixture
def folder(tmp_path):
    """Three PNG pictures, RGB content smooth_picture(0 ... 2)."""
    for i in range(3):
        cv2.imwrite(str(tmp_path / f"{i}.png"), smooth_picture(i)[..., ::-1])
    return tmp_path


@pytest.fixture
def persons():
    rng = np.random.default_rng(0)
    points = np.empty((5, 133, 3))
    points[..., :2] = rng.uniform((20, 10), (120, 110), (5, 133, 2))
    points[..., 2] = rng.choice([0, 1, 2], (5, 133))
    boxes = [[20, 10, 60, 100], [30, 20, 90, 60], [0, 0, 40, 40], [100, 5, 50, 110], [50, 50, 30, 40]]
    return persons_of(points, boxes, ["0.png", "1.png", "2.png", "0.png", "1.png"])


# --- pictures --------------------------------------------------------------------------------------


def test_pictures_are_rgb(folder):
    np.testing.assert_array_equal(read_image(folder / "1.png"), smooth_picture(1))
    cv2.imwrite(str(folder / "grey.png"), np.full((4, 5), 77, np.uint8))
    assert read_image(str(folder / "grey.png")).tolist() == [[[77] * 3] * 5] * 4


def test_unreadable_pictures_are_named(folder):
    path = folder / "a.jpg"
    cv2.imwrite(str(path), smooth_picture(0))
    whole = path.read_bytes()
    assert read_image(path).shape == (120, 160, 3)
    for share in (0.3, 0.9):
        path.write_bytes(whole[: int(share * len(whole))])
        with pytest.raises(InputError, match=r"a\.jpg: is cut off.*Fetch it again"):
            read_image(path)
    path.write_bytes(whole + b"appended by a camera")  # after the end marker: fine
    assert read_image(path).shape == (120, 160, 3)
    path.write_bytes(b"")
    with pytest.raises(InputError, match=r"a\.jpg: is"):
        read_image(path)
    path.write_bytes(b"<html>not found</html>")
    with pytest.raises(InputError, match="no picture that OpenCV can read"):
        read_image(path)
    with pytest.raises(InputError, match="no such picture"):
        read_image(folder / "nowhere.png")


# --- chance ----------------------------------------------------------------------------------------


def test_truncated_normal_has_the_published_distribution():
    values = truncated_normal(np.random.default_rng(0), 40_000)
    assert np.abs(values).max() <= 1
    assert values.std() == pytest.approx(0.53956, abs=0.006)
    assert values.mean() == pytest.approx(0, abs=0.01)
    # Its distribution function, from the error function: (Phi(x) - Phi(-1)) / (Phi(1) - Phi(-1)).
    phi = lambda x: 0.5 * (1 + math.erf(x / math.sqrt(2)))  # noqa: E731
    for x in (-0.8, -0.5, 0.0, 0.3, 0.9):
        expected = (phi(x) - phi(-1)) / (phi(1) - phi(-1))
        assert (values < x).mean() == pytest.approx(expected, abs=0.01)


@pytest.fixture(scope="module")
def outcomes():
    rng = np.random.default_rng(1)
    return [draw_outcome(np.ones(133, bool), Augmentation(), rng) for _ in range(12_000)]


def test_fractions_of_the_random_outcomes(outcomes):
    """Standard errors of these fractions are about .0045."""
    flips = np.mean([o.flip for o in outcomes])
    halves = [o.half_body for o in outcomes if o.half_body]
    upper = np.mean([max(h) <= 10 for h in halves])
    assert flips == pytest.approx(0.5, abs=0.02)
    assert len(halves) / len(outcomes) == pytest.approx(0.3, abs=0.02)
    assert upper == pytest.approx(0.7, abs=0.035)
    assert np.mean([o.offset != (0, 0) for o in outcomes]) == pytest.approx(0.3, abs=0.02)
    assert np.mean([o.rotation_deg != 0 for o in outcomes]) == pytest.approx(0.6, abs=0.02)
    both = np.mean([o.offset != (0, 0) and o.rotation_deg != 0 for o in outcomes])
    assert both == pytest.approx(0.18, abs=0.02)  # independent of each other
    assert set(halves) == {tuple(range(11)), tuple(range(11, 23))}


def test_spread_of_the_random_outcomes(outcomes):
    shifts = np.array([o.offset for o in outcomes if o.offset != (0, 0)])
    scales = np.array([o.scale_factor for o in outcomes])
    turns = np.array([o.rotation_deg for o in outcomes if o.rotation_deg])
    np.testing.assert_allclose(shifts.std(0), [0.08633] * 2, atol=0.004)
    assert np.abs(shifts).max() <= 0.16
    assert scales.std() == pytest.approx(0.26978, abs=0.005)
    assert scales.mean() == pytest.approx(1, abs=0.01)
    assert scales.min() >= 0.5
    assert scales.max() <= 1.5
    assert turns.std() == pytest.approx(43.165, abs=1)
    assert np.abs(turns).max() <= 80
    assert abs(np.corrcoef(shifts.T)[0, 1]) < 0.06
    assert abs(np.corrcoef(scales, [o.flip for o in outcomes])[0, 1]) < 0.04


@pytest.mark.skipif(not GOLDEN.is_dir(), reason="the shared golden files are not here")
def test_quantiles_equal_mmposes(outcomes):
    facts = json.loads((GOLDEN / "train_facts.json").read_text())["RandomBBoxTransform"]
    measured = facts["empirical_200k"]
    ours = {
        "shift_x": np.array([o.offset[0] for o in outcomes]) / 0.16,
        "scale": np.array([o.scale_factor for o in outcomes]),
        "rotation": np.array([o.rotation_deg for o in outcomes]) / 80,
    }
    units = {"shift_x": 0.16, "scale": 1, "rotation": 80}
    inner = slice(1, -1)  # the extremes say little
    for name, values in ours.items():
        got = np.quantile(values, measured["quantile_levels"][inner])
        np.testing.assert_allclose(
            got, np.array(measured[name][inner]) / units[name], atol=0.035, err_msg=name
        )
    half, transform = facts, Augmentation()
    assert half["shift_factor"] == transform.shift
    assert half["shift_prob"] == transform.shift_probability
    assert tuple(half["scale_factor"]) == transform.scale
    assert half["rotate_factor"] == transform.rotation_deg
    assert half["rotate_prob"] == transform.rotation_probability


def visible_points(*indices):
    visible = np.zeros(133, bool)
    visible[list(indices)] = True
    return visible


ALWAYS = replace(Augmentation(), half_body_probability=1.0)
HANDS = range(91, 133)


@pytest.mark.parametrize(
    ("visible", "expected"),
    [
        (visible_points(*range(8)), None),  # 8 visible: fewer than 9
        (visible_points(*range(9)), set(range(9))),  # only the upper half has enough
        (visible_points(*range(2, 13)), set(range(2, 11))),  # lower has 2 of the 3 it needs
        (visible_points(0, *range(11, 20)), set(range(11, 20))),  # upper has 1 of the 2 it needs
        (visible_points(0, 11, 12, *HANDS), None),  # neither has enough, though 45 are visible
        (visible_points(0, 1, 11, 12, *HANDS), {0, 1}),  # just enough above; hands are in neither half
        (visible_points(0, 20, 21, 22, *HANDS), {20, 21, 22}),  # just enough below; feet are in it
        (visible_points(*HANDS), None),
    ],
)
def test_half_body_rule(visible, expected):
    for seed in range(8):
        chosen = draw_half_body(visible, ALWAYS, np.random.default_rng(seed))
        assert (chosen if chosen is None else set(chosen)) == expected


def test_half_body_of_a_whole_person_is_either_half():
    upper, lower = set(range(11)), set(range(11, 23))
    drawn = [set(draw_half_body(np.ones(133, bool), ALWAYS, np.random.default_rng(s))) for s in range(300)]
    assert all(d in (upper, lower) for d in drawn)
    assert 0.6 < np.mean([d == upper for d in drawn]) < 0.8
    always_lower = replace(ALWAYS, prefer_upper_probability=0.0)
    assert set(draw_half_body(np.ones(133, bool), always_lower, np.random.default_rng(0))) == lower
    never = replace(ALWAYS, half_body_probability=0.0)
    assert all(draw_half_body(np.ones(133, bool), never, np.random.default_rng(s)) is None for s in range(9))


def test_half_body_is_chosen_among_mirrored_points():
    """A person of the left side only: mirrored, its visible points are those of the right side."""
    left = visible_points(1, 3, 5, 7, 9, 0, 11, 13, 91, 92, 93)
    settings = replace(ALWAYS, flip_probability=1.0)
    outcome = draw_outcome(left, settings, np.random.default_rng(0))
    assert outcome.flip
    assert set(outcome.half_body) == {2, 4, 6, 8, 10, 0}


# --- the region ------------------------------------------------------------------------------------


def some_region():
    points = np.random.default_rng(0).uniform(20, 90, (133, 2))
    return Region(np.array([50.0, 40]), np.array([60.0, 100]), points, np.arange(133) % 3 > 0)


def test_region_mirrored_by_hand():
    region = some_region()
    mirrored = region.mirrored(image_width=160)
    assert mirrored.center.tolist() == [109, 40]
    assert mirrored.scale.tolist() == [60, 100]
    np.testing.assert_array_equal(
        mirrored.keypoints[5], [159 - region.keypoints[6, 0], region.keypoints[6, 1]]
    )
    np.testing.assert_array_equal(mirrored.visible, region.visible[FLIP_INDICES])
    assert region.center.tolist() == [50, 40]  # untouched


def test_region_augmented_by_hand():
    region = some_region()
    outcome = Outcome(flip=False, offset=(0.1, -0.2), scale_factor=0.5, rotation_deg=30)
    moved = region.augmented(outcome, 160, 1.5)
    np.testing.assert_allclose(moved.center, [50 + 6, 40 - 20], rtol=1e-6)  # of the size before scaling
    np.testing.assert_allclose(moved.scale, [30, 50])
    np.testing.assert_array_equal(moved.keypoints, region.keypoints)
    flipped = region.augmented(replace(outcome, flip=True), 160, 1.5)
    np.testing.assert_allclose(flipped.center, [109 + 6, 40 - 20], rtol=1e-6)
    half = region.augmented(Outcome(flip=True, half_body=(0, 5, 6), offset=(0.5, 0)), 160, 2.0)
    three = region.mirrored(160).keypoints[[0, 5, 6]]
    np.testing.assert_allclose(half.scale, 2 * np.ptp(three, axis=0))
    np.testing.assert_allclose(half.center, three.mean(0) + np.array([np.ptp(three[:, 0]), 0]))


# --- who -------------------------------------------------------------------------------------------


def test_exactly_the_unusable_persons_are_left_out():
    rng = np.random.default_rng(0)
    size = (640, 480)
    people = [make_person(rng, id=10 + i, image_id=1 + i % 2) for i in range(8)]
    people[1]["iscrowd"] = 1
    people[2]["keypoints"][2::3] = [0] * 17
    people[2]["num_keypoints"] = 0  # face and hands are labelled, but no body
    people[3]["bbox"] = [700, 10, 50, 50]  # right of the picture
    people[4]["bbox"] = [639, 10, 50, 50]  # on its last pixel: no width is left
    people[5]["bbox"] = [10, -60, 50, 50]  # above
    people[6]["bbox"] = [-10.5, -20, 100, 600]  # sticks out: cut
    for field, count in FIELDS:
        people[7][field][2::3] = [0] * count  # num_keypoints still says otherwise
    images = [{"id": i, "file_name": f"{i}.jpg", "width": size[0], "height": size[1]} for i in (2, 1)]
    persons = persons_from_annotations(load_annotations({"images": images, "annotations": people}))
    assert persons.ids.tolist() == [10, 16]
    assert persons.image_ids.tolist() == [1, 1]
    assert persons.file_names.tolist() == ["1.jpg", "1.jpg"]
    assert persons.boxes_xywh.tolist() == [people[0]["bbox"], [0, 0, 89.5, 479]]
    assert persons.box_scores.tolist() == [1, 1]
    np.testing.assert_array_equal(persons.keypoints[0, :17].ravel(), people[0]["keypoints"])


def test_every_person_keeps_its_picture():
    content = make_annotations(pictures=6, people=4, seed=5)
    persons = persons_from_annotations(load_annotations(content))
    assert len(persons) == len(content["annotations"])
    assert persons.ids.tolist() == [p["id"] for p in content["annotations"]]
    assert persons.file_names.tolist() == [f"{p['image_id']:012d}.jpg" for p in content["annotations"]]


def test_detections_become_persons():
    content = make_annotations(pictures=3, people=1)
    images = [i["id"] for i in content["images"]]
    found = Detections(
        "d",
        np.array([images[2], images[0]]),
        np.array([[-5.0, 1, 20, 30], [1, 2, 3, 4]]),
        np.array([0.5, 0.25]),
    )
    persons = persons_from_detections(load_annotations(content), found)
    assert persons.boxes_xywh.tolist() == [[-5, 1, 20, 30], [1, 2, 3, 4]]  # not clipped
    assert persons.box_scores.tolist() == [0.5, 0.25]
    assert persons.ids.tolist() == [0, 1]
    assert persons.file_names.tolist() == [content["images"][i]["file_name"] for i in (2, 0)]
    assert not persons.keypoints.any()
    strange = replace(found, image_ids=np.array([images[0], 77_777]))
    with pytest.raises(InputError, match="77777"):
        persons_from_detections(load_annotations(content), strange)


def test_persons_of_several_folders_keep_their_pictures(folder, persons):
    """Samples of two folders in one equal those of each; people with one id are told apart."""
    other = folder / "deeper" / "other"
    other.mkdir(parents=True)
    for i in range(3):
        cv2.imwrite(str(other / f"{i}.png"), smooth_picture(10 + i)[..., ::-1])
    one = WholeBodyDataset(persons, folder, SMALL)
    two = WholeBodyDataset(persons.select([3, 1]), other, SMALL)
    joined, root = join_persons([one.persons, two.persons], [folder, other])
    assert root == folder
    both = WholeBodyDataset(joined, root, SMALL)
    assert len(both) == 7
    for key, expected in enumerate([*map(one.__getitem__, range(5)), *map(two.__getitem__, range(2))]):
        for name in ("crop", "keypoints", "visible"):
            np.testing.assert_array_equal(both[key][name], expected[name])
    assert both.describe(5) == "person 103 in deeper/other/0.png"
    assert join_persons([persons], [folder]) == (persons, folder)
    names = np.array([str(other / name) for name in two.persons.file_names])  # absolute ones stay
    joined, root = join_persons([one.persons, replace(two.persons, file_names=names)], [folder, other])
    np.testing.assert_array_equal(WholeBodyDataset(joined, root, SMALL)[5]["crop"], two[0]["crop"])


# --- samples ---------------------------------------------------------------------------------------


def test_a_sample_by_hand(folder, persons):
    dataset = WholeBodyDataset(persons, folder, SMALL)
    assert len(dataset) == 5
    sample = dataset[0]
    # Box 20, 10, 60 x 100: centre (50, 60), padded 75 x 125; the input is 96 x 128, so 93.75 x 125.
    zoom = 128 / 125
    matrix = [[zoom, 0, 48 - 50 * zoom], [0, zoom, 64 - 60 * zoom]]
    np.testing.assert_allclose(sample["matrix"], matrix, atol=1e-4)
    expected = (persons.keypoints[0, :, :2] - (50, 60)) * zoom + (48, 64)
    np.testing.assert_allclose(sample["keypoints"], expected, atol=1e-3)
    np.testing.assert_array_equal(sample["visible"], persons.keypoints[0, :, 2] > 0)
    crop = cv2.warpAffine(smooth_picture(0), sample["matrix"], (96, 128))
    np.testing.assert_array_equal(sample["crop"], crop)
    assert sample["person"] == 0
    dtypes = {name: sample[name].dtype for name in ("crop", "keypoints", "visible", "matrix")}
    assert dtypes == {"crop": np.uint8, "keypoints": np.float32, "visible": np.float32, "matrix": np.float64}
    assert set(sample) == {"person", "crop", "keypoints", "visible", "matrix"}


def test_test_samples_do_not_depend_on_epoch_or_seed(folder, persons):
    a, b = WholeBodyDataset(persons, folder, SMALL, seed=1), WholeBodyDataset(persons, folder, SMALL, seed=2)
    np.testing.assert_array_equal(a[3]["crop"], b[3 + 4 * 5]["crop"])
    assert b[3 + 4 * 5]["person"] == 3


def batches(dataset, epoch, workers, shuffle=True):
    sampler = EpochSampler(len(dataset), seed=dataset.seed, shuffle=shuffle)
    sampler.epoch = epoch
    found = list(make_loader(dataset, 2, sampler, workers))
    return {k: torch.cat([b[k] for b in found]) for k in ("person", "crop", "keypoints", "visible", "matrix")}


def test_samples_do_not_depend_on_the_number_of_workers(folder, persons):
    dataset = WholeBodyDataset(persons, folder, SMALL, Augmentation(), seed=4)
    alone, shared = batches(dataset, 3, workers=0), batches(dataset, 3, workers=2)
    for name, values in alone.items():
        assert torch.equal(values, shared[name]), name
    assert sorted(alone["person"].tolist()) == [0, 1, 2, 3, 4]


def test_epochs_seeds_and_persons_get_their_own_dice(folder, persons):
    dataset = WholeBodyDataset(persons, folder, SMALL, Augmentation(), seed=4)
    other = WholeBodyDataset(persons, folder, SMALL, Augmentation(), seed=5)
    same_person = WholeBodyDataset(persons.select(np.zeros(5, int)), folder, SMALL, Augmentation(), seed=4)
    matrices = [dataset[0 + 5 * epoch]["matrix"] for epoch in range(6)]
    matrices += [other[0]["matrix"]] + [same_person[i]["matrix"] for i in range(1, 5)]
    assert len({m.tobytes() for m in matrices}) == len(matrices)
    np.testing.assert_array_equal(
        dataset[5]["crop"], WholeBodyDataset(persons, folder, SMALL, Augmentation(), seed=4)[5]["crop"]
    )


def test_the_persons_are_not_changed(folder, persons):
    kept = {name: getattr(persons, name).copy() for name in ("keypoints", "boxes_xywh")}
    dataset = WholeBodyDataset(persons, folder, SMALL, Augmentation())
    for key in range(30):
        dataset[key]
    for name, value in kept.items():
        np.testing.assert_array_equal(getattr(persons, name), value)


# --- labels stay on their pixels -------------------------------------------------------------------


STILL = Augmentation(  # only the scale is random
    flip_probability=0.0, half_body_probability=0.0, shift_probability=0.0, rotation_probability=0.0
)
DOTS = (0, 5, 6, 9, 10, 15, 16, 17, 20, 91, 112, 23, 39)
"""Keypoints drawn as dots; each side has its own colour channel, the midline a third."""
CHANNEL = {0: 2} | dict.fromkeys((5, 9, 15, 17, 91, 39), 0) | dict.fromkeys((6, 10, 16, 20, 112, 23), 1)


def dotted_person(seed):
    """A 320 x 240 picture with a Gaussian dot at every keypoint of DOTS, at least 22 px apart."""
    rng = np.random.default_rng(seed)
    spots = np.array([(x, y) for x in range(100, 220, 28) for y in range(60, 190, 28)], float)
    spots = rng.permutation(spots)[: len(DOTS)] + rng.uniform(-3, 3, (len(DOTS), 2))
    picture = np.zeros((240, 320, 3))
    y, x = np.mgrid[:240, :320]
    points = np.zeros((133, 3))
    for k, (px, py) in zip(DOTS, spots, strict=True):
        points[k] = px, py, 2
        picture[..., CHANNEL[k]] += 250 * np.exp(-((x - px) ** 2 + (y - py) ** 2) / (2 * 2.5**2))
    return picture.round().astype(np.uint8), points


def dot_near(crop, place, channel, radius):
    """Centre of mass of a channel around a place."""
    h, w = crop.shape[:2]
    y, x = np.mgrid[:h, :w]
    mass = crop[..., channel] * ((x - place[0]) ** 2 + (y - place[1]) ** 2 <= radius**2).astype(float)
    if mass.sum() == 0:
        return np.array([np.nan, np.nan])
    return np.array([(mass * x).sum(), (mass * y).sum()]) / mass.sum()


@pytest.mark.parametrize(
    ("augmentation", "seen_outcomes"),
    [
        (None, set()),
        (replace(STILL, flip_probability=1.0), {"flip"}),
        (replace(STILL, rotation_probability=1.0), {"turn"}),
        (replace(STILL, flip_probability=1.0, rotation_probability=1.0), {"flip", "turn"}),
        (replace(STILL, half_body_probability=1.0, shift_probability=1.0), set()),
        (Augmentation(), {"flip", "turn"}),
    ],
    ids=["none", "flip", "turn", "flip and turn", "half and shift", "all"],
)
@pytest.mark.parametrize("udp", [False, True])
def test_labels_stay_on_their_dots(tmp_path, augmentation, seen_outcomes, udp):
    """Through flips, rotations, scales, shifts and half bodies, and with the right side's colour."""
    recipe = replace(W32_DARK_256x192, udp=udp)
    picture, points = dotted_person(3)
    cv2.imwrite(str(tmp_path / "dots.png"), picture[..., ::-1])
    dataset = WholeBodyDataset(
        persons_of([points], [[80, 50, 160, 150]], ["dots.png"]), tmp_path, recipe, augmentation, seed=2
    )
    checked, happened = 0, set()
    for epoch in range(12):
        sample = dataset[epoch]
        assert np.flatnonzero(sample["visible"]).tolist() == sorted(DOTS)  # every dot's mirror is a dot
        linear, offset = sample["matrix"][:, :2], sample["matrix"][:, 2]
        zoom = math.sqrt(np.linalg.det(linear))
        nose = linear @ points[0, :2] + offset  # unless the picture was mirrored first
        flipped = not np.allclose(nose, sample["keypoints"][0], atol=1)
        turned = abs(linear[0, 1]) > 1e-3 * zoom
        happened |= {name for name, yes in (("turn", turned), ("flip", flipped)) if yes}
        for k in DOTS:
            place = sample["keypoints"][k]
            if udp:  # points are in the frame that spans [0, W], pixels in that of [0, W - 1]
                place = place * (np.array(recipe.input_size) - 1) / recipe.input_size
            radius = 9 * zoom
            if not ((place > radius) & (place < np.array(recipe.input_size) - 1 - radius)).all():
                continue
            # What the mirrored person's left is was drawn as the right.
            channel = CHANNEL[FLIP_INDICES[k] if flipped else k]
            found = dot_near(sample["crop"], place, channel, radius)
            np.testing.assert_allclose(
                found, place, atol=0.12 * max(1, zoom), err_msg=f"epoch {epoch}, point {k}"
            )
            checked += 1
    assert checked > 40
    assert happened == seen_outcomes
    assert sample["crop"].shape == (256, 192, 3)


@pytest.mark.parametrize("degrees", [90.0, -30.0])
def test_the_sense_of_a_rotation(degrees):
    """A positive angle turns the region clockwise on the screen, so its content anticlockwise in the crop."""
    region = replace(some_region(), scale=fix_aspect(np.array([60.0, 60]), (96, 128)))
    linear = region.matrix((96, 128), degrees)[:, :2]
    right = linear @ [1, 0] / np.linalg.norm(linear @ [1, 0])
    angle = math.radians(degrees)
    np.testing.assert_allclose(right, [math.cos(angle), -math.sin(angle)], atol=1e-4)


# --- batches ---------------------------------------------------------------------------------------


def test_collate_stacks(folder, persons):
    dataset = WholeBodyDataset(persons, folder, SMALL)
    batch = collate([dataset[2], dataset[4]])
    assert batch["person"].tolist() == [2, 4]
    assert batch["crop"].shape == (2, 128, 96, 3)
    assert batch["crop"].dtype == torch.uint8
    assert batch["keypoints"].shape == (2, 133, 2)
    assert batch["visible"].shape == (2, 133)
    assert batch["matrix"].dtype == torch.float64
    assert batch["failures"] == []
    np.testing.assert_array_equal(batch["crop"][1], dataset[4]["crop"])


def test_collate_lists_failures(folder, persons):
    (folder / "1.png").write_bytes(b"broken")
    dataset = WholeBodyDataset(persons, folder, SMALL, keep_failures=True)
    found = list(make_loader(dataset, batch_size=5))
    assert len(found) == 1
    assert found[0]["person"].tolist() == [0, 2, 3]
    assert len(found[0]["crop"]) == 3
    assert [person for person, _ in found[0]["failures"]] == [1, 4]
    assert all("1.png" in message for _, message in found[0]["failures"])
    only = collate([dataset[1], dataset[4]])
    assert set(only) == {"failures"}
    assert len(only["failures"]) == 2
    assert dataset[1 + 2 * 5]["person"] == 1  # the person's index, whatever the epoch
    with pytest.raises(InputError, match=r"1\.png: is cut off, or no picture"):
        WholeBodyDataset(persons, folder, SMALL)[1]


def test_missing_pictures_are_listed_before_any_work(folder, persons):
    (folder / "1.png").unlink()
    (folder / "2.png").unlink()
    with pytest.raises(InputError, match=r"2 of 3 pictures are missing.*the first is 1\.png") as caught:
        WholeBodyDataset(persons, folder, SMALL, keep_failures=True)
    assert str(folder) in str(caught.value)


@pytest.mark.parametrize(("n", "world"), [(10, 1), (10, 2), (11, 3), (2, 4), (0, 2)])
@pytest.mark.parametrize("epoch", [0, 7])
def test_sampler_covers_everything(n, world, epoch):
    keys = []
    for rank in range(world):
        sampler = EpochSampler(n, seed=3, rank=rank, world=world)
        sampler.epoch = epoch
        own = list(sampler)
        assert len(own) == len(sampler)
        assert own == list(sampler)  # the same again
        keys += own
    assert set(keys) == set(range(epoch * n, (epoch + 1) * n))
    assert len(keys) == world * -(-n // world)  # as few come twice as let all have equally many


def test_sampler_without_shuffling_gives_blocks_in_a_row():
    """So that samples of one rendered picture stay in one process."""
    blocks = [list(EpochSampler(10, shuffle=False, rank=rank, world=3)) for rank in range(3)]
    assert blocks == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 0, 1]]
    later = EpochSampler(10, shuffle=False, rank=1, world=3)
    later.epoch, later.start = 2, 3
    assert list(later) == [27]


def test_sampler_order():
    def order(**more):
        sampler = EpochSampler(100, **more)
        sampler.epoch = 1
        return list(sampler)

    assert order(shuffle=False) == list(range(100, 200))
    assert order(seed=1) != order(seed=2)
    assert order(seed=1) != sorted(order(seed=1))
    first, second = EpochSampler(100, seed=1), EpochSampler(100, seed=1)
    second.epoch = 1
    assert [k % 100 for k in first] != [k % 100 for k in second]


def test_a_workers_loader_follows_the_samplers_epoch(folder, persons):
    """Workers persist between epochs; the keys carry the epoch to them."""
    dataset = WholeBodyDataset(persons, folder, SMALL, Augmentation(), seed=1)
    sampler = EpochSampler(5, shuffle=False)
    loader = make_loader(dataset, 5, sampler, workers=1)
    for epoch in (0, 1):
        sampler.epoch = epoch
        (batch,) = loader
        for i in range(5):
            np.testing.assert_array_equal(batch["matrix"][i], dataset[epoch * 5 + i]["matrix"])
