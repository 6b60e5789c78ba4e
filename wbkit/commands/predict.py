"""`wbkit predict`: photos or a video, boxes from a file or a detector -> a results file and drawings."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from zlib import crc32

import numpy as np
import torch
from tqdm import tqdm

from wbkit.commands.journal import Journal, has_ended, journals
from wbkit.commands.models import load_predictor, shipped_model, zoom_weights
from wbkit.commands.photos import Photo, list_photos, passed_over, results_place
from wbkit.commands.results import Outcome, count, draw, finish, rescored_records, save_drawing
from wbkit.commands.video import is_video, predict_video
from wbkit.detect import ADVICE, detect_people, usable_detector
from wbkit.errors import InputError
from wbkit.keypoints import PART_OF_KEYPOINT, PARTS
from wbkit.pictures import read_image
from wbkit.predict import Predictor, bad_boxes


def predict_files(options: argparse.Namespace) -> None:
    """Predict every picture (this process's share under torchrun), or a video; one results file.

    Raises:
        InputError: something cannot be read, written or used; the message says what to do.
    """
    if any(map(is_video, options.images)):
        return predict_video(options, partial(_predictor_and_detector, options, 0, 1))
    photos = list_photos(options.images, options.boxes, options.min_box_score, options.annotations)
    out = results_place(options.out, photos)
    rank, world = (int(os.environ.get(name, default)) for name, default in (("RANK", 0), ("WORLD_SIZE", 1)))
    earlier = out.exists() and all(map(has_ended, journals(out)))  # before another process begins its own
    predictor, detector = _predictor_and_detector(options, rank, world)
    if rank == 0 and (dropped := sum(photo.dropped for photo in photos)):
        print(f"left out: {count(dropped, 'box', 'boxes')} of a score below {options.min_box_score:g}")
    for folder in options.images if rank == 0 else []:
        print(passed_over(folder), end="")
    journal = Journal(out, rank, world, _how(options, predictor, detector), options.resume)
    if rank == 0 and options.resume:
        known = sum(_is_done(journal, photo, out.parent) for photo in photos)
        nothing = f"nothing to go on with beside {out}" * (not journal.finished)
        print(nothing or f"{known} of {count(len(photos), 'picture')} done before")
    look = {"threshold": options.threshold, "parts": options.parts}
    own = predict_photos(predictor, photos[rank::world], detector, out.parent, look, journal, rank == 0)
    shares = gather(own, rank, world)
    if rank == 0:
        finish(photos, shares, out, options.parts, earlier)


def _predictor_and_detector(options: argparse.Namespace, rank: int, world: int) -> tuple[Predictor, str]:
    """As the options have it, with a word on a detector that is no good."""
    detector = options.detector if options.boxes else usable_detector(options.detector)
    predictor = load_predictor(
        options.checkpoint,
        options.recipe,
        device=options.device or _local_device(world),
        bf16=options.bf16,
        compile=options.compile,
        exact=options.exact,
        flip_test=False if options.no_flip else None,
        zoom=options.zoom,
        batch_size=_batch_size(options),
    )
    if rank == 0 and detector == "hog" and not options.boxes:
        print(ADVICE)
    return predictor, detector


def _how(options: argparse.Namespace, predictor: Predictor, detector: str) -> dict[str, str]:
    """What pictures of one results file must have in common, drawings included."""
    names = ("min_box_score", "bf16", "exact", "compile", "parts", "threshold")
    asked = {name: str(getattr(options, name)) for name in names}
    zoom = zoom_weights(options.checkpoint, options.zoom)
    files = {"checkpoint": options.checkpoint or shipped_model(), "boxes": options.boxes}
    for name, file in (files | ({"zoom": zoom} if zoom else {})).items():
        is_file = file is not None and Path(file).is_file()
        asked[name] = f"{Path(file).name} ({crc32(Path(file).read_bytes()):08x})" if is_file else str(file)
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
    taken: list[tuple[Photo, np.ndarray, dict]] = []
    told, finished = Outcome(), set()  # places of pictures that need no more word
    for photo in photos:
        if _is_done(journal, photo, out):
            told.note(photo, journal.finished[str(photo.path.resolve())])
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
            photo, image, boxes = taken.pop(0)
            save_drawing(out / photo.drawing, draw(image, keypoints, scores, look))
            asked = np.isin(PART_OF_KEYPOINT[: scores.shape[1]], list(look["parts"] or PARTS))
            bare = bool(len(scores) and not (scores[:, asked] > look["threshold"]).any())
            records = as_records(photo, keypoints, scores, predictor)
            if boxes["guessed"]:
                records = [record | {"guessed": True} for record in records]
            found = {"records": records, "bare": bare, "drawing": photo.drawing, **boxes}
            journal.add(photo.path, found)
            told.note(photo, found)
            finished.add(photo.path)
    except (InputError, KeyboardInterrupt) as error:
        told.why = "interrupted" if isinstance(error, KeyboardInterrupt) else f"a batch failed: {error}"
        told.left = [str(photo.path) for photo in photos if photo.path not in finished]
    return told


def _is_done(journal: Journal, photo: Photo, out: Path) -> bool:
    """Whether an earlier run finished the picture, and drew it under the name that it would have now."""
    before = journal.finished.get(str(photo.path.resolve()), {})
    drawn = before.get("drawing") == photo.drawing and (out / photo.drawing).is_file()
    return drawn and journal.knows(photo.path)


def read_photo(photo: Photo, detector: str) -> tuple[Photo, np.ndarray, dict]:
    """The photo with boxes, its own or a detector's; its pixels; what there is to tell of the boxes.

    Boxes that cannot be looked into are left out, and told.

    Raises:
        InputError: the picture cannot be used.
    """
    image = read_image(photo.path)
    if photo.boxes_xywh is None:
        found = detect_people(image, detector)
        photo = replace(photo, boxes_xywh=found.boxes_xywh, box_scores=found.scores)
        return photo, image, {"guessed": bool(found.guessed)}
    size_wh = image.shape[1::-1]
    bad = bad_boxes(photo.boxes_xywh, size_wh)
    good = np.setdiff1d(np.arange(len(photo.boxes_xywh)), [*bad])
    boxes = photo.boxes_xywh[good]
    far = int((boxes[:, :2] + boxes[:, 2:] > 1.1 * np.array(size_wh)).any(1).sum())
    told = {"guessed": False, "bad": [f"{photo.name}: box {why}" for why in bad.values()], "far": far}
    return replace(photo, boxes_xywh=boxes, box_scores=photo.box_scores[good]), image, told


def as_records(photo: Photo, keypoints: np.ndarray, scores: np.ndarray, predictor: Predictor) -> list[dict]:
    """COCO-WholeBody results of one photo: (n, K, 2) px, (n, K)."""
    ids, triples = np.full(len(keypoints), photo.image_id), np.concatenate([keypoints, scores[..., None]], -1)
    return rescored_records(ids, photo.boxes_xywh, photo.box_scores, triples, predictor.recipe)


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
