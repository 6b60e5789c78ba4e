"""Videos: frames in and out, and people followed from each frame to the next.

A person's box is drawn around the points of the frame before, so that somebody, a detector or a user, need
say only now and then where people are. Boxes that are said set a person right, or begin one.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import cv2
import numpy as np
from scipy.optimize import linear_sum_assignment

from wbkit.detect import FoundPeople
from wbkit.errors import InputError
from wbkit.geometry import box_iou, common_area
from wbkit.keypoints import PARTS, SIGMAS
from wbkit.matching import oks
from wbkit.nms import oks_nms
from wbkit.predict import Predictor

SURE = 0.2  # score above which a point says something
SMALLEST_BODY = 3  # sure points of the body's 17; who has fewer is not there
SAME = 0.3  # IoU of boxes that may be of one person
MARGIN = 0.04  # of a box around points, a share of its longer side: what a head and shoes add
ONE = 0.5  # OKS of two people's points above which they are one
PATIENCE = 20  # frames for which somebody is expected who was seen in at least ...
KNOWN = 5  # ... so many
NEW = 0  # number of somebody who has not been looked at
STEADINESS = 0.5  # share of what a movement differed from the expected that counts for the next
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
        keypoints: (K, 2) frame px; of somebody new, who has not been looked at, (0, 2).
        scores: (K,) of the points.
        velocity: (2,) px a frame.
        seen: in how many frames.
        missed: for how many frames nobody was found there; the points are then where they should be.
    """

    number: int
    box_xywh: np.ndarray
    box_score: float
    keypoints: np.ndarray = field(default_factory=lambda: np.zeros((0, 2)))
    scores: np.ndarray = field(default_factory=lambda: np.zeros(0))
    velocity: np.ndarray = field(default_factory=lambda: np.zeros(2))
    seen: int = 0
    missed: int = 0


Look = Callable[[int, np.ndarray, list[Person]], FoundPeople | None]
"""Frame number from 1, the frame, people of the frame before -> where people are, or None: no idea.

Among the people are those who are only expected (`missed` above 0). Boxes must be such as `Predictor` takes.
"""


def open_video(path: str | Path) -> Video:
    """Rate (25 where the file does not say), size and length of a video file.

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
    """A function that appends a frame, (H, W, 3) RGB uint8 of that size, to a new video; ready when the block
    ends.

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

    Somebody who is hidden for a while, or whose points are suddenly another's, is expected where the last
    movement leads.

    Args:
        predictor: finds the points.
        frames: (H, W, 3) RGB uint8.
        look: asked in every frame; answers where it knows.

    Yields:
        every frame with the people found in it, in the order of their numbers. Nobody is found where fewer
        than `SMALLEST_BODY` body points are sure, and of two who have become one only the one who was
        expected there.

    Raises:
        InputError: a frame or a box is none that `predictor` takes.
    """
    people: list[Person] = []
    newest = 0
    for number, frame in enumerate(frames, 1):
        found = look(number, frame, people)
        people = _where_next(people, frame.shape[1::-1])
        if found is not None:
            people = _set_right(people, found)
        keypoints, scores = predictor(frame, np.array([p.box_xywh for p in people]))
        people = _recognised(people, keypoints, scores, newest)
        newest = max([newest, *(person.number for person in people)])
        yield frame, [p for p in people if not p.missed]


def box_around(keypoints: np.ndarray, scores: np.ndarray, size_wh: tuple[int, int]) -> np.ndarray:
    """A person's box from sure points (one at least), with a margin, cut to the frame.

    Args: keypoints (K, 2) frame px; scores (K,); size_wh of the frame. Returns: (4,) xywh px.
    """
    points = keypoints[scores > SURE]
    low, high = points.min(0), points.max(0)
    margin = MARGIN * (high - low).max()
    low, high = (np.clip(corner, 0, size_wh) for corner in (low - margin, high + margin))
    return np.concatenate([low, high - low])


def _where_next(people: list[Person], size_wh: tuple[int, int]) -> list[Person]:
    """Points and boxes as they should be in the next frame; without those who have left or stayed away."""
    moved = [replace(p, keypoints=p.keypoints + p.velocity) for p in people if p.missed <= PATIENCE]
    moved = [replace(p, box_xywh=box_around(p.keypoints, p.scores, size_wh)) for p in moved]
    return [p for p in moved if p.box_xywh[2:].min() >= 2]


def _set_right(people: list[Person], found: FoundPeople) -> list[Person]:
    """Found boxes go to the people whose boxes they overlap most, others begin a person.

    The box around points that were found is better than a rough one, which begins a person outside of others.
    """
    own = np.array([p.box_xywh for p in people]).reshape(-1, 1, 4)  # one a row
    overlap = box_iou(own, found.boxes_xywh)  # (people, found)
    pairs = zip(*linear_sum_assignment(overlap, maximize=True), strict=True)
    owner = {j: i for i, j in pairs if overlap[i, j] >= SAME}
    share = common_area(own, found.boxes_xywh) / found.boxes_xywh[:, 2:].prod(-1)  # (people, found)
    people = list(people)
    for j, (box, score) in enumerate(zip(found.boxes_xywh, found.scores.tolist(), strict=True)):
        if (i := owner.get(j)) is None:
            if not (found.rough and (share[:, j] >= 0.5).any()):
                people.append(Person(NEW, box, score))
        elif people[i].missed or not found.rough:
            people[i] = replace(people[i], box_xywh=box, box_score=score)
    return people


def _recognised(people: list[Person], keypoints: np.ndarray, scores: np.ndarray, newest: int) -> list[Person]:
    """People with the points that were found, (n, K, 2) and (n, K), or without: then they are missed.

    New ones who are there get the numbers after `newest`. The body says who is who: in a crop where somebody
    is hidden, face and hands are often another's.
    """
    body, sure = keypoints[:, PARTS["body"]], scores[:, PARTS["body"]] > SURE  # (n, 17, 2), (n, 17)
    areas = np.array([p.box_xywh[2:].prod() for p in people])
    agreement = np.array([_agreement(p, k, s) for p, k, s in zip(people, body, sure, strict=True)])
    there = sure.sum(1) >= SMALLEST_BODY  # (n,)
    ranks = np.where(there, agreement, -3)  # who is expected there comes first
    kept = oks_nms(body, ranks, areas, ONE, SIGMAS[PARTS["body"]])
    found = []
    for i, person in enumerate(people):
        if there[i] and i in kept:
            before = person.keypoints[PARTS["body"]]  # (17, 2), of somebody new (0, 2)
            step = np.median((body[i] - before)[sure[i]], 0) if len(before) else 0
            now = {"keypoints": keypoints[i], "scores": scores[i], "missed": 0, "seen": person.seen + 1}
            if person.number == NEW:
                now["number"] = newest = newest + 1
            found.append(replace(person, velocity=person.velocity + STEADINESS * step, **now))
        elif person.seen >= KNOWN:
            found.append(replace(person, missed=person.missed + 1))
    return found


def _agreement(person: Person, keypoints: np.ndarray, sure: np.ndarray) -> float:
    """OKS of body points (17, 2) with those expected, where both are sure; below -1 for somebody new."""
    if not len(person.scores):
        return person.box_score - 2
    body, area = PARTS["body"], person.box_xywh[2:].prod()
    both = sure & (person.scores[body] > SURE)
    return float(np.nan_to_num(oks(keypoints, person.keypoints[body], both, area, SIGMAS[body]), nan=-0.5))
