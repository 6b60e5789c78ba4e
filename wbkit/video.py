"""Videos: frames in and out, and people followed from each frame to the next.

A person's box is drawn around the points of the frame before, so that somebody, a detector or a user, need
say only now and then where people are. Boxes that are said set a person right, or begin one.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from scipy.optimize import linear_sum_assignment

from wbkit.detect import FoundPeople
from wbkit.errors import InputError
from wbkit.keypoints import PARTS, SIGMAS
from wbkit.nms import oks_nms
from wbkit.predict import Predictor

SURE = 0.2  # score above which a point says something
SMALLEST_BODY = 3  # sure points of the body's 17; who has fewer is gone
SAME = 0.3  # IoU of boxes that may be of one person
MARGIN = 0.04  # of a box around points, a share of its longer side: what a head and shoes add
CODECS = {".webm": "VP80", ".mp4": "mp4v"}  # those that OpenCV's wheels can write


@dataclass(frozen=True)
class Video:
    """What a file says of itself: frames a second, (W, H) px, how many frames (0: it does not say)."""

    path: Path
    fps: float
    size_wh: tuple[int, int]
    length: int


@dataclass(frozen=True)
class Person:
    """Somebody in one frame.

    Attributes:
        number: the same through the video; from 1, in the order in which people appear.
        box_xywh: (4,) frame px, what was looked into.
        box_score: of the box that was last said to be this person's.
        keypoints: (K, 2) frame px.
        scores: (K,) of the points.
    """

    number: int
    box_xywh: np.ndarray
    box_score: float
    keypoints: np.ndarray
    scores: np.ndarray


Look = Callable[[int, np.ndarray, list[Person]], FoundPeople | None]
"""Frame number from 1, the frame, people of the frame before -> where people are, or None: no idea."""


def open_video(path: str | Path) -> Video:
    """Rate, size and length of a video file.

    Raises:
        InputError: there is no such file, or OpenCV cannot read it.
    """
    if not Path(path).is_file():
        raise InputError("there is no such video", "Check the path", file=path)
    capture = cv2.VideoCapture(str(path))
    read, frame = capture.read()
    fps, length = capture.get(cv2.CAP_PROP_FPS), int(capture.get(cv2.CAP_PROP_FRAME_COUNT))
    capture.release()
    if not read:
        remedy = "OpenCV reads mp4, mov, avi, mkv and webm of the usual codecs; convert it with ffmpeg"
        raise InputError("cannot be read as a video", remedy, file=path)
    return Video(Path(path), fps if 0 < fps < 1000 else 25.0, frame.shape[1::-1], max(length, 0))


def read_frames(video: Video) -> Iterator[np.ndarray]:
    """Every frame, (H, W, 3) RGB uint8, turned upright where the file says how it was held."""
    capture = cv2.VideoCapture(str(video.path))
    try:
        while (answer := capture.read())[0]:
            yield cv2.cvtColor(answer[1], cv2.COLOR_BGR2RGB)
    finally:
        capture.release()


@contextmanager
def write_frames(path: Path, fps: float, size_wh: tuple[int, int]) -> Iterator[Callable[[np.ndarray], None]]:
    """A function that appends an RGB frame to a new video; ready when the block ends.

    Raises:
        InputError: the ending is none of `CODECS`, or OpenCV cannot write there.
    """
    if path.suffix not in CODECS:
        raise InputError(f"cannot write {path.suffix or 'this'}", f"Choose {' or '.join(CODECS)}", file=path)
    with _silent():  # FFmpeg would find another tag for WebM, and say so every time
        code = cv2.VideoWriter.fourcc(*CODECS[path.suffix])
        writer = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, code, fps, size_wh)
    if not writer.isOpened():
        raise InputError("cannot be written as a video", "Choose a writable place", file=path)
    try:
        yield lambda frame_rgb: writer.write(cv2.cvtColor(frame_rgb, cv2.COLOR_RGB2BGR))
    finally:
        writer.release()


@contextmanager
def _silent() -> Iterator[None]:
    """Without what C libraries print to standard error."""
    kept, nothing = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nothing)


def follow(
    predictor: Predictor, frames: Iterable[np.ndarray], look: Look
) -> Iterator[tuple[np.ndarray, list[Person]]]:
    """The people of every frame.

    Args:
        predictor: finds the points.
        frames: (H, W, 3) RGB uint8.
        look: asked in every frame; answers where it knows.

    Yields:
        every frame with its people, in the order of their numbers. Who has fewer than `SMALLEST_BODY` sure
        body points is left out, and so is the younger of two who have become one.
    """
    people: list[Person] = []
    newest = 0
    for number, frame in enumerate(frames, 1):
        found = look(number, frame, people)
        people = _where_next(people, frame.shape[1::-1])
        if found is not None:
            people = _set_right(people, found, newest)
            newest = max([newest, *(person.number for person in people)])
        keypoints, scores = predictor(frame, np.array([p.box_xywh for p in people]))
        people = [
            Person(p.number, p.box_xywh, p.box_score, k, s)
            for p, k, s in zip(people, keypoints, scores, strict=True)
            if (s[PARTS["body"]] > SURE).sum() >= SMALLEST_BODY
        ]
        people = _without_doubles(people, predictor.recipe.nms_threshold)
        yield frame, people


def box_around(keypoints: np.ndarray, scores: np.ndarray, size_wh: tuple[int, int]) -> np.ndarray:
    """A person's box from sure points, with a margin, cut to the frame: (K, 2), (K,) -> (4,) xywh px."""
    points = keypoints[scores > SURE]
    low, high = points.min(0), points.max(0)
    margin = MARGIN * (high - low).max()
    low, high = (np.clip(corner, 0, size_wh) for corner in (low - margin, high + margin))
    return np.concatenate([low, high - low])


def box_iou(a_xywh: np.ndarray, b_xywh: np.ndarray) -> np.ndarray:
    """Intersection over union of every pair: (n, 4), (m, 4) -> (n, m)."""
    common = _common_area(a_xywh, b_xywh)
    return common / (a_xywh[:, None, 2:].prod(-1) + b_xywh[None, :, 2:].prod(-1) - common)


def _common_area(a_xywh: np.ndarray, b_xywh: np.ndarray) -> np.ndarray:
    """Of every pair, px^2: (n, 4), (m, 4) -> (n, m)."""
    a, b = a_xywh[:, None], b_xywh[None]
    low = np.maximum(a[..., :2], b[..., :2])
    high = np.minimum(a[..., :2] + a[..., 2:], b[..., :2] + b[..., 2:])
    return (high - low).clip(0).prod(-1)


def _where_next(people: list[Person], size_wh: tuple[int, int]) -> list[Person]:
    """The same people with boxes for the next frame, but those who have left the picture."""
    boxes = [box_around(p.keypoints, p.scores, size_wh) for p in people]
    pairs = zip(people, boxes, strict=True)
    return [Person(p.number, b, p.box_score, p.keypoints, p.scores) for p, b in pairs if b[2:].min() >= 2]


def _set_right(people: list[Person], found: FoundPeople, newest: int) -> list[Person]:
    """Found boxes go to the people whose boxes they overlap most, others begin a person.

    Rough ones only begin a person, and only outside of others: the box around somebody's points is better.
    """
    own = np.array([p.box_xywh for p in people]).reshape(-1, 4)
    overlap = box_iou(own, found.boxes_xywh)  # (people, found)
    pairs = zip(*linear_sum_assignment(overlap, maximize=True), strict=True)
    owner = {j: people[i].number for i, j in pairs if overlap[i, j] >= SAME}
    kept = {p.number: p for p in people}
    covered = (_common_area(own, found.boxes_xywh) >= 0.5 * found.boxes_xywh[:, 2:].prod(-1)).any(
        0
    )  # (found,)
    for j, (box, score) in enumerate(zip(found.boxes_xywh, found.scores, strict=True)):
        if found.rough and covered[j]:
            continue
        if j not in owner:
            newest += 1
        number = owner.get(j, newest)
        kept[number] = Person(number, box, float(score), np.zeros((0, 2)), np.zeros(0))
    return list(kept.values())


def _without_doubles(people: list[Person], threshold: float) -> list[Person]:
    """Of people whose points say that they are one, the oldest."""
    if len(people) < 2:
        return people
    keypoints = np.array([p.keypoints for p in people])
    areas = np.array([p.box_xywh[2:].prod() for p in people])
    age = -np.array([p.number for p in people], float)
    kept = oks_nms(keypoints, age, areas, threshold, SIGMAS[: keypoints.shape[1]])
    return [people[i] for i in sorted(kept)]
