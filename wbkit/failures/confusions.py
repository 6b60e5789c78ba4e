"""Confusions of a part's keypoints as a square: whose place each point was predicted at."""

from __future__ import annotations

import numpy as np
import pandas as pd

from wbkit.errors import InputError
from wbkit.failures.classes import HANDS
from wbkit.keypoints import FACE_REGIONS, KEYPOINTS, PARTS

CONFUSION_PARTS = ("body", "foot", "face", "hand")
"""Parts of `confusion_matrix`."""
OTHER_HAND, OTHER_PERSON = "other hand", "another person"
"""Columns for places that are not in the part of the same person."""


def confusion_matrix(table: pd.DataFrame, part: str) -> pd.DataFrame:
    """How many points of each keypoint lie on which other one (`confusion_table` as a square).

    Args:
        table: of `keypoint_table`, or any rows of it.
        part: "body", "foot"; "face": by regions, since 68 points are too many to look at; "hand": both
            hands together, by the names of points without their side.

    Returns:
        Index: the part's keypoints (or regions). Columns: labelled (how many points), one for each row's
        name (lies there on the same person; in faces also a region's points on their mirrored ones in the
        same region), for hands "other hand", and "another person" (a swap, whatever it hit). Counts.

    Raises:
        InputError: no such part.
    """
    if part not in CONFUSION_PARTS:
        raise InputError(f"there is no part {part!r}", f"Choose one of {', '.join(CONFUSION_PARTS)}")
    names, of = _names(part)
    rows = table[table["v"] > 0]
    truth = of[rows["keypoint"].cat.codes]
    rows, truth = rows[truth >= 0], truth[truth >= 0]
    codes = rows["confused_keypoint"].cat.codes.to_numpy()  # -1: lies on no other keypoint
    columns = [*names, *([OTHER_HAND] if part == "hand" else []), OTHER_PERSON]
    hit = of[codes]
    if part == "hand":
        crossed = _hand_of(rows["keypoint"].cat.codes.to_numpy()) != _hand_of(codes)
        hit = np.where(crossed, columns.index(OTHER_HAND), hit)
    hit = np.where(rows["confused_person_id"].to_numpy() >= 0, columns.index(OTHER_PERSON), hit)
    confused = codes >= 0
    counts = np.zeros((len(names), len(columns)), np.int64)
    np.add.at(counts, (truth[confused], hit[confused]), 1)
    found = pd.DataFrame(counts, pd.Index(names, name="keypoint"), columns)
    found.insert(0, "labelled", np.bincount(truth, minlength=len(names)))
    return found


def _names(part: str) -> tuple[list[str], np.ndarray]:
    """Names of the rows, and (133,) which of them each keypoint belongs to, -1 for none."""
    of = np.full(len(KEYPOINTS), -1)
    if part == "face":
        for place, region in enumerate(FACE_REGIONS.values()):
            of[region] = place
        return [name.replace("_", " ") for name in FACE_REGIONS], of
    if part == "hand":
        for hand in HANDS:
            of[hand] = np.arange(hand.stop - hand.start)
        return [name.removeprefix("left_") for name in KEYPOINTS[HANDS[0]]], of
    of[PARTS[part]] = np.arange(PARTS[part].stop - PARTS[part].start)
    return list(KEYPOINTS[PARTS[part]]), of


def _hand_of(points: np.ndarray) -> np.ndarray:
    """0 for points of the left hand (and what lies before it), 1 for those of the right."""
    return (points >= HANDS[1].start).astype(int)
