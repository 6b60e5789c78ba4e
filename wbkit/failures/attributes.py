"""What may explain a failure: how large, cut off, crowded and how fully labelled each person is."""

from __future__ import annotations

import numpy as np

from wbkit.columns import BOXED_PARTS, Annotations
from wbkit.failures.causes import person_pictures
from wbkit.failures.classes import PART_SLICES
from wbkit.geometry import box_iou

CROWDED_IOU = 0.1
"""Boxes of two people overlap from this IoU on (Ronchi & Perona's measure of crowding)."""
_BORDER_PX = 1.0  # a box that comes so near the picture's border is cut off by it


def part_sizes(annotations: Annotations, persons: np.ndarray) -> np.ndarray:
    """Size of each part of the given persons in px: (P,) indices -> (P, 5), in the order of `PART_SLICES`.

    sqrt((w^2 + h^2) / 2) of the part's box, the side for a square: unlike sqrt(w h) it does not vanish for
    a foot seen edge-on. The box is the annotated one (face, hands) or the person's (body), else the extent
    of the labelled points. NaN where neither has a size.
    """
    sizes = np.full((len(persons), len(PART_SLICES)), np.nan)
    for column, (part, points) in enumerate(PART_SLICES.items()):
        box_wh = _extent(annotations.keypoints[persons][:, points])  # (P, 2)
        if part == "body":
            annotated = annotations.boxes_xywh[persons, 2:]
        elif part in BOXED_PARTS:
            annotated = annotations.part_boxes_xywh[persons, BOXED_PARTS.index(part), 2:]
        else:
            annotated = np.zeros_like(box_wh)
        given = (annotated > 0).all(1)
        box_wh[given] = annotated[given]
        sizes[:, column] = np.hypot(box_wh[:, 0], box_wh[:, 1]) / np.sqrt(2)
    sizes[sizes <= 0] = np.nan
    return sizes


def _extent(keypoints: np.ndarray) -> np.ndarray:
    """(P, n, 3) -> (P, 2) width and height of the labelled points; 0 where there are none."""
    labelled = keypoints[..., 2:] > 0  # (P, n, 1)
    low = np.where(labelled, keypoints[..., :2], np.inf).min(1)
    high = np.where(labelled, keypoints[..., :2], -np.inf).max(1)
    return np.where(np.isfinite(low), high - np.where(np.isfinite(low), low, 0), 0)


def truncated(annotations: Annotations, persons: np.ndarray) -> np.ndarray:
    """(P,) bool: the box comes within a pixel of the picture's border; False if its size is unknown."""
    sizes = person_pictures(annotations, persons)  # (P, 2)
    boxes = annotations.boxes_xywh[persons]
    low, high = boxes[:, :2], boxes[:, :2] + boxes[:, 2:]
    return ((low <= _BORDER_PX) | (high >= sizes - _BORDER_PX)).any(1) & (sizes > 0).all(1)


def crowding(annotations: Annotations, persons: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """How much others in the picture (crowds aside) overlap the given persons.

    Returns:
        (P,) float64 highest IoU of boxes with another person, and (P,) int64 how many others reach
        `CROWDED_IOU`.
    """
    others = np.flatnonzero(~annotations.crowd)
    others = others[np.argsort(annotations.person_image_ids[others], kind="stable")]
    pictures = annotations.person_image_ids[others]
    wanted = annotations.person_image_ids[persons]
    first = np.searchsorted(pictures, wanted)
    count = np.searchsorted(pictures, wanted, side="right") - first  # (P,)
    row = np.repeat(np.arange(len(persons)), count)
    slot = np.arange(len(row)) - np.repeat(np.cumsum(count) - count, count)
    other = others[np.repeat(first, count) + slot]
    different = other != persons[row]
    row, other = row[different], other[different]
    iou = box_iou(annotations.boxes_xywh[persons[row]], annotations.boxes_xywh[other])
    highest = np.zeros(len(persons))
    np.maximum.at(highest, row, iou)
    return highest, np.bincount(row[iou >= CROWDED_IOU], minlength=len(persons))
