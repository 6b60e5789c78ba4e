"""Score predictions as COCO-WholeBody does: AP and AR per part, equal to xtcocotools 1.14.3.

Needs no network and no torch: any model's results file will do.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd

from wbkit import loops
from wbkit.annotations import load_annotations, load_results
from wbkit.columns import Annotations, Results
from wbkit.errors import InputError
from wbkit.keypoints import PARTS
from wbkit.matching import AREA_RANGES, OKS_THRESHOLDS, Matches, match
from wbkit.reference import reference_statistics

STATISTICS: tuple[str, ...] = ("AP", "AP50", "AP75", "APM", "APL", "AR", "AR50", "AR75", "ARM", "ARL")
"""Columns of the tables: mean over thresholds, at OKS .50 and .75, and for medium and large persons."""
RECALLS: np.ndarray = np.linspace(0, 1, 101)
"""(101,) the recalls at which COCO reads the precision."""


# --- AP and AR -------------------------------------------------------------------------------------


def precision_recall(matches: Matches, area: str = "all") -> tuple[np.ndarray, np.ndarray]:
    """Precision at 101 recalls, and the recall reached, for each OKS threshold.

    Detections are counted from the highest score down; the precision at a recall is the best at that or
    any higher recall, 0 beyond the recall reached (COCO's interpolation). AP is the mean of the first
    array, AR of the second.

    Args:
        matches: one part's matches.
        area: a key of `AREA_RANGES`.

    Returns:
        precision (T, 101) at `RECALLS`, and recall (T,); NaN if there is nobody to be found.

    Raises:
        InputError: there is no such area range.
    """
    if area not in AREA_RANGES:
        raise InputError(f"there is no area range {area!r}", f"Choose one of {', '.join(AREA_RANGES)}")
    column = list(AREA_RANGES).index(area)
    wanted = np.count_nonzero(~matches.ignored_persons[:, column])
    precision = np.full((len(OKS_THRESHOLDS), len(RECALLS)), 0.0 if wanted else np.nan)
    if not wanted or not len(matches.scores):
        return precision, precision[:, 0].copy()
    order = np.argsort(-matches.scores, kind="stable")  # (E,)
    recall, best_from_here = loops.curves(
        order, matches.persons, matches.ignored, column, wanted
    )  # (T, E) x 2
    for row, curve, values in zip(precision, recall, best_from_here, strict=True):
        index = np.searchsorted(curve, RECALLS)  # (101,)
        reached = index < len(curve)
        row[reached] = values[index[reached]]
    return precision, recall[:, -1].copy()


def per_part_table(
    annotations: str | Path | dict | Annotations, results: str | Path | Sequence[dict] | Results
) -> pd.DataFrame:
    """AP and AR of every part, equal to xtcocotools 1.14.3.

    Results are taken as they are; `rescore_and_nms` does what MMPose does before.

    Args:
        annotations: a COCO-WholeBody annotation file: path, parsed content or columns.
        results: a results file of any model: path, parsed content or columns.

    Returns:
        Rows body, foot, face, lefthand, righthand, wholebody and hand (the mean of both hands, NaN if
        either is); columns `STATISTICS`; fractions, NaN where there is nobody to be found.

    Raises:
        InputError: a file cannot be used, or a result names a picture that the annotations lack.
    """
    annotations, results = load_annotations(annotations), load_results(results)
    with ThreadPoolExecutor(max_workers=2) as pool:  # side by side; each holds a part's pairs, so no more
        statistics = pool.map(lambda part: _statistics(match(annotations, results, part)), PARTS)
        return _table(dict(zip(PARTS, statistics, strict=True)))


def _statistics(matches: Matches) -> np.ndarray:
    """The ten `STATISTICS` of one part."""
    precision, recall = precision_recall(matches)  # (T, 101), (T,)
    at_75 = int(np.flatnonzero(OKS_THRESHOLDS == 0.75)[0])
    curves = [precision_recall(matches, area) for area in ("medium", "large")]
    ap = [precision, precision[0], precision[at_75], *(p for p, _ in curves)]
    ar = [recall, recall[0], recall[at_75], *(r for _, r in curves)]
    return np.array([values.ravel().mean() for values in ap + ar])


def _table(statistics: dict[str, np.ndarray]) -> pd.DataFrame:
    """(10,) of each part -> the table, with the row "hand"."""
    table = pd.DataFrame.from_dict(statistics, orient="index", columns=list(STATISTICS))
    table.loc["hand"] = (table.loc["lefthand"] + table.loc["righthand"]) / 2
    return table.rename_axis("part")


def reference_table(annotations: str | Path | dict, results: str | Path | Sequence[dict]) -> pd.DataFrame:
    """The table of `per_part_table`, computed by xtcocotools; slow (minutes for val2017).

    Args:
        annotations: a COCO-WholeBody annotation file: path or parsed content.
        results: a results file: path or parsed content.

    Raises:
        InputError: as `per_part_table`; or xtcocotools is not installed, or columns are given.
    """
    statistics = reference_statistics(annotations, results)
    return _table({part: np.where(values == -1, np.nan, values) for part, values in statistics.items()})
