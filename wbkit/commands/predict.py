"""`wbkit predict`: photos, boxes from a file or a detector -> a results file and drawings."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
import torch
from tqdm import tqdm

from wbkit.annotations import results_from_arrays
from wbkit.commands.models import load_predictor
from wbkit.data import Persons, read_image
from wbkit.detect import detect_people
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
    if options.batch_size < 1:
        raise InputError(f"--batch-size is {options.batch_size}", "Give at least 1")
    photos = list_photos(options.images, options.boxes)
    rank, world = (int(os.environ.get(name, default)) for name, default in (("RANK", 0), ("WORLD_SIZE", 1)))
    predictor = load_predictor(
        options.checkpoint,
        options.recipe,
        device=options.device or _local_device(world),
        bf16=options.bf16,
        flip_test=False if options.no_flip else None,
        batch_size=options.batch_size,
    )
    share = photos[rank::world]
    records, failures = predict_photos(predictor, share, options.detector, options.out.parent, rank == 0)
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
    numbers = [int(p.stem) if p.stem.isdigit() else None for p in images]
    image_ids = numbers if None not in numbers else list(range(1, len(images) + 1))
    if len(set(image_ids)) < len(image_ids):
        raise InputError("two pictures have the same number in their names", "Rename one, or call twice")
    boxes = read_boxes(boxes_file) if boxes_file else {}
    photos = []
    for path, image_id in zip(images, image_ids, strict=True):
        found = boxes.get(path.name, boxes.get(image_id))
        if boxes_file and found is None:
            raise InputError(
                f"has no boxes for {path.name}",
                f"Add {{{path.name!r}: [[x, y, width, height]]}}, or leave --boxes away to detect people",
                file=boxes_file,
            )
        xywh, scores = (None, None) if found is None else (found[:, :4], found[:, 4])
        photos.append(Photo(path, image_id, xywh, scores))
    return photos


def read_boxes(path: Path) -> dict[str | int, np.ndarray]:
    """Boxes file -> (n, 5) x, y, width, height, score for every file name or image id.

    Raises:
        InputError: neither a mapping of file names to boxes nor a COCO detection list.
    """
    content = read_json(path)
    try:
        if isinstance(content, dict):
            rows = {name: [[*map(float, box), 1.0][:5] for box in boxes] for name, boxes in content.items()}
        else:
            rows = {}
            for record in content:
                if record.get("category_id", 1) == 1:
                    box = [*map(float, record["bbox"]), float(record.get("score", 1.0))]
                    rows.setdefault(int(record["image_id"]), []).append(box)
        boxes = {name: np.array(list_, float).reshape(-1, 5) for name, list_ in rows.items()}
    except (TypeError, ValueError, KeyError, AttributeError) as error:
        raise InputError(
            f"boxes cannot be read ({type(error).__name__}: {error})",
            'Write {"photo.jpg": [[x, y, width, height], ...]}, or a COCO detection list',
            file=path,
        ) from error
    return boxes


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
                failures.append(f"{photo.path}: {error}")
                continue
            taken.append((photo, image))
            yield image, photo.boxes_xywh

    records: list[dict] = []
    answers = predictor.many(pictures())
    bar = tqdm(answers, total=len(photos), desc="predict", unit="picture", disable=not talkative)
    for keypoints, scores in bar:
        photo, image = taken.pop(0)
        records.extend(as_records(photo, keypoints, scores, predictor))
        save_drawing(out / f"{photo.path.stem}.pose.jpg", draw_pose(image, keypoints, scores))
    return records, failures


def with_boxes(photo: Photo, image: np.ndarray, detector: str, talkative: bool) -> Photo:
    """The photo with boxes: its own, or a detector's."""
    if photo.boxes_xywh is not None:
        return photo
    found = detect_people(image, detector)
    if talkative:
        tqdm.write(f"{photo.path.name}: {len(found.boxes_xywh)} box(es) from {found.how}")
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
    torch.distributed.init_process_group("gloo")
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
            f"{len(failures)} of {len(photos)} pictures were left out:\n  " + "\n  ".join(failures),
            "Mend or remove these",
        )
