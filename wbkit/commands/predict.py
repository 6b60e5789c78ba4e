"""`wbkit predict`: photos, boxes from a file or a detector -> a results file and drawings."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import torch
from tqdm import tqdm

from wbkit.annotations import KEYPOINT_FIELDS, results_from_arrays
from wbkit.commands.journal import Journal, forget, journals
from wbkit.commands.models import load_predictor
from wbkit.commands.photos import Photo, list_photos, results_place
from wbkit.data import Persons, read_image
from wbkit.detect import ADVICE, detect_people, usable_detector
from wbkit.errors import InputError
from wbkit.files import atomic_write, write_json
from wbkit.keypoints import KEYPOINTS, PART_OF_KEYPOINT, PARTS
from wbkit.plots import draw_pose
from wbkit.predict import Predictor, checked_boxes, results_from_predictions

LARGEST = 32_000  # px, a side; OpenCV's warp ends at 32,767
DRAWN_SIDE = 1280  # px; smaller pictures are enlarged for drawing, up to thrice: a face has 68 points


@dataclass
class Outcome:
    """What one process has to say: json records, messages on pictures without any, what to know."""

    records: list[dict] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    bare: list[str] = field(default_factory=list)  # pictures in whose drawing there is nothing
    guessed: int = 0  # pictures taken whole, since nobody was found

    def note(self, photo: Photo, records: list[dict], bare: bool, guessed: bool) -> None:
        """A finished picture, now or by an earlier run, which may have numbered pictures otherwise."""
        self.records += [{**r, "image_id": photo.image_id, "file_name": photo.name} for r in records]
        self.bare += [photo.name] * bare
        self.guessed += guessed


def predict_files(options: argparse.Namespace) -> None:
    """Predict every picture (this process's share under torchrun); rank 0 writes one results file."""
    photos = list_photos(options.images, options.boxes, options.min_box_score, options.annotations)
    out = results_place(options.out, photos)
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
        batch_size=_batch_size(options),
    )
    if rank == 0 and detector == "hog" and not options.boxes:
        print(ADVICE)
    if rank == 0 and (dropped := sum(photo.dropped for photo in photos)):
        print(f"left out: {count(dropped, 'box', 'boxes')} of a score below {options.min_box_score:g}")
    journal = Journal(out, rank, _how(options, predictor, detector), options.resume)
    if rank == 0:
        tell_of_earlier(out, photos, journal, options.resume)
    look = {"threshold": options.threshold, "parts": options.parts}
    own = predict_photos(predictor, photos[rank::world], detector, out.parent, look, journal, rank == 0)
    shares = gather(own, rank, world)
    if rank == 0:
        finish(photos, shares, out, options.parts)


def tell_of_earlier(out: Path, photos: list[Photo], journal: Journal, resume: bool) -> None:
    """What is there of an interrupted run, and what becomes of it."""
    if resume:
        known = sum(str(photo.path.resolve()) in journal.finished for photo in photos)
        print(f"{known} of {count(len(photos), 'picture')} done before")
    elif journals(out):
        print(f"A run for {out} was interrupted; this one begins anew, --resume would go on with it")


def _how(options: argparse.Namespace, predictor: Predictor, detector: str) -> dict[str, str]:
    """What pictures of one results file must have in common."""
    asked = {name: str(getattr(options, name)) for name in ("checkpoint", "boxes", "min_box_score", "bf16")}
    size = "{}x{}".format(*predictor.recipe.input_size)
    how = {"recipe": predictor.recipe.name, "input size": size, "flip test": str(predictor.flip_test)}
    return asked | how | {"detector": detector}


def _batch_size(options: argparse.Namespace) -> int:
    """Small on a CPU, which is as fast then: pictures wait in memory until their batch is done."""
    if options.batch_size is not None:
        return options.batch_size
    return 32 if torch.cuda.is_available() and options.device != "cpu" else 8


def _local_device(world: int) -> str | None:
    """Each process of a machine takes its own GPU."""
    if world == 1 or not torch.cuda.is_available():
        return None
    return f"cuda:{int(os.environ.get('LOCAL_RANK', 0)) % torch.cuda.device_count()}"


def predict_photos(
    predictor: Predictor,
    photos: list[Photo],
    detector: str,
    out: Path,
    look: dict,
    journal: Journal,
    talkative: bool,
) -> Outcome:
    """Results and drawings of some photos; and what could not be read.

    Boxes are looked for, and drawings made, picture by picture, while network batches run across them. What
    stands in the journal is not done again.
    An interruption or a failing network ends it early: what is done is kept, what is not is listed.
    """
    taken: list[tuple[Photo, np.ndarray, bool]] = []
    told, finished = Outcome(), set()  # places of pictures that need no more word
    for photo in photos:
        if before := journal.finished.get(str(photo.path.resolve())):
            told.note(photo, **before)
            finished.add(photo.path)

    def pictures() -> Iterator[tuple[np.ndarray, np.ndarray]]:
        for photo in (photo for photo in photos if photo.path not in finished):
            try:
                taken.append(read_photo(photo, detector))
            except InputError as error:
                told.failures.append(str(error) if error.file else f"{photo.path}: {error}")
                finished.add(photo.path)
                continue
            yield taken[-1][1], taken[-1][0].boxes_xywh

    answers = predictor.many(pictures())
    todo = len(photos) - len(finished)
    bar = tqdm(answers, total=todo, desc="predict", unit="picture", smoothing=0, disable=not talkative)
    try:
        for keypoints, scores in bar:
            photo, image, guessed = taken.pop(0)
            save_drawing(out / photo.drawing, draw(image, keypoints, scores, look))
            asked = np.isin(PART_OF_KEYPOINT[: scores.shape[1]], list(look["parts"] or PARTS))
            bare = bool(len(scores) and not (scores[:, asked] > look["threshold"]).any())
            records = as_records(photo, keypoints, scores, predictor)
            found = {"records": records, "bare": bare, "guessed": guessed}
            journal.add(photo.path.resolve(), found)
            told.note(photo, **found)
            finished.add(photo.path)
    except (InputError, KeyboardInterrupt) as error:
        why = "interrupted" if isinstance(error, KeyboardInterrupt) else f"a batch failed: {error}"
        left = [photo.path for photo in photos if photo.path not in finished]
        told.failures.extend(f"{path}: not predicted, {why}; --resume goes on with it" for path in left)
    return told


def read_photo(photo: Photo, detector: str) -> tuple[Photo, np.ndarray, bool]:
    """The photo with boxes, its own or a detector's; its pixels; whether it stands for nobody found.

    Raises:
        InputError: the picture cannot be used, or a box does not fit it.
    """
    image, guessed = read_image(photo.path), False
    if max(image.shape) > LARGEST:
        raise InputError(f"is {image.shape[1]} x {image.shape[0]} px", f"OpenCV cuts up to {LARGEST}")
    if photo.boxes_xywh is None:
        found = detect_people(image, detector)
        photo = replace(photo, boxes_xywh=found.boxes_xywh, box_scores=found.scores)
        guessed = bool(found.guessed)
    checked_boxes(image, photo.boxes_xywh)  # here, where the picture is known
    return photo, image, guessed


def as_records(photo: Photo, keypoints: np.ndarray, scores: np.ndarray, predictor: Predictor) -> list[dict]:
    """COCO-WholeBody results of one photo, rescored as the recipe says."""
    n = len(keypoints)
    persons = Persons(
        image_ids=np.full(n, photo.image_id),
        file_names=np.full(n, photo.name),
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
    return records


def draw(image: np.ndarray, keypoints: np.ndarray, scores: np.ndarray, look: dict) -> np.ndarray:
    """The picture with its poses, two or three times as large if it is small.

    Args:
        keypoints: (n, K, 2) image px; scores: (n, K). look: `threshold` and `parts` of `draw_pose`.
    """
    factor = max(1, min(3, DRAWN_SIDE // max(image.shape[:2])))
    large = cv2.resize(image, None, fx=factor, fy=factor, interpolation=cv2.INTER_CUBIC)
    rest = ((0, 0), (0, len(KEYPOINTS) - keypoints.shape[1]))  # of a network of COCO's 17
    keypoints = np.pad((keypoints + 0.5) * factor - 0.5, (*rest, (0, 0)))  # px centres are whole numbers
    return draw_pose(large, keypoints, np.pad(scores, rest, constant_values=-np.inf), **look)


def save_drawing(path: Path, picture_rgb: np.ndarray) -> None:
    """Write a JPEG, atomically."""
    with atomic_write(path) as temporary:
        written = cv2.imencode(".jpg", cv2.cvtColor(picture_rgb, cv2.COLOR_RGB2BGR))[1]
        temporary.write_bytes(written.tobytes())


def gather(own: Outcome, rank: int, world: int) -> list[Outcome]:
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


def finish(photos: list[Photo], shares: list[Outcome], out: Path, parts: tuple[str, ...] | None) -> None:
    """Write the results in the order of the pictures, and say what is missing; nothing if all failed."""
    order = {photo.image_id: i for i, photo in enumerate(photos)}
    records = sorted((r for share in shares for r in share.records), key=lambda r: order[r["image_id"]])
    failures, bare = ([m for share in shares for m in getattr(share, f)] for f in ("failures", "bare"))
    if len(failures) in (0, len(photos)):
        forget(out)  # else --resume can still use them
    if len(failures) < len(photos):
        write(out, records, parts)
        done = count(len(photos) - len(failures), "picture")
        print(f"{count(len(records), 'person', 'people')} in {done} -> {out}; drawings beside it")
    if guessed := sum(share.guessed for share in shares):
        print(f"in {count(guessed, 'picture')} nobody was found: the whole picture was taken for one person")
    if bare:
        print(f"no point is sure enough to be drawn in {count(len(bare), 'picture')}: {', '.join(bare[:5])}")
    if failures:
        more = f"\n  and {len(failures) - 20} more" * (len(failures) > 20)
        raise InputError(
            f"{len(failures)} of {len(photos)} pictures were left out",
            "Look at these:\n  " + "\n  ".join(failures[:20]) + more,
        )


def write(out: Path, records: list[dict], parts: tuple[str, ...] | None) -> None:
    """COCO-WholeBody's json, or with the ending .csv a row for every keypoint (of some parts)."""
    if out.suffix.lower() == ".json":
        return write_json(out, records)
    table = as_table(records)
    with atomic_write(out) as temporary:
        table[table.part.isin(parts or table.part)].to_csv(temporary, index=False, float_format="%.4f")


def as_table(records: list[dict]) -> pd.DataFrame:
    """A row for every keypoint of every record: file_name, person (from 0 in the file), part, keypoint, x, y,
    score."""
    triples = [np.concatenate([record[f] for f in KEYPOINT_FIELDS]).reshape(-1, 3) for record in records]
    xys = np.concatenate([np.zeros((0, 3)), *triples])
    table = pd.DataFrame(xys, columns=["x", "y", "score"])
    labels = {
        "file_name": np.repeat([r["file_name"] for r in records], len(KEYPOINTS)),
        "person": np.repeat(np.arange(len(records)), len(KEYPOINTS)),
        "part": np.tile(PART_OF_KEYPOINT, len(records)),
        "keypoint": np.tile(KEYPOINTS, len(records)),
    }
    for i, (name, values) in enumerate(labels.items()):
        table.insert(i, name, values)
    return table


def count(number: int, one: str, many: str = "") -> str:
    """ "1 picture", "2 pictures"."""
    return f"{number} {one if number == 1 else many or one + 's'}"
