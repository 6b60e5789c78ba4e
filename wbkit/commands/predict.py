"""`wbkit predict`: photos, boxes from a file or a detector -> a results file and drawings."""

from __future__ import annotations

import argparse
import math
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import cv2
import numpy as np
import torch
from tqdm import tqdm

from wbkit.annotations import load_detections, results_from_arrays
from wbkit.commands.models import load_predictor
from wbkit.data import Persons, read_image
from wbkit.detect import detect_people, usable_detector
from wbkit.errors import InputError
from wbkit.files import atomic_write, read_json, write_json
from wbkit.plots import draw_pose
from wbkit.predict import Predictor, checked_boxes, results_from_predictions


@dataclass(frozen=True)
class Photo:
    """A picture to predict: its place, its id in the results, its boxes (None: detect them)."""

    path: Path
    image_id: int
    boxes_xywh: np.ndarray | None
    box_scores: np.ndarray | None


def predict_files(options: argparse.Namespace) -> None:
    """Predict every picture (this process's share under torchrun); rank 0 writes one results file."""
    photos = list_photos(options.images, options.boxes)
    detector = options.detector if options.boxes else usable_detector(options.detector)
    rank, world = (int(os.environ.get(name, default)) for name, default in (("RANK", 0), ("WORLD_SIZE", 1)))
    predictor = load_predictor(
        options.checkpoint,
        options.recipe,
        device=options.device or _local_device(world),
        bf16=options.bf16,
        compile=options.compile,
        exact=options.exact,
        flip_test=False if options.no_flip else None,
        batch_size=options.batch_size,
    )
    share = photos[rank::world]
    records, failures = predict_photos(predictor, share, detector, options.out.parent, rank == 0)
    parts = gather((records, failures), rank, world)
    if rank == 0:
        finish(photos, [part for part, _ in parts], [f for _, failed in parts for f in failed], options.out)


def _local_device(world: int) -> str | None:
    """Each process of a machine takes its own GPU."""
    if world == 1 or not torch.cuda.is_available():
        return None
    return f"cuda:{int(os.environ.get('LOCAL_RANK', 0)) % torch.cuda.device_count()}"


def list_photos(images: list[Path], boxes_file: Path | None) -> list[Photo]:
    """Pictures with their ids and boxes.

    The id is the number that the file's name consists of (as in COCO), else the running number from 1.

    Raises:
        InputError: a picture is missing or named twice, two have the same id, or the boxes do not fit.
    """
    for path in images:
        if not path.is_file():
            raise InputError("there is no such picture", "Check the path", file=path)
    numbers = [int(p.stem) if p.stem.isdecimal() else None for p in images]
    image_ids = numbers if None not in numbers else list(range(1, len(images) + 1))
    _require_different(images, image_ids)
    boxes = read_boxes(boxes_file) if boxes_file else {}
    photos = []
    for path, image_id, number in zip(images, image_ids, numbers, strict=True):
        found = boxes.get(path.name, boxes.get(number))
        if boxes_file and found is None:
            raise InputError(
                f"has no boxes for {path.name}",
                f'Add {{"{path.name}": [[x, y, width, height]]}} ([] if nobody is there), or leave --boxes '
                "away to look for people",
                file=boxes_file,
            )
        xywh, scores = (None, None) if found is None else (found[:, :4], found[:, 4])
        photos.append(Photo(path, image_id, xywh, scores))
    return photos


def _require_different(images: list[Path], image_ids: list[int]) -> None:
    """Two pictures of one name would be drawn to one file, of one number be one picture in the results."""
    for keys, what in (([p.stem for p in images], "name"), (image_ids, "number in their names")):
        seen: dict[str | int, Path] = {}
        for path, key in zip(images, keys, strict=True):
            if key in seen:
                problem = f"{seen[key]} and {path} have the same {what}"
                raise InputError(problem, "Rename one, or call twice with another --out")
            seen[key] = path


def read_boxes(path: Path) -> dict[str | int, np.ndarray]:
    """Boxes file -> (n, 5) x, y, width, height, score for every file name or image id.

    Raises:
        InputError: neither a mapping of file names to boxes nor a COCO detection list.
    """
    content = read_json(path)
    if isinstance(content, dict):
        return {name: _named_boxes(name, rows, path) for name, rows in content.items()}
    found = load_detections(path)
    order = np.argsort(found.image_ids, kind="stable")
    image_ids, first = np.unique(found.image_ids[order], return_index=True)
    rows = np.column_stack([found.boxes_xywh, found.scores])[order]  # (M, 5)
    return dict(zip(image_ids.tolist(), np.split(rows, first[1:]), strict=True)) if len(rows) else {}


def _named_boxes(name: str, rows: object, path: Path) -> np.ndarray:
    """The boxes of one picture, with score 1 where none is given: (n, 5)."""
    boxes = []
    for i, row in enumerate(rows if isinstance(rows, list) else [rows]):
        fits = isinstance(row, list) and len(row) in (4, 5)
        if not fits or not all(isinstance(v, (int, float)) and math.isfinite(v) for v in row):
            remedy = 'Write {"photo.jpg": [[x, y, width, height], ...]}; a fifth number is the score'
            raise InputError(f"is {row!s:.60}", remedy, file=path, record=f"box {i} of {name}")
        boxes.append([*row, 1.0][:5])
    return np.array(boxes, float).reshape(-1, 5)


def predict_photos(
    predictor: Predictor, photos: list[Photo], detector: str, out: Path, talkative: bool
) -> tuple[list[dict], list[str]]:
    """Results (as json records) and drawings of some photos; and what could not be read.

    Boxes are looked for, and drawings made, picture by picture, while network batches run across them.
    """
    taken: list[tuple[Photo, np.ndarray]] = []
    failures: list[str] = []

    def pictures() -> Iterator[tuple[np.ndarray, np.ndarray]]:
        for photo in photos:
            try:
                image = read_image(photo.path)
                photo = with_boxes(photo, image, detector, talkative)
                checked_boxes(image, photo.boxes_xywh)  # here, where the picture is known
            except InputError as error:
                failures.append(str(error) if error.file else f"{photo.path}: {error}")
                continue
            taken.append((photo, image))
            yield image, photo.boxes_xywh

    records: list[dict] = []
    answers = predictor.many(pictures())
    bar = tqdm(answers, total=len(photos), desc="predict", unit="picture", disable=not talkative)
    done = 0
    try:
        for keypoints, scores in bar:
            photo, image = taken.pop(0)
            records.extend(as_records(photo, keypoints, scores, predictor))
            save_drawing(out / f"{photo.path.stem}.pose.jpg", draw_pose(image, keypoints, scores))
            done += 1
    except InputError as error:  # the network failed: what is done is kept, what is not is listed
        left = photos[done + len(failures) :]
        failures.extend(f"{photo.path}: not predicted, since a batch failed: {error}" for photo in left)
    return records, failures


def with_boxes(photo: Photo, image: np.ndarray, detector: str, talkative: bool) -> Photo:
    """The photo with boxes: its own, or a detector's."""
    if photo.boxes_xywh is not None:
        return photo
    found = detect_people(image, detector)
    if talkative:
        tqdm.write(f"{photo.path.name}: {len(found.boxes_xywh)} box(es); {found.how}")
    return replace(photo, boxes_xywh=found.boxes_xywh, box_scores=found.scores)


def as_records(photo: Photo, keypoints: np.ndarray, scores: np.ndarray, predictor: Predictor) -> list[dict]:
    """COCO-WholeBody results of one photo, rescored as the recipe says; `file_name` is added."""
    n = len(keypoints)
    persons = Persons(
        image_ids=np.full(n, photo.image_id),
        file_names=np.full(n, photo.path.name),
        boxes_xywh=photo.boxes_xywh,
        box_scores=photo.box_scores,
        ids=np.arange(n),
        keypoints=np.zeros((n, keypoints.shape[1], 3)),
    )
    triples = np.concatenate([keypoints, scores[..., None]], -1)  # (n, 133, 3)
    results = results_from_predictions(persons, triples, predictor.recipe)
    records = results_from_arrays(
        results.keypoints,
        results.boxes_xywh,
        results.image_ids,
        results.scores,
        box_scores=results.box_scores,
    )
    return [{**record, "file_name": photo.path.name} for record in records]


def save_drawing(path: Path, picture_rgb: np.ndarray) -> None:
    """Write a JPEG, atomically."""
    with atomic_write(path) as temporary:
        written = cv2.imencode(".jpg", cv2.cvtColor(picture_rgb, cv2.COLOR_RGB2BGR))[1]
        temporary.write_bytes(written.tobytes())


def gather(own, rank: int, world: int) -> list:
    """Everybody's share on rank 0, through torch.distributed's gloo; alone: just one's own."""
    if world == 1:
        return [own]
    # A rank with harder pictures may take hours longer than another; gloo's own limit is half an hour.
    torch.distributed.init_process_group("gloo", timeout=timedelta(days=7))
    try:
        parts = [None] * world if rank == 0 else None
        torch.distributed.gather_object(own, parts)
        return parts or []
    finally:
        torch.distributed.destroy_process_group()


def finish(photos: list[Photo], parts: list[list[dict]], failures: list[str], out: Path) -> None:
    """Write the results in the order of the pictures, and say what is missing."""
    order = {photo.image_id: i for i, photo in enumerate(photos)}
    records = sorted((r for part in parts for r in part), key=lambda r: order[r["image_id"]])
    write_json(out, records)
    print(f"{len(records)} people in {len(photos) - len(failures)} pictures -> {out}; drawings beside it")
    if failures:
        raise InputError(
            f"{len(failures)} of {len(photos)} pictures were left out",
            "Mend or remove these:\n  " + "\n  ".join(failures),
        )
