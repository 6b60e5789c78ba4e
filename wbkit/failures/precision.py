"""AP and AR of a part with pictures counted any number of times, from matches that stay as they are."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from wbkit.evaluate import RECALLS
from wbkit.failures.rematch import PartMatching
from wbkit.matching import OKS_THRESHOLDS


@dataclass(frozen=True, eq=False)
class Ranking:
    """The detections of a part from the highest score down, reduced to what AP needs.

    Attributes:
        pictures: (F,) int64, picture of each detection that counts at some threshold.
        right: T arrays of ranks (indices into F) that are right. ignored: T arrays of ranks that do not
            count at this threshold. ignored_before: T arrays, how many of `ignored` precede each of `right`.
        wanted: (I,) int64 how many persons of each picture are to be found.
    """

    pictures: np.ndarray
    right: list[np.ndarray]
    ignored: list[np.ndarray]
    ignored_before: list[np.ndarray]
    wanted: np.ndarray


def rank(matching: PartMatching) -> Ranking:
    """Sort a part's detections by score (equal ones stay in the reference's order)."""
    ignored = matching.ignored  # (E, T)
    counts = ~ignored.all(1)  # (E,)
    order = np.flatnonzero(counts)
    order = order[np.argsort(-matching.scores[order], kind="stable")]  # (F,)
    ignored = ignored[order]
    found = (matching.persons[order] >= 0) & ~ignored  # (F, T)
    thresholds = range(len(OKS_THRESHOLDS))
    right = [np.flatnonzero(found[:, t]) for t in thresholds]
    left_out = [np.flatnonzero(ignored[:, t]) for t in thresholds]
    before = [np.searchsorted(i, r) for i, r in zip(left_out, right, strict=True)]
    persons = matching.person_pictures[~matching.ignored_persons]
    wanted = np.bincount(persons, minlength=len(matching.image_ids))
    return Ranking(matching.pictures[order], right, left_out, before, wanted)


def average_precision(ranking: Ranking, weights: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
    """AP and AR at each OKS threshold, with each picture counted `weights` times.

    Equals evaluating a set in which the pictures are repeated that often; with weights of 1, or None, it is
    `wbkit.evaluate.precision_recall` to the last bit. Precision changes the interpolated curve only at
    right detections, so the many wrong ones are only counted.

    Args:
        weights: (I,) whole numbers.

    Returns:
        (T,) AP and (T,) AR; NaN if there is nobody to be found.
    """
    weights = np.ones(len(ranking.wanted)) if weights is None else weights.astype(np.float64)
    wanted = float(weights @ ranking.wanted)
    ap, ar = np.zeros(len(OKS_THRESHOLDS)), np.zeros(len(OKS_THRESHOLDS))
    if not wanted:
        return ap + np.nan, ar + np.nan
    weight = weights[ranking.pictures]  # (F,)
    counted = np.cumsum(weight)  # (F,)
    for t, (right, ignored, before) in enumerate(
        zip(ranking.right, ranking.ignored, ranking.ignored_before, strict=True)
    ):
        if not len(right):
            continue
        found = np.cumsum(weight[right])
        skipped = np.concatenate([[0.0], np.cumsum(weight[ignored])])[before]
        precision = found / (counted[right] - skipped + np.spacing(1))
        best_from_here = np.maximum.accumulate(precision[::-1])[::-1]
        recall = found / wanted
        index = np.searchsorted(recall, RECALLS)
        at_recall = np.append(best_from_here, 0.0)[index]  # 0 beyond the recall reached
        ap[t], ar[t] = at_recall.mean(), recall[-1]
    return ap, ar
