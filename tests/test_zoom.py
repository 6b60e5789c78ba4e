"""wbkit.zoom and the second look: against loops, and against networks that know the answer."""

import json
import os
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from small_coco import small_picture
from test_predict import TINY, cases

from wbkit.annotations import load_annotations
from wbkit.checkpoints import save_pose_weights
from wbkit.cli import build_parser, main
from wbkit.commands.models import load_model, load_predictor, shipped_model, zoom_weights
from wbkit.commands.predict import _how
from wbkit.commands.train import show_plan, training_samples
from wbkit.data import WholeBodyDataset, find_coco_folder, part_persons, persons_from_annotations
from wbkit.errors import InputError
from wbkit.hardware import Hardware
from wbkit.hrnet import PoseNet
from wbkit.keypoints import FLIP_INDICES, PARTS
from wbkit.pictures import read_image
from wbkit.pipeline import predict_parts, predict_persons, score
from wbkit.predict import Predictor
from wbkit.recipes import RECIPES, TINY_ZOOM, Augmentation
from wbkit.runs import identity
from wbkit.zoom import (
    FOUND_POINTS,
    GROWTH,
    SMALLEST_PX,
    WRISTS,
    ZOOMED,
    fuse,
    longest_arm_bone,
    part_boxes,
    where_to_look,
)

AS_LEARNT = TINY_ZOOM.at((64, 64))
ZOOM = replace(AS_LEARNT, flip_test=False)
pytestmark = pytest.mark.usefixtures("one_thread")


class Painted(torch.nn.Module):
    """Heatmaps that are known: Gaussians where the parts' colours are, face red, hands green and blue.

    A part's points lie around its colour's middle, `spread` heatmap px apart. As a second look it takes any
    hand for a right one, and knows nothing of left ones.
    """

    def __init__(self, spread: float, second: bool = False):
        super().__init__()
        self.spread, self.calls = spread, 0
        self.sees = (
            (("face", [0]), ("righthand", [1, 2])) if second else zip(ZOOMED, ([0], [1], [2]), strict=True)
        )
        self.sees = tuple(self.sees)

    def forward(self, images):
        self.calls += 1
        h, w = (n // 4 for n in images.shape[2:])
        maps = torch.zeros(len(images), 133, h, w)
        rows, columns = torch.meshgrid(torch.arange(h), torch.arange(w), indexing="ij")
        for b, image in enumerate(images):
            for part, channels in self.sees:
                bright = image[channels].amax(0) - image.sum(0) / 3
                if bright.max() < 0.5:
                    continue
                y, x = (bright > bright.max() / 2).nonzero().float().mean(0) * (h - 1) / (4 * h - 1)  # UDP
                for k in range(PARTS[part].start, PARTS[part].stop):
                    cx, cy = x + self.spread * (k % 3 - 1), y + self.spread * (k // 3 % 3 - 1)
                    maps[b, k] = torch.exp(-((columns - cx) ** 2 + (rows - cy) ** 2) / 8)
        return maps


SPOTS = {"face": (60, 30), "lefthand": (40, 80), "righthand": (95, 70)}


def painted_picture() -> np.ndarray:
    image = np.full((140, 140, 3), 60, np.uint8)
    for channel, spot in enumerate(SPOTS.values()):
        colour = [60, 60, 60]
        colour[channel] = 250
        cv2.circle(image, spot, 4, colour, -1)
    return image


def predictor(spread: float, zoom: Predictor | None = None, recipe=None) -> Predictor:
    recipe = recipe or replace(RECIPES["tiny"].at((96, 96)), flip_test=False)
    return Predictor(Painted(spread, second=recipe.zoom), recipe, None, device="cpu", zoom=zoom)


# --- boxes of parts --------------------------------------------------------------------------------


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([0.0, 0.02, 0.3, 1.0]))
def test_part_boxes_equal_a_loop(seed, share):
    rng = np.random.default_rng(seed)
    points, present = rng.normal(50, 30, (4, 133, 2)), rng.random((4, 133)) < share
    boxes, counts = part_boxes(points, present)
    for n in range(4):
        for j, part in enumerate(ZOOMED):
            mine = [points[n, k] for k in range(133)[PARTS[part]] if present[n, k]]
            assert counts[n, j] == len(mine)
            if not mine:
                assert (boxes[n, j] == 0).all()
                continue
            (x0, y0), (x1, y1) = np.min(mine, 0), np.max(mine, 0)
            side = max(x1 - x0, y1 - y0)
            x, y, w, h = boxes[n, j]
            assert (w, h) == pytest.approx((side, side))
            assert (x + w / 2, y + h / 2) == pytest.approx(((x0 + x1) / 2, (y0 + y1) / 2))


def found_person(part: str = "lefthand") -> np.ndarray:
    """(1, 133, 3): one part found on a grid 40 px wide, the rest with scores near zero."""
    keypoints = np.zeros((1, 133, 3))
    count = PARTS[part].stop - PARTS[part].start
    grid = np.stack([np.linspace(100, 140, count), np.linspace(50, 60, count)], -1)
    keypoints[0, PARTS[part], :2], keypoints[0, PARTS[part], 2] = grid, 0.8
    return keypoints


@pytest.mark.parametrize("part", ZOOMED)
def test_what_the_first_look_has_found_is_looked_at(part):
    person, which, boxes = where_to_look(found_person(part))
    assert (person.tolist(), which.tolist()) == ([0], [ZOOMED.index(part)])
    side = 40 * GROWTH[ZOOMED.index(part)]
    np.testing.assert_allclose(boxes, [[120 - side / 2, 55 - side / 2, side, side]])


def test_a_stray_point_of_low_score_does_not_widen_the_box():
    keypoints = found_person()
    keypoints[0, PARTS["lefthand"].start] = [900, 900, 0.1]
    assert where_to_look(keypoints)[2][0, 2] == pytest.approx(38 * 1.4)  # the first of the grid is gone


def test_parts_that_are_not_found_or_of_no_size_are_left():
    few = found_person()
    few[0, PARTS["lefthand"].start + FOUND_POINTS - 1 : PARTS["lefthand"].stop, 2] = 0
    unsure, small = found_person(), found_person()
    unsure[..., 2] *= 0.04
    small[..., :2] *= SMALLEST_PX / 40 / 1.4 * 0.99
    for keypoints in (few, unsure, small, np.zeros((1, 133, 3)), np.zeros((0, 133, 3))):
        assert all(len(column) == 0 for column in where_to_look(keypoints))


def an_arm(hand: str, length: float = 60.0) -> np.ndarray:
    """(1, 133, 3): a hand found, its wrist at the hand's root, the forearm level and `length` px long."""
    keypoints = found_person(hand)
    wrist = WRISTS[hand]
    for k, x in ((wrist, 100.0), (wrist - 2, 100.0 - length)):
        keypoints[0, k] = x, 50, 0.9
    return keypoints


@pytest.mark.parametrize("part", WRISTS)
def test_a_hand_ends_where_its_arm_cannot_reach(part):
    """Half of its points on the other hand, 200 px away: they do not widen the box."""
    torn = an_arm(part)
    torn[0, PARTS[part].start + 11 : PARTS[part].stop, 0] += 200
    (box,) = where_to_look(torn)[2]
    np.testing.assert_allclose(box[:2] + box[2:] / 2, (110, 52.5))  # of the eleven that the arm can reach
    assert box[2] == pytest.approx(0.5 * 60)  # they are 20 px wide: too few for such an arm
    torn[0, WRISTS[part], 2] = 0  # no wrist, no reach
    assert where_to_look(torn)[2][0, 2] == pytest.approx(240 * 1.4)


@pytest.mark.parametrize(("length", "side"), [(40, 0.9 * 40), (70, 1.4 * 40), (180, 0.5 * 180)])
def test_a_hand_is_as_large_as_its_arm_allows(length, side):
    keypoints = an_arm("righthand", length)
    keypoints[0, PARTS["righthand"], 0] -= 20  # 40 px wide, the wrist in its middle
    (box,) = where_to_look(keypoints)[2]
    np.testing.assert_allclose(box, [100 - side / 2, 55 - side / 2, side, side])


def test_an_arm_of_which_little_is_known_does_not_lose_a_hand():
    """A wrist far off whose score is a small share of the hand's, and an elbow far off."""
    keypoints = an_arm("lefthand")
    wrist = WRISTS["lefthand"]
    for k in (wrist, wrist - 2):
        keypoints[0, k] = 500 + 30 * (k == wrist), 400, 0.06
    assert where_to_look(keypoints)[2][0, 2] == pytest.approx(0.9 * 30)  # all points count
    keypoints = an_arm("lefthand", 540)
    assert where_to_look(keypoints)[2][0, 2] == pytest.approx(2 * 1.4 * 40)  # not half of 540


def test_longest_arm_bone():
    rng = np.random.default_rng(3)
    keypoints = rng.random((20, 133, 3)) * (100, 100, 0.12)
    expected = []
    for person in keypoints:
        lengths = [
            np.hypot(*(person[a, :2] - person[b, :2]))
            for a, b in ((5, 6), (5, 7), (7, 9), (6, 8), (8, 10))
            if min(person[a, 2], person[b, 2]) > 0.05
        ]
        expected.append(max(lengths, default=np.nan))
    assert 0 < np.isnan(expected).sum() < 20
    np.testing.assert_allclose(longest_arm_bone(keypoints), expected)
    assert np.isnan(longest_arm_bone(np.zeros((1, 133, 3)))).all()  # not a length of 0


def test_both_looks_count_by_their_scores():
    first, seen = np.random.default_rng(0).random((2, 3, 133, 3))
    person, part = np.array([2, 0]), np.array([0, 2])
    both = fuse(first, person, part, seen[:2])
    expected = first.copy()
    for row, who, name in ((0, 2, "face"), (1, 0, "righthand")):
        for k in range(133)[PARTS[name]]:
            a, b = first[who, k, 2], seen[row, k, 2]
            expected[who, k] = (a * first[who, k] + 6 * b * seen[row, k]) / (a + 6 * b)
    np.testing.assert_allclose(both, expected)


def test_a_look_without_a_score_does_not_count():
    first, seen = np.zeros((2, 1, 133, 3))
    first[..., :2], seen[..., :2], seen[..., 2] = 5, 7, 0.8
    where = np.array([0]), np.array([0])
    np.testing.assert_allclose(fuse(first, *where, seen)[0, PARTS["face"]], [[7, 7, 0.8]] * 68, atol=1e-4)
    seen[..., 2] = -0.1  # as a map below zero everywhere would have it
    assert np.isfinite(fuse(first, *where, seen)).all()


# --- the second look -------------------------------------------------------------------------------


def test_the_second_look_sees_more_exactly():
    """Both looks put points a heatmap px apart; in the second one that is fewer px of the picture."""
    image, box = painted_picture(), [[0.0, 0, 139, 139]]
    once, _ = predictor(1.0)(image, box)
    twice, scores = predictor(1.0, predictor(1.0, recipe=ZOOM))(image, box)
    assert (twice.dtype, scores.dtype, twice.shape) == (np.float32, np.float32, (1, 133, 2))
    for part, spot in SPOTS.items():
        far = [np.abs(points[0, PARTS[part]] - spot).max() for points in (once, twice)]
        assert far[1] < 0.8 * far[0], part
        np.testing.assert_allclose(twice[0, PARTS[part]].mean(0), spot, atol=0.5)
    np.testing.assert_array_equal(once[0, :23], twice[0, :23])  # body and feet are the first look's


@pytest.mark.parametrize("batch_size", [1, 3, 32])
def test_many_pictures_each_with_its_own_second_look(batch_size):
    image = painted_picture()
    pictures = [(image, np.zeros((0, 4))), (image[::-1].copy(), [[0, 0, 139, 139.0]] * 2)]
    pictures += [(image, [[5, 5, 120, 130.0]])]
    both = predictor(1.0, predictor(1.0, recipe=ZOOM))
    both.batch_size = batch_size
    answers = list(both.many(iter(pictures)))
    assert [len(points) for points, _ in answers] == [0, 2, 1]
    for (points, scores), (picture, boxes) in zip(answers, pictures, strict=True):
        alone = both(picture, boxes)
        np.testing.assert_allclose(points, alone[0], atol=1e-3)
        np.testing.assert_allclose(scores, alone[1], atol=1e-5)


@pytest.mark.parametrize("flip_test", [True, False])
def test_a_left_hand_is_a_right_hand_in_the_mirror(flip_test):
    """Found where it is, off the crop's middle too, with its fingers in a mirrored order."""
    second = Predictor(Painted(1.0, second=True), ZOOM, flip_test, device="cpu")
    k = np.arange(133)[PARTS["righthand"]]
    step = 30 * ZOOM.padding / (ZOOM.heatmap_size[0] - 1)  # picture px a heatmap px
    for part, mirror in (("righthand", 1), ("lefthand", -1)):
        x, y = SPOTS[part]
        points, _ = second(painted_picture(), [[x - 10.0, y - 18, 30, 30]])
        expected = np.stack([x + mirror * step * (k % 3 - 1), y + step * (k // 3 % 3 - 1)], -1)
        np.testing.assert_allclose(points[0, PARTS[part]], expected, atol=0.5)


@pytest.mark.parametrize("flip_test", [True, False])
def test_the_mirrored_picture_gives_the_mirrored_scores(flip_test, tiny_model):
    image, second = small_picture(3, (131, 150)), Predictor(tiny_model, TINY_ZOOM, flip_test, device="cpu")
    _, scores = second(image, [[20.0, 30, 60, 70]])
    _, mirrored = second(image[:, ::-1].copy(), [[131 - 1 - 80.0, 30, 60, 70]])
    hands = np.r_[PARTS["lefthand"], PARTS["righthand"]]
    known = np.r_[PARTS["face"], hands] if flip_test else hands
    np.testing.assert_allclose(scores[0, known], mirrored[0, FLIP_INDICES[known]], atol=1e-4)


def test_faster_types_stay_near(tiny_model):
    image, box = small_picture(3, (131, 150)), [[20.0, 30, 60, 70]]
    exact, rough = (
        Predictor(
            tiny_model,
            TINY,
            device="cpu",
            zoom=Predictor(tiny_model, TINY_ZOOM, device="cpu", dtype=dtype),
        )(image, box)
        for dtype in (torch.float32, torch.bfloat16)
    )
    assert np.abs(rough[1] - exact[1]).max() < 0.1 * np.abs(exact[1]).max()


def test_where_nothing_is_found_the_first_look_stays(tiny_model):
    """A network of random weights finds things anywhere, outside of the picture too."""
    with_zoom = Predictor(tiny_model, TINY, device="cpu", zoom=predictor(1.0, recipe=ZOOM))
    blank = Predictor(Painted(1.0), TINY, False, device="cpu", zoom=predictor(1.0, recipe=ZOOM))
    for image, boxes in cases():
        assert len(with_zoom(image, boxes)[0]) == len(boxes)
        assert blank(np.full_like(image, 60), boxes)[1].size == 133 * len(boxes)
    assert blank.zoom.model.calls == 0


def test_a_folder_gives_what_its_pictures_give(tiny_coco):
    folder = find_coco_folder(tiny_coco)
    persons = persons_from_annotations(load_annotations(folder.annotations))
    both = predictor(1.0, predictor(1.0, recipe=ZOOM))
    raw, failures = predict_persons(both, persons, folder.images, workers=0, progress=False)
    assert failures == []
    dataset = WholeBodyDataset(persons, folder.images, both.recipe)
    for i, points in enumerate(raw.keypoints):
        alone, _ = both(dataset._read(i), persons.boxes_xywh[i : i + 1])
        np.testing.assert_allclose(points[:, :2], alone[0], atol=1e-3)
    assert both.zoom.model.calls > 0


def in_the_corner(images: torch.Tensor) -> torch.Tensor:
    """Every part's points on a grid in the lower right corner of the crop."""
    h, w = (n // 4 for n in images.shape[2:])
    rows, columns = torch.meshgrid(torch.arange(h), torch.arange(w), indexing="ij")
    k = torch.arange(133)[:, None, None]
    x, y = w - 7 + 2 * (k % 3), h - 7 + 2 * (k // 3 % 3)
    maps = torch.exp(-((columns - x) ** 2 + (rows - y) ** 2) / 8)
    return maps.expand(len(images), -1, -1, -1)


def test_parts_outside_of_the_picture_are_left_in_both_ways_of_predicting(tiny_coco):
    """A person in the corner: what the first look finds beyond the edge is not looked at again."""
    folder = find_coco_folder(tiny_coco)
    persons = persons_from_annotations(load_annotations(folder.annotations)).select(slice(0, 1))
    outside = replace(persons, boxes_xywh=np.array([[100.0, 80, 100, 100]]))
    painted = painted_picture()
    cv2.imwrite(str(folder.images / persons.file_names[0]), painted[:120, :, ::-1])
    outside = replace(outside, image_sizes_wh=np.array([[140, 120]]))
    zoom = predictor(1.0, recipe=ZOOM)
    both = predictor(1.0, zoom)
    both.model.forward = in_the_corner
    raw, _ = predict_persons(both, outside, folder.images, workers=0, progress=False)
    alone, _ = both(read_image(folder.images / persons.file_names[0]), outside.boxes_xywh)
    assert zoom.model.calls == 0
    np.testing.assert_allclose(raw.keypoints[0, :, :2], alone[0], atol=1e-3)
    keypoints = found_person("face")
    keypoints[..., :2] -= 200
    assert len(where_to_look(keypoints)[0]) == 0
    keypoints[..., :2] += 1200
    assert len(where_to_look(keypoints)[0]) == 1
    assert len(where_to_look(keypoints, np.array([[100, 100]]))[0]) == 0
    assert len(where_to_look(keypoints, np.zeros((1, 2)))[0]) == 1  # not known


def test_a_picture_that_is_gone_counts_once(tiny_coco):
    folder = find_coco_folder(tiny_coco)
    persons = persons_from_annotations(load_annotations(folder.annotations))
    (folder.images / persons.file_names[0]).write_bytes(b"no picture")
    both = predictor(1.0, predictor(1.0, recipe=ZOOM))
    raw, failures = predict_persons(both, persons, folder.images, workers=0, progress=False)
    broken = int((persons.file_names == persons.file_names[0]).sum())
    assert (len(failures), len(raw)) == (broken, len(persons) - broken)


@pytest.mark.parametrize(
    ("first", "second"), [("tiny", "tiny"), ("tiny_17", "tiny_zoom")], ids=["no zoom recipe", "17 keypoints"]
)
def test_looks_that_do_not_fit_are_refused(first, second):
    recipes = {**RECIPES, "tiny_zoom": TINY_ZOOM, "tiny_17": replace(RECIPES["tiny"], num_keypoints=17)}
    zoom = Predictor(Painted(1.0), recipes[second], device="cpu")
    with pytest.raises(InputError, match=r"cannot look again.*tiny_zoom"):
        Predictor(Painted(1.0), recipes[first], device="cpu", zoom=zoom)


# --- learning and judging it -----------------------------------------------------------------------


def test_a_part_is_a_person_of_its_own(tiny_coco):
    persons = persons_from_annotations(load_annotations(find_coco_folder(tiny_coco).annotations))
    persons.keypoints[0, PARTS["face"], 2] = 0
    persons.keypoints[1, PARTS["lefthand"], :2] = persons.keypoints[1, 91, :2]  # all on one spot
    parts, owner, part = part_persons(persons)
    expected = [(i, j) for i in range(len(persons)) for j in range(3) if (i, j) not in ((0, 0), (1, 1))]
    assert list(zip(owner.tolist(), part.tolist(), strict=True)) == expected
    for i, (who, which) in enumerate(expected):
        s = PARTS[ZOOMED[which]]
        np.testing.assert_array_equal(parts.keypoints[i, s], persons.keypoints[who, s])
        assert not np.delete(parts.keypoints[i], np.r_[s], axis=0).any()
        x, y, w, h = parts.boxes_xywh[i]
        inside = persons.keypoints[who, s, :2] - (x, y)
        assert w == h
        assert inside.min() >= -1e-9
        assert inside.max() <= w + 1e-9
        assert parts.file_names[i] == persons.file_names[who]


def test_the_second_look_alone_is_judged_by_faces_and_hands(tiny_coco, tiny_model):
    folder = find_coco_folder(tiny_coco)
    annotations = load_annotations(folder.annotations)
    persons = persons_from_annotations(annotations)
    second = Predictor(tiny_model, ZOOM, False, device="cpu")
    raw, failures = predict_parts(second, persons, folder.images, workers=0)
    assert failures == []
    assert not raw.keypoints[:, :23].any()
    assert score(annotations, raw, ZOOM)[1].index.tolist() == [*ZOOMED, "hand"]
    parts, owner, part = part_persons(persons)
    for i in range(len(parts)):
        image, mine = read_image(folder.images / parts.file_names[i]), PARTS[ZOOMED[part[i]]]
        _, scores = second(image, parts.boxes_xywh[i : i + 1])
        np.testing.assert_allclose(raw.keypoints[owner[i], mine, 2], scores[0, mine], atol=1e-4)


def test_the_shipped_model_looks_twice_unless_told_not_to():
    model = shipped_model()
    zoom = zoom_weights(None, None)
    assert zoom == zoom_weights(model, None) == model.with_name("tiny_zoom.safetensors")
    assert zoom_weights("mine.safetensors", None) is zoom_weights(None, "none") is None
    assert zoom_weights(os.path.relpath(model), None) == zoom
    assert zoom_weights("mine.safetensors", "mine_zoom.safetensors") == "mine_zoom.safetensors"
    assert load_predictor(zoom="none", device="cpu").zoom is None
    assert load_predictor(device="cpu").zoom.recipe == TINY_ZOOM
    with pytest.raises(InputError, match=r"faces and hands only.*--zoom"):
        load_predictor(zoom, device="cpu")


def test_networks_of_the_recipe_can_be_built():
    recipe = TINY_ZOOM
    maps = PoseNet(recipe.width, 133, recipe.head_channels)(torch.zeros(1, 3, *recipe.input_size))
    assert maps.shape == (1, 133, *recipe.heatmap_size)


def test_every_hand_is_a_right_hand(tiny_coco):
    """Left ones are mirrored, labels and all; faces are mirrored now and then."""
    folder = find_coco_folder(tiny_coco)
    persons = part_persons(persons_from_annotations(load_annotations(folder.annotations)))[0]
    still = Augmentation(
        half_body_probability=0, shift_probability=0, scale=(1.0, 1.0), rotation_probability=0
    )
    recipe = replace(TINY_ZOOM, udp=False)
    once, again = (WholeBodyDataset(persons, folder.images, recipe, still, seed) for seed in (1, 2))
    plain = WholeBodyDataset(persons, folder.images, recipe)
    turned = set()
    for i in range(len(persons)):
        a, b, straight = once[i], again[i], plain[i]
        left, right = (straight["visible"][PARTS[part]].any() for part in ("lefthand", "righthand"))
        assert not a["visible"][PARTS["lefthand"]].any()
        assert a["visible"][PARTS["righthand"]].any() == (left or right)
        if left:
            np.testing.assert_allclose(
                a["keypoints"][PARTS["righthand"], 0],
                recipe.input_size[0] - straight["keypoints"][PARTS["lefthand"], 0],
                atol=1e-3,
            )
        if right:
            np.testing.assert_allclose(a["keypoints"], straight["keypoints"])
        if not (left or right):
            turned |= {bool(np.allclose(a["keypoints"], b["keypoints"]))}
    assert turned == {True, False}


def test_train_command(train_coco, tmp_path, capsys):
    """Learns, is judged by faces and hands, and what it writes works as the second look of another."""
    out = tmp_path / "zoom"
    own = ["--data", train_coco, "--out", out, "--epochs", "1", "--batch-size", "4", "--workers", "0"]
    call = ["train", "--recipe", "tiny_zoom", "--input-size", "64x64", "--device", "cpu", *map(str, own)]
    assert main(call) == 0
    text = capsys.readouterr().out
    assert "15 samples an epoch" in text  # five people, each with a face and two hands
    assert "learn nothing" not in text
    assert "body" not in text.split("lefthand")[-1]
    assert (out / "best.safetensors").exists()
    weights = str(out / "final.safetensors")
    evaluate = ["evaluate", "--data", str(train_coco), "--workers", "0", "--no-flip", "--batch-size", "4"]
    assert main([*evaluate, "--zoom", weights]) == 0
    assert "recipe tiny_zoom, crops of 64x64 px" in capsys.readouterr().out
    assert main([*evaluate, "--checkpoint", weights]) == 2
    assert "--zoom" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("more", "said"), [(["--synthetic", "9"], "wbkit synth"), (["--keypoints", "17"], "--keypoints 17")]
)
def test_what_it_cannot_learn_from_is_refused(more, said, tmp_path, capsys):
    assert main(["train", "--recipe", "tiny_zoom", "--out", str(tmp_path), *more]) == 2
    assert said in capsys.readouterr().err


def test_labels_of_faces_only_are_told(train_coco, capsys):
    folder = find_coco_folder(train_coco, "train")
    content = json.loads(folder.annotations.read_text())
    for person in content["annotations"]:
        for part in ("lefthand", "righthand"):
            person |= {f"{part}_kpts": [0.0] * 63, f"{part}_valid": False}
    folder.annotations.write_text(json.dumps(content))
    options = build_parser().parse_args(["train", "--recipe", "tiny_zoom", "--data", str(train_coco)])
    samples = training_samples(options, TINY_ZOOM)
    show_plan(TINY_ZOOM, samples, Hardware(device="cpu").resolved(), train_coco)
    said = capsys.readouterr().out
    assert "5 faces and hands of 5 people; 0 are left out" in said
    assert "Nobody has labels for lefthand, righthand" in said


# --- the commands ----------------------------------------------------------------------------------


@pytest.fixture
def zoom_file(tmp_path) -> Path:
    torch.manual_seed(0)
    model = PoseNet(TINY_ZOOM.width, 133, TINY_ZOOM.head_channels)
    save_pose_weights(model, tmp_path / "zoom.safetensors", ZOOM.metadata())
    return tmp_path / "zoom.safetensors"


def test_export(zoom_file, tmp_path, capsys):
    half = tmp_path / "half.safetensors"
    assert main(["export", "--checkpoint", str(zoom_file), "--out", str(half), "--half"]) == 0
    assert load_model(half)[1] == AS_LEARNT
    assert main(["export", "--checkpoint", str(zoom_file), "--out", str(tmp_path / "a.pth")]) == 2
    assert "right hands only" in capsys.readouterr().err
    assert main(["export", "--out", str(tmp_path / "first.safetensors")]) == 0
    assert load_model(tmp_path / "first.safetensors")[1] == RECIPES["tiny"]


def test_weights_of_another_kind_are_refused(zoom_file, tmp_path):
    model = load_model(zoom_file)[0]
    torch.save(model.state_dict(), tmp_path / "bare.pth")
    assert load_predictor(zoom=tmp_path / "bare.pth", device="cpu").zoom.recipe == TINY_ZOOM
    with pytest.raises(InputError, match=r"tiny\.safetensors.*whole people.*tiny_zoom"):
        load_predictor(zoom=shipped_model(), device="cpu")
    with pytest.raises(InputError, match=r"tiny_zoom is of faces and hands.*--zoom"):
        load_predictor(recipe="tiny_zoom", device="cpu")


def test_demo_and_predict(tiny_coco, zoom_file, tmp_path, capsys):
    demo = ["demo", "--data", str(tiny_coco), "--out", str(tmp_path / "demo")]
    assert main([*demo, "--zoom", str(zoom_file)]) == 0
    assert "recipe tiny_zoom" in capsys.readouterr().out
    picture = next((tiny_coco / "val2017").iterdir())
    predict = ["predict", str(picture), "--detector", "whole", "--out", str(tmp_path / "p"), "--no-flip"]
    found = []
    for zoom in (str(zoom_file), "none"):
        assert main([*predict, "--zoom", zoom]) == 0
        found.append(json.loads((tmp_path / "p" / "results.json").read_text())[0])
    assert found[0]["keypoints"] == found[1]["keypoints"]
    assert found[0]["face_kpts"] != found[1]["face_kpts"]


def test_what_a_run_is_compared_by(zoom_file):
    """States and journals from before there were second looks still fit; others must have the same one."""
    assert "zoom" not in identity(RECIPES["tiny"], 1, 0, 1)["recipe"]
    assert identity(TINY_ZOOM, 1, 0, 1)["recipe"]["zoom"] is True
    how = [
        _how(build_parser().parse_args(["predict", "x.jpg", *more]), load_predictor(device="cpu"), "hog")
        for more in (["--zoom", "none"], ["--zoom", str(zoom_file)], [])
    ]
    assert "zoom" not in how[0]
    assert how[1]["zoom"].startswith("zoom.safetensors (")
    assert how[2]["zoom"].startswith("tiny_zoom.safetensors (")


def test_a_model_of_17_keypoints_takes_none(zoom_file, tmp_path):
    body = tmp_path / "body.safetensors"
    save_pose_weights(PoseNet(16, 17, RECIPES["tiny"].head_channels), body, RECIPES["tiny"].metadata())
    assert load_predictor(body, device="cpu").zoom is None
    with pytest.raises(InputError, match=r"cannot look again.*133 keypoints"):
        load_predictor(body, zoom=zoom_file, device="cpu")
