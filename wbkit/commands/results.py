"""What `wbkit predict` writes and says at its end: one results file, and what is missing from it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
import pandas as pd

from wbkit.annotations import results_to_json
from wbkit.columns import KEYPOINT_FIELDS
from wbkit.commands.journal import end, forget
from wbkit.commands.photos import Photo
from wbkit.data import Persons
from wbkit.errors import InputError
from wbkit.files import atomic_write
from wbkit.keypoints import KEYPOINTS, PART_OF_KEYPOINT
from wbkit.pipeline import results_from_predictions
from wbkit.plots import draw_pose
from wbkit.recipes import Recipe

DRAWN_SIDE = 1280  # px; smaller pictures are enlarged for drawing, up to thrice: a face has 68 points


@dataclass
class Outcome:
    """What one process has to say: json records, messages on pictures without any, what to know."""

    records: list[dict] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)  # pictures that were not come to
    why: str = ""  # ... for this reason
    bare: list[str] = field(default_factory=list)  # pictures in whose drawing there is nothing
    guessed: int = 0  # pictures taken whole, since nobody was found
    bad: list[str] = field(default_factory=list)  # boxes that were left out
    far: int = 0  # boxes that reach far out of their picture

    def note(self, photo: Photo, found: dict) -> None:
        """A finished picture, now or by an earlier run, which may have numbered pictures otherwise.

        Args:
            found: its json `records`; `bare`: its drawing shows no point; `guessed`: it was taken whole;
                `bad`, `far`: of its boxes.
        """
        own = {"image_id": photo.image_id, "file_name": photo.name}
        self.records += [record | own for record in found["records"]]
        self.bare += [photo.name] * found["bare"]
        self.guessed += found["guessed"]
        self.bad += found.get("bad", [])
        self.far += found.get("far", 0)


def finish(
    photos: list[Photo], shares: list[Outcome], out: Path, parts: tuple[str, ...] | None, earlier: bool
) -> None:
    """Write the results in the order of the pictures, and say what is missing; nothing if all failed.

    Args:
        earlier: `out` is there, of an earlier run that was not interrupted: only a whole one replaces it.

    Raises:
        InputError: pictures are missing.
    """
    order = {photo.image_id: i for i, photo in enumerate(photos)}
    records = sorted((r for share in shares for r in share.records), key=lambda r: order[r["image_id"]])
    failures, bare, left, bad = (
        [m for share in shares for m in getattr(share, f)] for f in ("failures", "bare", "left", "bad")
    )
    done = len(photos) - len(failures) - len(left)
    if left and earlier:
        print(f"{out} is an earlier run's and stays; --resume goes on and replaces it at the end")
    elif done:
        with results_file(out, parts) as add:
            add(records)
        people, pictures = count(len(records), "person", "people"), count(done, "picture")
        print(f"{people} in {pictures} -> {out}; drawings beside it")
    if done == len(photos):
        forget(out)
    elif not left:
        end(out)  # --resume can still use what is done, but need not
    if bad:
        shown = "\n  ".join(bad[:5] + ["..."] * (len(bad) > 5))
        print(f"left out: {count(len(bad), 'box', 'boxes')}:\n  {shown}")
    if (far := sum(share.far for share in shares)) > 0.2 * len(records):
        print(
            f"note: {far} boxes reach far out of their picture: x, y, width, height are wanted, not corners"
        )
    if guessed := sum(share.guessed for share in shares):
        taken = "the whole picture was taken for one person, with score 0"
        print(f"in {count(guessed, 'picture')} nobody was found: {taken}")
    if bare:
        print(f"no point is sure enough to be drawn in {count(len(bare), 'picture')}: {', '.join(bare[:5])}")
    unread = "Look at these:\n  " + "\n  ".join(failures[:20])
    unread += f"\n  and {len(failures) - 20} more" * (len(failures) > 20)
    if left:
        why = "; ".join(dict.fromkeys(share.why for share in shares if share.why))
        remedy = f"Call it again with --resume to go on{f'. {unread}' if failures else ''}"
        raise InputError(f"{why}: {len(left)} of {count(len(photos), 'picture')} are left", remedy)
    if failures:
        raise InputError(f"{len(failures)} of {len(photos)} pictures were left out", unread)


class UnwrittenError(InputError):
    """Results cannot be written: of this run there is nothing to keep."""


@contextmanager
def results_file(
    out: Path, parts: tuple[str, ...] | None, video: bool = False
) -> Iterator[Callable[[list[dict]], None]]:
    """A function that appends records to a new file, which takes its place when the block ends.

    COCO-WholeBody's json, or with the ending .csv a row for every keypoint (of some parts). Nothing that is
    written stays in memory: of a long video it would be gigabytes.
    """
    as_json, before = out.suffix.lower() == ".json", 0

    def add(records: list[dict]) -> None:
        nonlocal before
        if as_json:
            text = "".join("," + json.dumps(record, separators=(",", ":")) for record in records)
            text = text if before else text[1:]
        else:
            table = as_table(records, video, first=before)
            table = table[table.part.isin(parts or table.part)]
            text = table.to_csv(index=False, header=False, float_format="%.4f", lineterminator="\n")
        try:
            file.write(text)
        except OSError as error:
            problem = f"cannot be written ({error.strerror or error})"
            raise UnwrittenError(problem, "Free some space, or give another --out", file=out) from error
        before += len(records)

    with atomic_write(out) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        file.write("[" if as_json else ",".join(as_table([], video).columns) + "\n")
        yield add
        file.write("]" * as_json)


def as_table(records: list[dict], video: bool, first: int = 0) -> pd.DataFrame:
    """A row for every keypoint: file_name, image_id, person, person_score, part, keypoint, x, y, score.

    People of pictures are counted from `first` on; those of a video have their own numbers, `frame` instead
    of `image_id`, and `time`.
    """
    triples = [np.concatenate([record[f] for f in KEYPOINT_FIELDS]).reshape(-1, 3) for record in records]
    xys = np.concatenate([np.zeros((0, 3)), *triples])
    table = pd.DataFrame(xys, columns=["x", "y", "score"])
    name = "video" if video else "file_name"
    people = {
        # Names of files need not be text: bytes that are not are escaped.
        "file_name": [str(r[name]).encode(errors="backslashreplace").decode() for r in records],
        "frame" if video else "image_id": [r["image_id"] for r in records],
        **({"time": [r["time"] for r in records]} if video else {}),
        "person": [r.get("person", i) for i, r in enumerate(records, first)],
        "person_score": [r["score"] for r in records],
    }
    labels = {name: np.repeat(values, len(KEYPOINTS)) for name, values in people.items()}
    labels |= {"part": np.tile(PART_OF_KEYPOINT, len(records)), "keypoint": np.tile(KEYPOINTS, len(records))}
    for i, (name, values) in enumerate(labels.items()):
        table.insert(i, name, values)
    return table


def rescored_records(
    image_ids: np.ndarray,
    boxes_xywh: np.ndarray,
    box_scores: np.ndarray,
    keypoints: np.ndarray,
    recipe: Recipe,
) -> list[dict]:
    """COCO-WholeBody results of n people, rescored as the recipe says: (n,), (n, 4), (n,), (n, K, 3)."""
    unknown = np.full(len(keypoints), -1)
    names = np.full(len(keypoints), "")
    persons = Persons(image_ids, names, boxes_xywh, box_scores, unknown, np.zeros(keypoints.shape))
    return results_to_json(results_from_predictions(persons, keypoints, recipe))


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


def count(number: int, one: str, many: str = "") -> str:
    """ "1 picture", "2 pictures"."""
    return f"{number} {one if number == 1 else many or one + 's'}"
