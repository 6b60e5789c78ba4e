"""`wbkit predict clip.mp4`: people followed through a video -> a results file and a drawn video."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
from tqdm import tqdm

from wbkit.commands.journal import has_ended, journals
from wbkit.commands.photos import Photo, frame_boxes, results_place
from wbkit.commands.results import count, draw, rescored_records, write
from wbkit.detect import FoundPeople, detect_people
from wbkit.errors import InputError
from wbkit.files import atomic_write
from wbkit.keypoints import KEYPOINTS
from wbkit.predict import Predictor, bad_boxes
from wbkit.video import Look, Person, Video, follow, open_video, read_frames, write_frames

ENDINGS = (".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm", ".mpg", ".mpeg", ".wmv")
GUESS = 0.5  # score of a box that is the whole frame
Frames = dict[int, list[Person]]  # frame number from 1 -> its people


def is_video(path: Path) -> bool:
    """Whether its name is a video's."""
    return path.suffix.lower() in ENDINGS


def predict_video(options: argparse.Namespace, load: Callable[[], tuple[Predictor, str]]) -> None:
    """Follow everybody through one video; write results and the drawn video.

    An interruption ends both early: what is done is kept.

    Args:
        load: gives the predictor and the detector.

    Raises:
        InputError: more than one file or options for pictures were given, the video cannot be read, an
            unfinished run of pictures is in the way, or it was interrupted. An earlier whole run's files
            then stay.
        KeyboardInterrupt: ... before the first frame was done.
    """
    video = open_video(_only_video(options))
    drawing = f"{video.path.stem}.pose{options.video_format}"
    out = results_place(options.out, [Photo(video.path, 1, None, None, video.path.name, drawing)])
    if not all(map(has_ended, journals(out))):
        remedy = "Give another --out, or finish it first (--resume)"
        raise InputError("an unfinished run of pictures is there", remedy, file=out)
    boxes = frame_boxes(options.boxes) if options.boxes else None
    predictor, detector = load()
    left: list[str] = []
    look = _detections(detector, options.detect_every)
    if boxes is not None:
        look = _said(boxes, options.min_box_score, left)
    style = {"threshold": options.threshold, "parts": options.parts}
    found, why = _follow_and_draw(predictor, video, look, out.parent / drawing, style, not out.exists())
    left += [f"frame {n}, which is not there" for n in sorted(set(boxes or ()) - set(found)) if not why]
    if left:
        print(f"boxes left out: {', '.join(left[:5] + ['...'] * (len(left) > 5))}")
    write(out, _records(found, video, predictor), options.parts, video=True)
    people = count(len({p.number for persons in found.values() for p in persons}), "person", "people")
    inhabited = f"{sum(map(bool, found.values()))} of {count(len(found), 'frame')}"
    print(f"{people} in {inhabited} -> {out}; drawn in {out.parent / drawing}")
    if why:
        problem = f"{why}: {count(len(found), 'frame')} of {video.length or 'unknown'} done, and kept"
        raise InputError(problem, "Call it again to begin anew", file=video.path)
    if len(found) < video.length:
        print(f"{video.path} was expected to have {video.length} frames, and ended after {len(found)}")


def _only_video(options: argparse.Namespace) -> Path:
    """The one file, where nothing was asked for that videos do not have."""
    if len(options.images) > 1:
        raise InputError("a video comes alone", "Predict each by itself", file=options.images[1])
    for name in ("resume", "annotations"):
        if getattr(options, name):
            raise InputError(f"--{name} is for pictures", "Leave it away for a video", file=options.images[0])
    if int(os.environ.get("WORLD_SIZE", 1)) > 1:
        problem = "a video is followed frame by frame, by one process"
        raise InputError(problem, "Call wbkit without torchrun", file=options.images[0])
    return options.images[0]


def _said(boxes: dict[int, np.ndarray], min_score: float, left: list[str]) -> Look:
    """Boxes (n, 5) by frame number; people go on where there are none. `left` takes what cannot be used."""

    def look(number: int, frame: np.ndarray, people: list[Person]) -> FoundPeople | None:
        if number not in boxes:
            return None
        said = boxes[number]
        bad = bad_boxes(said[:, :4], frame.shape[1::-1])
        bad |= dict.fromkeys(np.flatnonzero(said[:, 4] < min_score).tolist(), f"score below {min_score:g}")
        left.extend(f"frame {number}, box {i}: {why}" for i, why in bad.items())
        good = np.setdiff1d(np.arange(len(said)), [*bad])
        return FoundPeople(said[good, :4], said[good, 4], "a file")

    return look


def _detections(detector: str, every: int) -> Look:
    """A detector, asked in every so many frames, and wherever there is nobody."""

    def look(number: int, frame: np.ndarray, people: list[Person]) -> FoundPeople | None:
        if any(not p.missed for p in people) and (number - 1) % every:
            return None
        found = detect_people(frame, detector)
        if not found.guessed:
            return found
        return None if people else replace(found, scores=np.full(1, GUESS))  # its points will tell

    return look


def _follow_and_draw(
    predictor: Predictor, video: Video, look: Look, drawing: Path, style: dict, keep_part: bool
) -> tuple[Frames, str]:
    """The people of every frame, and why it ended early, or "". Without `keep_part` that is an error."""
    found: Frames = {}
    first = draw(next(read_frames(video)), np.zeros((0, 133, 2)), np.zeros((0, 133)), style)
    bar = tqdm(follow(predictor, read_frames(video), look), total=video.length or None, unit="frame")
    why = ""
    with (
        atomic_write(drawing) as temporary,
        write_frames(temporary, video.fps, first.shape[1::-1]) as add,
        closing(bar),
    ):
        try:
            for number, (frame, people) in enumerate(bar, 1):
                add(_drawn(frame, people, style))
                found[number] = people
        except (InputError, KeyboardInterrupt) as error:
            why = str(error) or "interrupted"
            if not found:
                raise
            if not keep_part:
                remedy = "An earlier run's results stay; give another --out to keep part of a run"
                raise InputError(why, remedy, file=video.path) from error
    return found, why


def _drawn(frame: np.ndarray, people: list[Person], style: dict) -> np.ndarray:
    """The frame with poses, and everybody's number over the upper left corner of the box."""
    k = len(people[0].scores) if people else len(KEYPOINTS)
    keypoints = np.array([p.keypoints for p in people]).reshape(-1, k, 2)
    scores = np.array([p.scores for p in people]).reshape(-1, k)
    picture = draw(frame, keypoints, scores, style)
    factor, size = picture.shape[0] / frame.shape[0], max(0.7, picture.shape[0] / 640)
    for person in people:
        left, top = person.box_xywh[:2] * factor
        place = round(left) + 4, round(max(top - 6, 26 * size))
        for color, width in (((0, 0, 0), 5 * size), ((255, 255, 255), 2 * size)):
            font = cv2.FONT_HERSHEY_SIMPLEX
            cv2.putText(picture, str(person.number), place, font, size, color, round(width), cv2.LINE_AA)
    return picture


def _records(found: Frames, video: Video, predictor: Predictor) -> list[dict]:
    """COCO-WholeBody results; image_id is the frame's number, `person` is who, `time` is in seconds."""
    pairs: Iterator[tuple[int, Person]] = ((n, person) for n, people in found.items() for person in people)
    numbers, people = zip(*pairs, strict=True) if any(found.values()) else ((), ())
    records = rescored_records(
        np.array(numbers, np.int64),
        np.array([p.box_xywh for p in people]).reshape(-1, 4),
        np.array([p.box_score for p in people], float),
        np.array([np.c_[p.keypoints, p.scores] for p in people]).reshape(
            len(people), predictor.recipe.num_keypoints, 3
        ),
        predictor.recipe,
    )
    for record, number, person in zip(records, numbers, people, strict=True):
        own = {"video": video.path.name, "time": (number - 1) / video.fps, "person": person.number}
        record |= own
    return records
