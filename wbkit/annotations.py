"""COCO-WholeBody and COCO annotation and results files as columns: read, check, cache, write.

A file of people becomes one array per field (`wbkit.columns`), so that everything downstream is vectorised.
Field names and meanings: COCO-WholeBody v1.0
(https://github.com/jin-s13/COCO-WholeBody/blob/master/data_format.md). Files without foot_kpts, face_kpts,
lefthand_kpts or righthand_kpts, such as COCO's own of 17 keypoints, are read as well: what no record of a
file has counts as not labelled, or as not predicted (zeros).
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np

from wbkit.columns import (
    BOXED_PARTS,
    KEYPOINT_FIELDS,
    SCORED_PARTS,
    VALID_PARTS,
    Annotations,
    Detections,
    Results,
    body_extent_areas,
)
from wbkit.errors import InputError
from wbkit.files import atomic_write, cache_folder, read_json, write_json
from wbkit.keypoints import NUM_KEYPOINTS
from wbkit.tables import PERSON_CATEGORY, Table

_CACHE_FORMAT = "1"  # change it when a column changes; older cache files are then never read


# --- reading ---------------------------------------------------------------------------------------


def load_annotations(source: str | Path | dict | Annotations, *, cache: bool = True) -> Annotations:
    """Ground truth from a COCO-WholeBody v1.0 or COCO file, its parsed content, or columns (given back).

    A file's columns are kept in the user's cache under the hash of its content, so the second load
    skips JSON. Persons without keypoints and crowds are kept: who uses what is decided downstream.

    Raises:
        InputError: not such a file; the message names the record and the field.
    """
    if isinstance(source, Annotations):
        return source
    if isinstance(source, dict):
        return _annotation_columns(source, "annotations")
    if not cache:
        return _annotation_columns(read_json(source), str(source))
    stored = cache_folder("annotations") / f"{_content_hash(source)}.npz"
    if stored.exists():
        # Damaged files raise nearly anything; the columns are then made again.
        with suppress(Exception), np.load(stored, allow_pickle=False) as columns:
            return Annotations(str(source), **columns)
    annotations = _annotation_columns(read_json(source), str(source))
    columns = {f.name: getattr(annotations, f.name) for f in fields(Annotations) if f.name != "source"}
    with suppress(InputError), atomic_write(stored) as temporary:  # no cache is no reason to fail
        np.savez(temporary, **columns)
    return annotations


def load_results(source: str | Path | Sequence[dict] | Results) -> Results:
    """Predictions from a COCO-WholeBody results file, its parsed content, or columns (given back).

    Raises:
        InputError: not such a file; the message names the record and the field.
    """
    if isinstance(source, Results):
        return source
    if isinstance(source, (str, Path)):
        return _result_columns(read_json(source), str(source))
    return _result_columns(source, "results")


def load_detections(source: str | Path | Sequence[dict]) -> Detections:
    """Person boxes from a COCO detection results file; other categories are left out.

    Raises:
        InputError: not such a file; the message names the record and the field.
    """
    is_path = isinstance(source, (str, Path))
    records = read_json(source) if is_path else source
    file = str(source) if is_path else "detections"
    _require_records(records, file, "a list of {image_id, category_id, bbox, score}")
    places = [i for i, r in enumerate(records) if r.get("category_id", PERSON_CATEGORY) == PERSON_CATEGORY]
    table = Table([records[i] for i in places], file, "detection", places)
    boxes = table.numbers("bbox", 4)
    table.reject(~(boxes[:, 2:] > 0).all(1), "bbox", "is empty (width or height is not positive)")
    return Detections(file, table.integers("image_id"), boxes, table.numbers("score"))


def _content_hash(path: str | Path) -> str:
    try:
        with open(path, "rb") as file:
            return f"{hashlib.file_digest(file, 'sha256').hexdigest()[:32]}-v{_CACHE_FORMAT}"
    except OSError as error:
        raise InputError(
            f"cannot be read ({error.strerror or error})", "Check the path", file=path
        ) from error


def _annotation_columns(content: Any, file: str) -> Annotations:
    """Parsed COCO-WholeBody json -> columns, every field checked."""
    if not isinstance(content, dict) or not {"images", "annotations"} <= content.keys():
        raise InputError(
            'is no COCO annotation file: no object with "images" and "annotations"',
            "Give a COCO-WholeBody v1.0 file such as coco_wholebody_val_v1.0.json",
            file=file,
        )
    images, persons = (Table(content[key], file, key[:-1]) for key in ("images", "annotations"))
    keypoints = _keypoint_columns(persons)
    image_ids, person_image_ids, ids = images.unique_ids(), persons.integers("image_id"), persons.unique_ids()
    persons.reject(~np.isin(person_image_ids, image_ids), "image_id", "names no picture of this file")
    persons.require_person_category()
    areas = persons.numbers("area")
    persons.reject(areas < 0, "area", "is negative")
    valid = [persons.optional(f"{p}_valid", lambda r, p=p: _any_labelled(r, p), bool) for p in VALID_PARTS]
    boxes = [persons.optional(f"{p}_box", lambda r: (0.0,) * 4, float, (4,)) for p in BOXED_PARTS]
    return Annotations(
        source=file,
        image_ids=image_ids,
        file_names=images.column("file_name", lambda r: str(r["file_name"]), np.str_),
        image_sizes_wh=np.stack([images.optional(k, lambda r: 0, np.int64) for k in ("width", "height")], 1),
        ids=ids,
        person_image_ids=person_image_ids,
        keypoints=keypoints,
        boxes_xywh=persons.numbers("bbox", 4),
        areas=areas,
        crowd=persons.optional("iscrowd", lambda r: 0, bool),
        num_keypoints=persons.optional("num_keypoints", _count_body_keypoints, np.int64),
        valid=np.stack(valid, 1),
        part_boxes_xywh=np.stack(boxes, 1),
    )


def _any_labelled(record: dict, part: str) -> bool:
    return any(v > 0 for v in record.get(f"{part}_kpts", ())[2::3])


def _count_body_keypoints(record: dict) -> int:
    return sum(v > 0 for v in record["keypoints"][2::3])


def _result_columns(records: Any, file: str) -> Results:
    """Parsed results json -> columns, every field checked."""
    _require_results(records, file)
    table = Table(records, file, "result")
    table.require_person_category()
    keypoints, scores = _keypoint_columns(table), table.numbers("score")
    boxes = table.optional("bbox", lambda r: (math.nan,) * 4, float, (4,))
    if len(records) and "bbox" in records[0]:  # the reference's rule; it fails on a later one without
        table.reject(
            np.isnan(boxes).any(1), "bbox", "is missing or not a number, but the first result has it"
        )
        areas = boxes[:, 2] * boxes[:, 3]
    else:
        areas = body_extent_areas(keypoints)
    part_scores = [
        table.optional(f"{p}_score", lambda r: r["score"], float) if any(f"{p}_score" in r for r in records)
        else scores
        for p in SCORED_PARTS
    ]  # fmt: skip
    return Results(
        source=file,
        image_ids=table.integers("image_id"),
        keypoints=keypoints,
        scores=scores,
        areas=areas,
        part_scores=np.stack(part_scores, 1),
        boxes_xywh=boxes,
        box_scores=table.optional("bbox_score", lambda r: math.nan, float),
        ids=table.optional("id", lambda r: -1, np.int64),
        file_names=table.column("file_name", lambda r: str(r.get("file_name") or ""), np.str_),
    )


def _keypoint_columns(table: Table) -> np.ndarray:
    """The five keypoint fields side by side: (N, 133, 3); zeros for a part that no record has."""
    whole = np.zeros((len(table.records), NUM_KEYPOINTS, 3))
    for field, part in KEYPOINT_FIELDS.items():
        if field == "keypoints" or any(field in record for record in table.records):
            whole[:, part] = table.numbers(field, 3 * (part.stop - part.start)).reshape(whole[:, part].shape)
    return whole


_ARRAYS = "Arrays (N, 133, 3) become results by `wbkit.annotations.results_from_arrays`"


def _require_results(records: Any, file: str) -> None:
    """Refuse what other programs write, by name."""
    if isinstance(records, dict) and "instance_info" in records:
        raise InputError("is MMPose's demo output, no list of results", _ARRAYS, file=file)
    _require_records(records, file, "a list of results, one object a person")
    first = records[0] if len(records) else {}
    if "keypoint_scores" in first or "preds" in first:
        raise InputError("holds MMPose's predictions, no COCO-WholeBody results", _ARRAYS, file=file)
    points = first.get("keypoints")
    if isinstance(points, list) and len(points) in (NUM_KEYPOINTS, 3 * NUM_KEYPOINTS):
        names = ", ".join(KEYPOINT_FIELDS)
        problem = "has all 133 keypoints in the field keypoints, where COCO-WholeBody has five"
        raise InputError(problem, f"Split them into {names}. {_ARRAYS}", file=file, record="result 0")


def _require_records(records: Any, file: str, expected: str) -> None:
    if not isinstance(records, Sequence) or not all(isinstance(r, dict) for r in records):
        raise InputError(f"is not {expected}", "Give a COCO results file", file=file)


# --- writing ---------------------------------------------------------------------------------------


def results_from_arrays(
    keypoints: np.ndarray,
    boxes_xywh: np.ndarray | None,
    image_ids: np.ndarray,
    scores: np.ndarray,
    *,
    box_scores: np.ndarray | None = None,
) -> list[dict]:
    """Any model's output as COCO-WholeBody results, ready for `json.dump` and for `per_part_table`.

    Args:
        keypoints: (N, 133, 3): x, y in image px, keypoint score.
        boxes_xywh: (N, 4) image px, or None. With boxes, evaluation takes a detection's area from its
            box (the reference's rule), else from its body keypoints.
        image_ids: (N,) integers.
        scores: (N,) person scores.
        box_scores: (N,) the detector's scores, needed for rescoring only.

    Raises:
        InputError: shapes disagree, or a number is not finite.
    """
    keypoints = np.asarray(keypoints, dtype=np.float64)
    if keypoints.ndim != 3 or keypoints.shape[1:] != (NUM_KEYPOINTS, 3):
        raise InputError(
            f"keypoints have shape {keypoints.shape}",
            "Give (N, 133, 3): x, y, score for the 133 keypoints in COCO-WholeBody's order",
        )
    image_ids = np.asarray(image_ids)
    columns = {"image_id": image_ids, "bbox": boxes_xywh, "score": scores, "bbox_score": box_scores}
    columns = {name: np.asarray(v).tolist() for name, v in columns.items() if v is not None}
    for name, values in columns.items():
        if len(values) != len(keypoints):
            raise InputError(
                f"{name} has {len(values)} entries for {len(keypoints)} persons", "Give one a person"
            )
    flat = keypoints.reshape(len(keypoints), 3 * NUM_KEYPOINTS)
    parts = {f: flat[:, 3 * s.start : 3 * s.stop].tolist() for f, s in KEYPOINT_FIELDS.items()}
    columns = {"category_id": [PERSON_CATEGORY] * len(keypoints), **columns, **parts}
    results = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    load_results(results)  # checks every number, and that the result can be read back
    return results


def results_to_json(results: Results) -> list[dict]:
    """Columns -> the list of a results file; fields that were not given are left out."""
    boxes = None if np.isnan(results.boxes_xywh).any() else results.boxes_xywh
    box_scores = None if np.isnan(results.box_scores).any() else results.box_scores
    records = results_from_arrays(
        results.keypoints, boxes, results.image_ids, results.scores, box_scores=box_scores
    )
    columns = {f"{part}_score": results.part_scores[:, i] for i, part in enumerate(SCORED_PARTS)}
    columns = {name: values for name, values in columns.items() if (values != results.scores).any()}
    if (results.ids >= 0).all():
        columns["id"] = results.ids
    for name, values in columns.items():
        for record, value in zip(records, values.tolist(), strict=True):
            record[name] = value
    return records


def save_results(path: str | Path, results: Results) -> None:
    """Write a COCO-WholeBody results file, atomically."""
    write_json(path, results_to_json(results))
