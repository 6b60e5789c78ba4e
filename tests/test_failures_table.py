"""wbkit.failures.table, pairs and attributes: small cases by hand, invariances, sums."""

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from planting import NOISE_MODELS, embedded, make_scene, result_columns

from wbkit.annotations import load_annotations, results_from_arrays, results_to_json
from wbkit.errors import InputError
from wbkit.failures import (
    CAUSES,
    CLASSES,
    LABELLED_CAUSES,
    analyse,
    cause_table,
    class_table,
    hallucination_table,
    keypoint_table,
)
from wbkit.failures.attributes import crowding, part_sizes, truncated
from wbkit.failures.pairs import pair_up
from wbkit.failures.table import SIDES, keypoint_sides
from wbkit.geometry import box_iou
from wbkit.keypoints import KEYPOINTS, PARTS, SIGMAS
from wbkit.matching import oks


def noisy(seed=0):
    """The embedded val set, predicted with noise, some people missed and some invented."""
    truth = embedded("val")
    rng = np.random.default_rng(seed)
    guess = truth.keypoints.copy()
    guess[..., :2] += rng.normal(size=guess[..., :2].shape) * 0.05 * np.sqrt(truth.areas)[:, None, None]
    guess[..., 2] = rng.random(guess.shape[:2])
    kept = rng.random(len(truth)) < 0.9
    extra = rng.choice(len(truth), 20)
    guess = np.concatenate([guess[kept], guess[extra] + [40.0, 0, 0]])
    images = np.concatenate([truth.person_image_ids[kept], truth.person_image_ids[extra]])
    scores = rng.permutation(len(guess)) / len(guess) + 0.1
    return truth, result_columns(guess, images, scores)


@pytest.fixture(scope="module")
def table():
    return keypoint_table(*noisy())


def two_people():
    """Two people of area 2500 (50 px); nose and left shoulder of one, nose of the other labelled."""
    keypoints = np.zeros((2, 133, 3))
    keypoints[0, 0], keypoints[0, 5] = (100, 100, 2), (110, 150, 1)
    keypoints[1, 0] = (300, 100, 2)
    parts = {"keypoints": slice(0, 17), "foot_kpts": PARTS["foot"], "face_kpts": PARTS["face"]}
    parts |= {"lefthand_kpts": PARTS["lefthand"], "righthand_kpts": PARTS["righthand"]}
    people = [
        {"id": 7 + i, "image_id": 4, "category_id": 1, "area": 2500.0, "bbox": [80 + 40.0 * i, 90, 60, 80]}
        | {name: points[s].ravel().tolist() for name, s in parts.items()}
        for i, points in enumerate(keypoints)
    ]
    images = [{"id": 4, "file_name": "4.jpg", "width": 640, "height": 480}]
    guess = np.zeros((1, 133, 3))
    guess[0, 0], guess[0, 5] = (103, 104, 0.9), (110, 142.1, 0.5)
    guess[0, 91:112, 2] = 0.6  # a left hand that nobody labelled
    return {"images": images, "annotations": people}, results_from_arrays(guess, None, [4], [0.8])


# --- by hand ---------------------------------------------------------------------------------------


def test_rows_by_hand():
    table = keypoint_table(*two_people())
    assert len(table) == 2 * 133
    one, two = table[:133].set_index("keypoint"), table[133:].set_index("keypoint")
    nose, shoulder = one.loc["nose"], one.loc["left_shoulder"]
    assert (nose["image_id"], nose["person_id"], nose["person"], nose["detection"]) == (4, 7, 0, 0)
    assert (nose["part"], nose["side"], shoulder["side"], nose["v"]) == ("body", "middle", "left", 2)
    assert (nose["x"], nose["y"], nose["x_pred"], nose["y_pred"]) == (100, 100, 103, 104)
    assert nose["error_px"] == 5  # a triangle of 3 and 4
    assert nose["error_person"] == pytest.approx(5 / 50)
    size = math.sqrt((60**2 + 80**2) / 2)  # the body's size is that of the person's box
    assert nose["part_size"] == pytest.approx(size)
    assert nose["error_part"] == pytest.approx(5 / size)
    assert nose["similarity"] == pytest.approx(math.exp(-25 / (2 * 2500 * 0.052**2)))
    assert nose["similarity_part"] == pytest.approx(math.exp(-25 / (2 * size**2 * 0.052**2)))
    assert shoulder["similarity"] == pytest.approx(math.exp(-0.5))  # 7.9 px is one deviation: 50 x 2 x .079
    assert (nose["cause"], shoulder["cause"]) == ("miss", "jitter")
    mean = (math.exp(-25 / (2 * 2500 * 0.052**2)) + math.exp(-0.5)) / 2
    assert nose["person_oks"] == pytest.approx(mean)
    assert (nose["score"], nose["person_score"]) == pytest.approx((0.9, 0.8))
    assert (nose["person_labelled"], nose["part_labelled"]) == (2, 2)
    assert nose["overlap"] == pytest.approx(20 * 80 / (2 * 60 * 80 - 20 * 80))
    assert nose["neighbours"] == 1
    assert not nose["truncated"]
    assert one.loc["left_hand_root", "cause"] == "hallucinated"
    assert one.loc["right_hand_root", "cause"] == "unlabelled"
    assert np.isnan(one.loc["left_hand_root", ["error_px", "similarity", "x"]].to_numpy(float)).all()
    assert (two["detection"] == -1).all()
    assert two["x_pred"].isna().all()
    assert two.loc["nose", "cause"] == two.loc["nose", "ronchi"] == "person_missed"


def test_hallucinations_by_hand():
    counted = hallucination_table(keypoint_table(*two_people()))
    assert counted.loc["lefthand"].tolist() == [1, 1.0, 21, 0]
    assert counted.loc["righthand"].tolist() == [1, 0.0, 0, 0]
    assert counted.loc["body", "persons"] == 0


def test_the_best_placed_detection_belongs_to_a_person_whatever_the_scores():
    scene = make_scene(0, count=2)
    worse, better, stray = scene.truth[0] + 9, scene.truth[0] + 1, scene.truth[1] + 900
    guess = np.concatenate([[worse, better, stray], scene.truth[1:]])
    guess = np.concatenate([guess, np.ones((4, 133, 1))], axis=2)
    for scores in ([0.9, 0.1, 0.8, 0.2], [0.1, 0.9, 0.2, 0.8]):
        pairs = pair_up(scene.annotations, result_columns(guess, [1] * 4, scores))
        assert pairs.detections.tolist() == [1, 3]
        assert pairs.oks[1] == 1
        best = [oks(g[:k, :2], scene.truth[0][:k], np.ones(k, bool), scene.areas[0], SIGMAS[:k])
                for k in (17, 133) for g in [guess[1]]]  # fmt: skip
        assert pairs.oks[0] == pytest.approx(max(best))


def test_a_face_that_is_all_wrong_does_not_hide_a_body_that_is_found():
    scene = make_scene(0, count=2)
    scene.predicted[0, 23:] += 700
    pairs = pair_up(scene.annotations, scene.results())
    assert pairs.detections.tolist() == [0, 1]
    scene.predicted[0, :14] += 700  # 3 of 17 body points are left, but the whole is below .1 too
    scene.predicted[0, 17:23] += 700
    assert pair_up(scene.annotations, scene.results()).detections.tolist() == [0, 1]
    scene.predicted[0, :16] += 700
    assert pair_up(scene.annotations, scene.results()).detections.tolist() == [-1, 1]


def test_part_sizes_truncation_and_crowding_by_hand():
    truth = load_annotations(two_people()[0])
    sizes = part_sizes(truth, np.array([0, 1]))
    assert sizes[0, 0] == pytest.approx(math.sqrt(5000))
    assert np.isnan(sizes[:, 1:]).all()
    truth.keypoints[0, 17:19] = [(10, 20, 2), (40, 60, 1)]  # 30 x 40 px of labelled feet
    truth.part_boxes_xywh[1, 0] = (0, 0, 30, 30)  # an annotated face box
    sizes = part_sizes(truth, np.array([0, 1]))
    assert sizes[0, 1] == pytest.approx(math.sqrt((30**2 + 40**2) / 2))
    assert sizes[1, 2] == pytest.approx(30)
    assert truncated(truth, np.array([0, 1])).tolist() == [False, False]
    truth.boxes_xywh[1] = (580, 90, 59.5, 80)  # ends half a pixel before the border
    assert truncated(truth, np.array([0, 1])).tolist() == [False, True]
    assert crowding(truth, np.array([1]))[0].tolist() == [0]
    assert box_iou(np.array([[0, 0, 2, 2.0]]), np.array([[1, 1, 2, 2.0]]))[0] == pytest.approx(1 / 7)
    assert box_iou(np.zeros((1, 4)), np.zeros((1, 4)))[0] == 0


def test_crowding_equals_a_naive_loop():
    truth = embedded("train")
    persons = np.flatnonzero(~truth.crowd)[::3]
    overlap, neighbours = crowding(truth, persons)
    for p, highest, count in zip(persons, overlap, neighbours, strict=True):
        others = [
            q for q in range(len(truth))
            if q != p and not truth.crowd[q] and truth.person_image_ids[q] == truth.person_image_ids[p]
        ]  # fmt: skip
        ious = [box_iou(truth.boxes_xywh[[p]], truth.boxes_xywh[[q]])[0] for q in others]
        assert highest == pytest.approx(max(ious, default=0))
        assert count == sum(i >= 0.1 for i in ious)


# --- the whole -------------------------------------------------------------------------------------


def test_columns_are_typed_and_small(table):
    assert table.memory_usage(deep=True).sum() / len(table) < 150  # bytes a row: 130 MB for val2017
    categories = ("part", "keypoint", "side", "cause", "ronchi", "confused_keypoint")
    assert all(isinstance(table[c].dtype, pd.CategoricalDtype) for c in categories)
    assert tuple(table["cause"].cat.categories) == CAUSES
    assert tuple(table["keypoint"].cat.categories) == KEYPOINTS
    assert set(table.dtypes.astype(str)) == {"int64", "int32", "int16", "float32", "bool", "category"}


def test_sums(table):
    truth = embedded("val")
    counted = (truth.keypoints[..., 2] > 0).any(1) & ~truth.crowd
    assert len(table) == 133 * counted.sum()
    labelled = table[table["v"] > 0]
    assert len(labelled) == (truth.keypoints[counted][..., 2] > 0).sum()
    assert set(labelled["cause"]) <= set(LABELLED_CAUSES)
    causes = cause_table(table)
    np.testing.assert_allclose(causes.drop(columns="labelled").sum(axis=1), 1)
    assert causes["labelled"].sum() == len(labelled)
    assert causes["labelled"].to_dict() == labelled.groupby("part", observed=True).size().to_dict()
    ronchi = cause_table(table, ["part", "side"], column="ronchi")
    assert ronchi["labelled"].sum() == len(labelled)
    np.testing.assert_allclose(ronchi.drop(columns="labelled").sum(axis=1), 1)
    assert (causes["person_missed"] > 0).all()


def test_sides_are_the_subjects_own(table):
    sides = table[:133].set_index("keypoint")["side"]
    for name in KEYPOINTS:
        word = name.split("_")[0]
        if word in ("left", "right"):
            assert sides[name] == word
    assert sides["face-0"] == "right"  # 300-W counts the jaw from the picture's left, the subject's right
    assert sides["face-16"] == "left"
    assert sides["face-8"] == "middle"
    assert sides[[f"face-{i}" for i in range(36, 42)]].tolist() == ["right"] * 6
    assert sides[[f"face-{i}" for i in range(42, 48)]].tolist() == ["left"] * 6


@settings(max_examples=3, deadline=None)
@given(st.integers(0, 2**31))
def test_order_and_ids_do_not_matter(seed):
    truth, results = noisy(1)
    plain = keypoint_table(truth, results)
    rng = np.random.default_rng(seed)
    persons, detections = rng.permutation(len(truth)), rng.permutation(len(results))
    new_ids = rng.choice(100_000, len(truth.image_ids), replace=False)
    rename = dict(zip(truth.image_ids.tolist(), new_ids.tolist(), strict=True))
    shuffled = truth.select(persons)
    shuffled = replace(
        shuffled,
        image_ids=new_ids,
        person_image_ids=np.array([rename[i] for i in shuffled.person_image_ids]),
        ids=shuffled.ids + 5000,
    )
    moved = results.select(detections)
    moved = replace(moved, image_ids=np.array([rename[i] for i in moved.image_ids]))
    table = keypoint_table(shuffled, moved)
    table["person_id"] -= 5000
    table["confused_person_id"] = table["confused_person_id"].where(
        table["confused_person_id"] < 0, lambda x: x - 5000
    )
    plain["image_id"] = plain["image_id"].map(rename)
    found = plain["detection"] >= 0
    assert (
        detections[table["detection"][table["detection"] >= 0]] == results_order(plain[found], table)
    ).all()
    columns = [c for c in plain if c not in ("person", "detection")]
    key = ["person_id", "keypoint"]
    first, second = (t[columns].sort_values(key).reset_index(drop=True) for t in (plain, table))
    pd.testing.assert_frame_equal(first, second, check_dtype=True)


def results_order(plain, table):
    """The plain table's detections in the order of the shuffled table's rows."""
    at = plain.set_index(["person_id", "keypoint"])["detection"]
    rows = table[table["detection"] >= 0]
    return at.loc[list(zip(rows["person_id"], rows["keypoint"], strict=True))].to_numpy()


def test_nobody_and_nothing():
    truth, results = two_people()
    missed = keypoint_table(truth, [])
    assert set(missed["cause"]) == {"person_missed", "unlabelled"}
    assert missed["person_score"].isna().all()
    nobody = keypoint_table({**truth, "annotations": []}, results)
    assert len(nobody) == 0
    assert list(nobody.columns) == list(missed.columns)
    assert len(cause_table(nobody)) == 0


def test_inputs_are_files_or_columns_and_stay_as_they_are(tmp_path):
    import json

    truth, results = noisy(2)
    before = truth.keypoints.copy(), results.keypoints.copy()
    table = keypoint_table(truth, results)
    np.testing.assert_array_equal(truth.keypoints, before[0])
    np.testing.assert_array_equal(results.keypoints, before[1])
    (tmp_path / "results.json").write_text(json.dumps(results_to_json(results)))
    pd.testing.assert_frame_equal(keypoint_table(truth, tmp_path / "results.json"), table)
    analysis = analyse(truth, results)
    assert analyse(analysis) is analysis
    pd.testing.assert_frame_equal(keypoint_table(analysis), table)


def test_what_is_missing_or_unknown_is_named():
    truth, results = two_people()
    with pytest.raises(InputError, match="no results were given"):
        keypoint_table(truth)
    with pytest.raises(InputError, match="names no picture"):
        keypoint_table(truth, [{**results[0], "image_id": 5}])


def test_every_class_is_defined():
    classes = class_table()
    assert list(classes.index) == list(CLASSES)
    assert set(CAUSES) < set(classes.index)
    assert (classes["definition"].str.count(r"\.$") == 1).all()
    assert (classes["formula"].str.len() > 5).all()
    assert set(NOISE_MODELS) | {"good"} < set(LABELLED_CAUSES)


def test_sides_of_face_points_are_those_of_faces_turned_to_the_camera():
    """There the subject's left points lie on the right of the picture."""
    truth = embedded("train").keypoints
    eyes = truth[:, 65:71, 0].mean(1) - truth[:, 59:65, 0].mean(
        1
    )  # left minus right (face-42 ..., face-36 ...)
    size = np.ptp(truth[:, PARTS["face"], 0], axis=1)
    frontal = (truth[:, PARTS["face"], 2] > 0).all(1) & (eyes > 0.35 * size)
    face = truth[frontal, PARTS["face"], 0]
    assert len(face) > 30
    nose = face[:, 27:31].mean(1, keepdims=True)
    relative = np.median((face - nose) / size[frontal, None], axis=0)
    sides = np.array(SIDES)[keypoint_sides()][PARTS["face"]]
    assert (relative[sides == "left"] > 0.005).all()
    assert (relative[sides == "right"] < -0.005).all()
    assert (sides == "middle").sum() == 68 - 2 * 29
    for name, side in zip(KEYPOINTS, np.array(SIDES)[keypoint_sides()], strict=True):
        if not name.startswith("face"):
            assert side == (name.split("_")[0] if "_" in name else "middle")
