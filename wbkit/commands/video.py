"""`wbkit predict clip.mp4`: people followed through a video -> a results file and a drawn video."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path

import cv2
import numpy as np
from tqdm import tqdm

from wbkit.commands.journal import has_ended, journals
from wbkit.commands.photos import Photo, frame_boxes, results_place
from wbkit.commands.results import UnwrittenError, count, draw, rescored_records, results_file
from wbkit.detect import FoundPeople, detect_people
from wbkit.errors import InputError
from wbkit.files import atomic_write
from wbkit.keypoints import KEYPOINTS
from wbkit.predict import Predictor, bad_boxes
from wbkit.video import Look, Person, Video, follow, open_video, read_frames, write_frames

ENDINGS = (".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm", ".mpg", ".mpeg", ".wmv")
GUESS = 0.5  # score of a box that is the whole frame


@dataclass
class Done:
    """Frames done, how many with people in them, these people's numbers; why the video ended early."""

    frames: int = 0
    inhabited: int = 0
    people: set[int] = field(default_factory=set)
    why: str = ""


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
    keep_part = not out.exists()
    with results_file(out, options.parts, video=True) as add:
        done = _follow_and_draw(predictor, video, look, out.parent / drawing, style, add, keep_part)
    if not done.why:
        left += [f"frame {n}, which is not there" for n in sorted(boxes or ()) if not 1 <= n <= done.frames]
    if left:
        print(f"boxes left out: {', '.join(left[:5] + ['...'] * (len(left) > 5))}")
    inhabited = f"{done.inhabited} of {count(done.frames, 'frame')}"
    people = count(len(done.people), "person", "people")
    print(f"{people} in {inhabited} -> {out}; drawn in {out.parent / drawing}")
    if done.why:
        problem = f"{done.why}: {count(done.frames, 'frame')} of {video.length or 'unknown'} done, and kept"
        raise InputError(problem, "Call it again to begin anew", file=video.path)
    if done.frames < video.length:
        print(f"{video.path} was expected to have {video.length} frames, and ended after {done.frames}")


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
    predictor: Predictor,
    video: Video,
    look: Look,
    drawing: Path,
    style: dict,
    add: Callable[[list[dict]], None],
    keep_part: bool,
) -> Done:
    """Draw every frame, and `add` its records. An early end without `keep_part` is an error."""
    done = Done()
    first = draw(next(read_frames(video)), np.zeros((0, 133, 2)), np.zeros((0, 133)), style)
    bar = tqdm(follow(predictor, read_frames(video), look), total=video.length or None, unit="frame")
    with (
        atomic_write(drawing) as temporary,
        write_frames(temporary, video.fps, first.shape[1::-1]) as show,
        closing(bar),
    ):
        try:
            for frame, people in bar:
                show(_drawn(frame, people, style))
                add(_records(done.frames + 1, people, video, predictor))
                done.frames += 1
                done.inhabited += bool(people)
                done.people |= {person.number for person in people}
        except UnwrittenError:
            raise
        except (InputError, KeyboardInterrupt) as error:
            done.why = str(error) or "interrupted"
            if not done.frames:
                raise
            if not keep_part:
                remedy = "An earlier run's results stay; give another --out to keep part of a run"
                raise InputError(done.why, remedy, file=video.path) from error
    return done


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


def _records(number: int, people: list[Person], video: Video, predictor: Predictor) -> list[dict]:
    """COCO-WholeBody results of a frame; image_id is its number, `person` is who, `time` is in seconds."""
    if not people:
        return []
    records = rescored_records(
        np.full(len(people), number),
        np.array([p.box_xywh for p in people]),
        np.array([p.box_score for p in people], float),
        np.array([np.c_[p.keypoints, p.scores] for p in people]),  # (n, K, 3)
        predictor.recipe,
    )
    time = (number - 1) / video.fps
    own = [{"video": video.path.name, "time": time, "person": person.number} for person in people]
    return [record | more for record, more in zip(records, own, strict=True)]
