"""How near predictions lie to the labels of persons who need not be found first: mean OKS and PCK by part.

AP mixes placing with scoring and matching; these two numbers are about placing alone.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from wbkit.columns import Annotations
from wbkit.errors import InputError
from wbkit.geometry import clip_boxes
from wbkit.keypoints import PARTS, SIGMAS
from wbkit.matching import oks

PCK_LIMITS: dict[str, float] = {"PCK .05": 0.05, "PCK .10": 0.10}
"""Column -> how far a point may be off, as a share of the longer side of the person's box."""


def placement(annotations: Annotations, person_ids: np.ndarray, keypoints: np.ndarray) -> pd.DataFrame:
    """Mean OKS and PCK by part, over the persons and keypoints that have labels.

    PCK (percentage of correct keypoints, here a share) after Yang & Ramanan, "Articulated Human Detection
    with Flexible Mixtures of Parts" (TPAMI 2013): a labelled keypoint counts if it is at most a set share
    of the person's size away. The size is the longer side of the labelled box, clipped to its picture.

    Args:
        annotations: the labels.
        person_ids: (M,) annotation ids of the persons that were predicted.
        keypoints: (M, 133, 2 or more) predicted x, y in image px, ... of these persons, in this order.

    Returns:
        Rows are the six parts; columns "mean OKS" and those of `PCK_LIMITS`; fractions, NaN where nobody
        has labels.

    Raises:
        InputError: an id is not in the annotations, or there is not one pose for each.
    """
    rows = _rows_of(annotations, np.asarray(person_ids), np.asarray(keypoints))  # (M,)
    truth, areas = annotations.keypoints[rows], annotations.areas[rows]  # (M, 133, 3), (M,)
    labelled = truth[..., 2] > 0  # (M, 133)
    offsets = np.asarray(keypoints)[..., :2] - truth[..., :2]  # (M, 133, 2)
    distance = np.hypot(offsets[..., 0], offsets[..., 1]) / _longer_sides(annotations, rows)[:, None]
    table = pd.DataFrame(np.nan, index=pd.Index(PARTS, name="part"), columns=["mean OKS", *PCK_LIMITS])
    for part, k in PARTS.items():
        there = labelled[:, k]
        if there.any():
            similarity = oks(keypoints[:, k, :2], truth[:, k, :2], there, areas, SIGMAS[k])  # (M,)
            near = distance[:, k][there]
            shares = [(near <= limit).mean() for limit in PCK_LIMITS.values()]
            table.loc[part] = [np.nanmean(similarity), *shares]
    return table


def _rows_of(annotations: Annotations, person_ids: np.ndarray, keypoints: np.ndarray) -> np.ndarray:
    """(M,) where the persons stand in the annotations."""
    if keypoints.ndim != 3 or keypoints.shape[:2] != (len(person_ids), len(SIGMAS)) or keypoints.shape[2] < 2:
        raise InputError(
            f"keypoints have shape {keypoints.shape} for {len(person_ids)} persons",
            "Give (M, 133, 2 or more): x, y, ... in image px, one pose a person",
        )
    rows = pd.Index(annotations.ids).get_indexer(person_ids)  # (M,)
    unknown = person_ids[rows < 0]
    if len(unknown):
        raise InputError(
            f"has no person with id {unknown[0]} ({len(unknown)} of {len(person_ids)} are unknown)",
            "Give annotation ids of this file",
            file=annotations.source,
        )
    return rows


def _longer_sides(annotations: Annotations, rows: np.ndarray) -> np.ndarray:
    """(M,) px: of the box clipped to its picture."""
    pictures = annotations.pictures_of(annotations.person_image_ids[rows])  # (M,)
    boxes = clip_boxes(annotations.boxes_xywh[rows], annotations.image_sizes_wh[pictures])
    return boxes[:, 2:].max(1)
