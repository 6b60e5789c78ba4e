"""wbkit.annotations: columns against the json, the cache, and results there and back."""

import copy
import json
import math
import os
import re
from dataclasses import fields

import numpy as np
import pytest
from helpers import FIELDS, keypoints_of, make_annotations
from hypothesis import given, settings
from hypothesis import strategies as st

import wbkit.annotations
from wbkit.annotations import (
    load_annotations,
    load_detections,
    load_results,
    results_from_arrays,
    results_to_json,
    save_results,
)
from wbkit.columns import Annotations, Results, body_extent_areas
from wbkit.errors import InputError


def write(path, content):
    path.write_text(json.dumps(content))
    return path


def assert_equal_columns(a, b, but=()):
    for field in fields(a):
        if field.name not in ("source", *but):
            x, y = getattr(a, field.name), getattr(b, field.name)
            if x is y is None:
                continue
            assert x.dtype == y.dtype, field.name
            np.testing.assert_array_equal(x, y, err_msg=field.name)


@pytest.fixture
def content():
    return make_annotations(pictures=5, people=4, seed=3)


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """A cache of this test's own."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("WBKIT_CACHE", str(folder))
    return folder


@pytest.fixture
def reads(monkeypatch):
    """Paths of the json files that were parsed."""
    parsed, real = [], wbkit.annotations.read_json
    monkeypatch.setattr(wbkit.annotations, "read_json", lambda path: parsed.append(path) or real(path))
    return parsed


# --- columns ---------------------------------------------------------------------------------------


def test_columns_equal_the_json(content):
    columns = load_annotations(content)
    images, people = content["images"], content["annotations"]
    assert len(people) >= 4
    assert len(columns) == len(people)
    assert columns.image_ids.tolist() == [i["id"] for i in images]
    assert columns.file_names.tolist() == [i["file_name"] for i in images]
    assert columns.image_sizes_wh.tolist() == [[640, 480]] * 5
    assert columns.ids.tolist() == [p["id"] for p in people]
    assert columns.person_image_ids.tolist() == [p["image_id"] for p in people]
    assert columns.boxes_xywh.tolist() == [p["bbox"] for p in people]
    assert columns.areas.tolist() == [p["area"] for p in people]
    assert columns.num_keypoints.tolist() == [p["num_keypoints"] for p in people]
    assert not columns.crowd.any()
    for i, p in enumerate(people):
        np.testing.assert_array_equal(columns.keypoints[i], keypoints_of(p))
        assert columns.valid[i].tolist() == [
            p[f"{part}_valid"] for part in ("foot", "face", "lefthand", "righthand")
        ]
        assert columns.part_boxes_xywh[i].tolist() == [
            p[f"{part}_box"] for part in ("face", "lefthand", "righthand")
        ]
    dtypes = {f.name: getattr(columns, f.name).dtype.kind for f in fields(columns) if f.name != "source"}
    integers = {"image_ids", "image_sizes_wh", "ids", "person_image_ids", "num_keypoints"}
    assert {name for name, kind in dtypes.items() if kind == "i"} == integers
    assert {name for name, kind in dtypes.items() if kind == "b"} == {"crowd", "valid"}
    assert {name for name, kind in dtypes.items() if kind == "f"} == {
        "keypoints",
        "boxes_xywh",
        "areas",
        "part_boxes_xywh",
    }


def test_fractional_visibilities_are_kept(content):
    people = content["annotations"]
    people[0]["lefthand_kpts"][2::3] = [0.25] * 21
    columns = load_annotations(content)
    np.testing.assert_array_equal(columns.keypoints[0, 91:112, 2], 0.25)
    assert columns.keypoints.shape == (len(people), 133, 3)
    assert columns.keypoints.dtype == np.float64


def test_order_of_the_parts():
    content = make_annotations(1, 1)
    for value, (field, count) in enumerate(FIELDS):
        content["annotations"][0][field] = [float(value)] * (3 * count)
    column = load_annotations(content).keypoints[0, :, 0]
    assert column.tolist() == [0] * 17 + [1] * 6 + [2] * 68 + [3] * 21 + [4] * 21


def test_missing_optional_fields(content):
    whole = load_annotations(content)
    people = content["annotations"]
    for person in people:
        for name in ("iscrowd", "num_keypoints", "face_box", "lefthand_box", "righthand_box"):
            del person[name]
        for part in ("foot", "face", "lefthand", "righthand"):
            del person[f"{part}_valid"]
    people[0]["face_kpts"][2::3] = [0] * 68
    people[0]["foot_kpts"][2::3] = [0, 0, 0, 0, 0, 1]
    people[1]["keypoints"][2::3] = [0, 1, 2] + [0] * 14
    for image in content["images"][1:]:
        del image["width"], image["height"]
    columns = load_annotations(content)
    assert not columns.crowd.any()
    assert columns.num_keypoints[1] == 2  # counted
    np.testing.assert_array_equal(columns.num_keypoints[2:], whole.num_keypoints[2:])
    assert (columns.part_boxes_xywh == 0).all()
    assert columns.image_sizes_wh.tolist() == [[640, 480], *[[0, 0]] * 4]
    parts = {
        "foot": slice(17, 23),
        "face": slice(23, 91),
        "lefthand": slice(91, 112),
        "righthand": slice(112, 133),
    }
    expected = np.stack([(columns.keypoints[:, s, 2] > 0).any(1) for s in parts.values()], 1)
    np.testing.assert_array_equal(columns.valid, expected)  # valid where something is labelled
    assert columns.valid[0, :2].tolist() == [True, False]


def test_crowds_and_people_without_keypoints_are_kept(content):
    people = content["annotations"]
    people[0]["iscrowd"] = 1
    for field, count in FIELDS:
        people[1][field] = [0] * (3 * count)
    people[1]["num_keypoints"] = 0
    columns = load_annotations(content)
    assert len(columns) == len(people)
    assert columns.crowd.tolist() == [True] + [False] * (len(people) - 1)
    assert columns.num_keypoints[1] == 0


def test_empty_file_and_columns_given_back():
    columns = load_annotations({"images": [], "annotations": []})
    assert len(columns) == 0
    assert columns.keypoints.shape == (0, 133, 3)
    assert columns.part_boxes_xywh.shape == (0, 3, 4)
    assert columns.valid.shape == (0, 4)
    assert columns.image_sizes_wh.shape == (0, 2)
    assert load_annotations(columns) is columns


def test_the_content_is_not_changed(content):
    kept = copy.deepcopy(content)
    load_annotations(content)
    assert content == kept


def without_parts(records, fields):
    """The records without these keypoint fields and what belongs to them."""
    parts = tuple(field.removesuffix("_kpts") + "_" for field in fields)
    return [{k: v for k, v in record.items() if not k.startswith(parts)} for record in records]


@pytest.mark.parametrize(
    "lacking", [[f for f, _ in FIELDS[1:]], ["face_kpts"], ["foot_kpts", "lefthand_kpts"]]
)
def test_parts_that_no_record_has_are_not_labelled(content, lacking):
    """COCO's own files have 17 keypoints only."""
    plain = content | {"annotations": without_parts(content["annotations"], lacking)}
    columns, whole = load_annotations(plain), load_annotations(content)
    at = 0
    for field, count in FIELDS:
        points = columns.keypoints[:, at : at + count]
        expected = 0 * points if field in lacking else whole.keypoints[:, at : at + count]
        np.testing.assert_array_equal(points, expected)
        at += count
    for i, part in enumerate(("foot", "face", "lefthand", "righthand")):
        expected = 0 * whole.valid[:, i] if f"{part}_kpts" in lacking else whole.valid[:, i]
        np.testing.assert_array_equal(columns.valid[:, i], expected)
    assert_equal_columns(columns, whole, but=("keypoints", "valid", "part_boxes_xywh"))


def test_results_of_17_keypoints(content):
    points = np.round(np.random.default_rng(0).uniform(0, 400, (2, 133, 3)), 3)
    records = results_from_arrays(points, None, np.array([1, 2]), np.array([0.5, 0.6]))
    columns = load_results(without_parts(records, [f for f, _ in FIELDS[1:]]))
    np.testing.assert_array_equal(columns.keypoints[:, :17], points[:, :17])
    assert not columns.keypoints[:, 17:].any()


# --- cache -----------------------------------------------------------------------------------------


def test_the_second_load_comes_from_the_cache(content, tmp_path, cache, reads):
    path = write(tmp_path / "a.json", content)
    first = load_annotations(path)
    assert len(list((cache / "annotations").iterdir())) == 1
    second = load_annotations(str(path))
    assert reads == [path]
    assert_equal_columns(first, second)
    assert_equal_columns(first, load_annotations(content))
    assert second.source == str(path)
    copied = write(tmp_path / "b.json", content)  # the same content elsewhere
    assert load_annotations(copied).source == str(copied)
    assert len(reads) == 1


def test_changed_content_is_read_again(content, tmp_path, cache, reads):
    path = write(tmp_path / "a.json", content)
    load_annotations(path)
    stamp = path.stat()
    content["annotations"][0]["area"] = 4321.0
    write(path, content)
    os.utime(path, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))  # even with the old time
    assert load_annotations(path).areas[0] == 4321
    assert len(reads) == 2


def test_no_cache_on_request(content, tmp_path, cache, reads):
    path = write(tmp_path / "a.json", content)
    for _ in range(2):
        load_annotations(path, cache=False)
    assert len(reads) == 2
    assert not cache.exists()


@pytest.mark.parametrize(
    "damage", ["cut", "empty", "text", "flipped", "other columns", "header", "unknown compression"]
)
def test_a_damaged_cache_file_is_made_again(content, tmp_path, cache, reads, damage):
    path = write(tmp_path / "a.json", content)
    expected = load_annotations(path)
    (stored,) = (cache / "annotations").iterdir()
    whole = stored.read_bytes()
    middle = whole.index(expected.keypoints.tobytes()[:64])
    broken = {
        "cut": whole[: len(whole) // 2],
        "empty": b"",
        "text": b"no zip file",
        "flipped": whole[:middle]
        + bytes(255 - b for b in whole[middle : middle + 64])
        + whole[middle + 64 :],
        "header": whole.replace(b"NUMPY", b"NUMBY"),
        # Bytes 10 and 11 of the central directory's entries, "PK\1\2": zipfile raises NotImplementedError.
        "unknown compression": re.sub(rb"(PK\x01\x02.{6})..", b"\\g<1>\x63\0", whole, flags=re.S),
    }
    if damage == "other columns":
        np.savez(stored, something=np.zeros(3))
    else:
        stored.write_bytes(broken[damage])
    assert_equal_columns(load_annotations(path), expected)
    assert len(reads) == 2
    assert_equal_columns(load_annotations(path), expected)
    assert len(reads) == 2  # whole again


def test_a_cache_that_cannot_be_written_does_no_harm(content, tmp_path, monkeypatch, reads):
    occupied = tmp_path / "occupied"
    occupied.write_text("a file where the folder should be")
    monkeypatch.setenv("WBKIT_CACHE", str(occupied))
    path = write(tmp_path / "a.json", content)
    for _ in range(2):
        assert_equal_columns(load_annotations(path), load_annotations(content))
    assert len(reads) == 2
    assert occupied.read_text().startswith("a file")


def test_a_full_disk_leaves_no_half_cache_file(content, tmp_path, cache, monkeypatch, reads):
    def fail(path, **columns):
        path.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    path = write(tmp_path / "a.json", content)
    with monkeypatch.context() as patch:
        patch.setattr(np, "savez", fail)
        load_annotations(path)
    assert list((cache / "annotations").iterdir()) == []
    load_annotations(path)
    assert len(reads) == 2


# --- choosing --------------------------------------------------------------------------------------


def test_select_people(content):
    columns = load_annotations(content)
    mask = np.arange(len(columns)) % 2 == 0
    chosen = columns.select(mask)
    expected = dict(content, annotations=content["annotations"][::2])
    assert_equal_columns(chosen, load_annotations(expected))
    turned = columns.select(np.array([2, 0]))
    assert turned.ids.tolist() == [content["annotations"][i]["id"] for i in (2, 0)]
    assert turned.image_ids.tolist() == columns.image_ids.tolist()  # pictures stay


def test_select_images(content):
    wanted = [content["images"][3]["id"], content["images"][0]["id"], 99_999]
    chosen = load_annotations(content).select_images(np.array(wanted))
    expected = {
        "images": [i for i in content["images"] if i["id"] in wanted],
        "annotations": [p for p in content["annotations"] if p["image_id"] in wanted],
    }
    assert 0 < len(chosen) < len(content["annotations"])
    assert_equal_columns(chosen, load_annotations(expected))


def test_select_results():
    results = load_results(some_results(5))
    chosen = results.select(np.array([3, 1]))
    assert chosen.scores.tolist() == results.scores[[3, 1]].tolist()
    np.testing.assert_array_equal(chosen.keypoints, results.keypoints[[3, 1]])
    assert len(chosen) == 2


# --- results ---------------------------------------------------------------------------------------


def some_results(count, seed=0, **more):
    rng = np.random.default_rng(seed)
    records = []
    for i in range(count):
        record = {"image_id": int(rng.integers(1, 50)), "category_id": 1, "score": round(rng.random(), 3)}
        for field, length in FIELDS:
            record[field] = np.round(rng.random((length, 3)) * (300, 200, 1), 3).ravel().tolist()
        records.append(record | {name: value(i) for name, value in more.items()})
    return records


def test_result_columns_equal_the_records():
    records = some_results(6)
    columns = load_results(records)
    assert len(columns) == 6
    assert columns.image_ids.tolist() == [r["image_id"] for r in records]
    assert columns.scores.tolist() == [r["score"] for r in records]
    np.testing.assert_array_equal(columns.keypoints, [keypoints_of(r) for r in records])
    assert columns.part_scores.tolist() == [[r["score"]] * 5 for r in records]
    assert np.isnan(columns.boxes_xywh).all()
    assert columns.boxes_xywh.shape == (6, 4)
    assert np.isnan(columns.box_scores).all()
    assert columns.ids.tolist() == [-1] * 6
    assert load_results(columns) is columns


def test_area_is_that_of_the_body_keypoints_or_of_the_box():
    records = some_results(3)
    for r in records:
        r["keypoints"] = [10, 20, 1] * 15 + [40, 25, 1, 15, 70, 0]  # x 10 ... 40, y 20 ... 70
        r["face_kpts"][0] = 9999  # not of the body
    assert load_results(records).areas.tolist() == [30 * 50] * 3
    for i, r in enumerate(records):
        r["bbox"] = [5, 5, 10 + i, 20]
    assert load_results(records).areas.tolist() == [200, 220, 240]
    del records[0]["bbox"]  # the first one decides
    columns = load_results(records)
    assert columns.areas.tolist() == [30 * 50] * 3
    assert columns.boxes_xywh[1].tolist() == [5, 5, 11, 20]
    records = records[::-1]
    with pytest.raises(InputError, match=r'result 2, field "bbox"'):
        load_results(records)


def test_area_rule_by_a_naive_loop():
    points = np.random.default_rng(0).normal(size=(7, 133, 3)) * 100
    expected = [
        (max(p[0] for p in person[:17]) - min(p[0] for p in person[:17]))
        * (max(p[1] for p in person[:17]) - min(p[1] for p in person[:17]))
        for person in points.tolist()
    ]
    np.testing.assert_allclose(body_extent_areas(points), expected, rtol=1e-12)
    assert body_extent_areas(points[:0]).shape == (0,)


def test_part_scores_of_some_records():
    records = some_results(3)
    records[1]["lefthand_score"] = 0.125
    records[2]["wholebody_score"] = 0.75
    columns = load_results(records)
    expected = np.repeat(columns.scores[:, None], 5, 1)  # foot, face, lefthand, righthand, wholebody
    expected[1, 2], expected[2, 4] = 0.125, 0.75
    np.testing.assert_array_equal(columns.part_scores, expected)


@pytest.mark.parametrize("boxes", [False, True])
@pytest.mark.parametrize("box_scores", [False, True])
def test_arrays_become_results_and_come_back(boxes, box_scores, tmp_path):
    rng = np.random.default_rng(1)
    keypoints = rng.normal(size=(4, 133, 3)).astype(np.float32) * 100
    xywh = np.abs(rng.normal(size=(4, 4))) * 50 if boxes else None
    image_ids, scores = np.array([7, 3, 7, 10**12]), rng.random(4)
    given_scores = rng.random(4) if box_scores else None
    kept = keypoints.copy()
    records = results_from_arrays(keypoints, xywh, image_ids, scores, box_scores=given_scores)
    np.testing.assert_array_equal(keypoints, kept)
    path = tmp_path / "results.json"
    path.write_text(json.dumps(records, allow_nan=False))
    for columns in (load_results(records), load_results(path)):
        np.testing.assert_array_equal(columns.keypoints, keypoints.astype(np.float64))
        assert columns.image_ids.tolist() == image_ids.tolist()
        assert columns.scores.tolist() == scores.tolist()
        if boxes:
            assert columns.boxes_xywh.tolist() == xywh.tolist()
            np.testing.assert_allclose(columns.areas, xywh[:, 2] * xywh[:, 3], rtol=1e-12)
        else:
            assert all("bbox" not in r for r in records)
        if box_scores:
            assert columns.box_scores.tolist() == given_scores.tolist()
        else:
            assert all("bbox_score" not in r for r in records)
    assert {r["category_id"] for r in records} == {1}
    for record in records:
        assert [len(record[field]) for field, _ in FIELDS] == [51, 18, 204, 63, 63]


def test_lists_are_arrays_too():
    keypoints = np.ones((2, 133, 3))
    records = results_from_arrays(keypoints.tolist(), [[1, 2, 3, 4]] * 2, [1, 2], [0.5, 1])
    assert json.loads(json.dumps(records)) == records
    assert load_results(records).areas.tolist() == [12, 12]


def test_nobody():
    records = results_from_arrays(np.zeros((0, 133, 3)), np.zeros((0, 4)), np.zeros(0, int), np.zeros(0))
    assert records == []
    columns = load_results(records)
    assert len(columns) == 0
    assert columns.keypoints.shape == (0, 133, 3)
    assert columns.part_scores.shape == (0, 5)
    assert results_to_json(columns) == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"keypoints": np.zeros((2, 17, 3))}, r"keypoints have shape \(2, 17, 3\)"),
        ({"scores": np.zeros(3)}, "score has 3 entries for 2 persons"),
        ({"boxes_xywh": np.zeros((1, 4))}, "bbox has 1 entries for 2 persons"),
        ({"scores": np.array([0.5, np.nan])}, 'result 1, field "score".*not finite'),
        ({"keypoints": np.full((2, 133, 3), np.inf)}, 'result 0, field "keypoints".*not finite'),
    ],
)
def test_arrays_that_do_not_fit(change, message):
    arguments = {
        "keypoints": np.zeros((2, 133, 3)),
        "boxes_xywh": np.ones((2, 4)),
        "image_ids": np.array([1, 2]),
        "scores": np.ones(2),
    }
    with pytest.raises(InputError, match=message):
        results_from_arrays(**arguments | change)


def test_results_to_json_keeps_part_scores_ids_and_boxes():
    more = {
        "bbox": lambda i: [i, 2, 30, 40.5],
        "bbox_score": lambda i: 0.5 + i / 10,
        "id": lambda i: 40 - i,
        "face_score": lambda i: 0.25 * i,
        "wholebody_score": lambda i: 0.125 * i,
    }
    records = some_results(3, **more)
    written = results_to_json(load_results(records))
    assert json.loads(json.dumps(written, allow_nan=False)) == records


def test_results_to_json_leaves_out_what_was_not_given(tmp_path):
    records = some_results(3)
    assert results_to_json(load_results(records)) == records
    path = tmp_path / "folder" / "results.json"
    save_results(path, load_results(records))
    assert json.loads(path.read_text()) == records
    assert [p.name for p in path.parent.iterdir()] == ["results.json"]  # no temporary file is left


@settings(max_examples=25, deadline=None, derandomize=True)
@given(st.integers(0, 6), st.booleans(), st.booleans(), st.booleans(), st.integers(0, 10_000))
def test_columns_survive_json(count, boxes, ids, parts, seed):
    rng = np.random.default_rng(seed)
    more = {}
    if boxes:
        more["bbox"] = lambda i: rng.random(4).tolist()
    if ids:
        more["id"] = lambda i: i
    if parts:
        more["lefthand_score"] = lambda i: float(rng.random())
    columns = load_results(some_results(count, seed, **more))
    again = load_results(json.loads(json.dumps(results_to_json(columns))))
    assert_equal_columns(again, columns)


# --- detections ------------------------------------------------------------------------------------


def test_detections_by_hand(tmp_path):
    records = [
        {"image_id": 5, "category_id": 1, "bbox": [1, 2, 30.5, 40], "score": 0.9},
        {"image_id": 5, "category_id": 18, "bbox": [0, 0, 1, 1], "score": 0.99},  # a dog
        {"image_id": 2, "category_id": 1, "bbox": [-5, 7, 8, 9], "score": 0},
    ]
    for source in (records, write(tmp_path / "boxes.json", records), str(tmp_path / "boxes.json")):
        detections = load_detections(source)
        assert len(detections) == 2
        assert detections.image_ids.tolist() == [5, 2]
        assert detections.boxes_xywh.tolist() == [[1, 2, 30.5, 40], [-5, 7, 8, 9]]
        assert detections.scores.tolist() == [0.9, 0]
    assert detections.source == str(tmp_path / "boxes.json")
    assert len(load_detections([])) == 0
    assert load_detections([]).boxes_xywh.shape == (0, 4)


# --- errors (more of them in test_bad_input.py) ----------------------------------------------------


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda p: p.pop("foot_kpts"), 'annotation 1 .*field "foot_kpts": is missing'),
        (lambda p: p["face_kpts"].pop(), 'field "face_kpts": has 203 numbers, expected 204'),
        (lambda p: p["bbox"].__setitem__(2, math.nan), 'field "bbox":.*is not finite'),
        (lambda p: p.update(image_id=123456), 'field "image_id":.*names no picture'),
        (lambda p: p.update(category_id=2), 'field "category_id":.*is not 1'),
    ],
)
def test_bad_records_are_named(content, change, message):
    change(content["annotations"][1])
    with pytest.raises(InputError, match=message):
        load_annotations(content)


def test_frozen_columns():
    columns = load_annotations(make_annotations(1, 1))
    assert isinstance(columns, Annotations)
    with pytest.raises(AttributeError):
        columns.ids = np.zeros(1)
    results = load_results(some_results(1))
    assert isinstance(results, Results)
    with pytest.raises(AttributeError):
        results.scores = np.zeros(1)
