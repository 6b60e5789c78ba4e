"""AP of the people in each slice: how sensitive a model is to size or crowding, and where another gains."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd

from wbkit.failures.analysis import Analysis, AnnotationSource, ResultSource, analyse
from wbkit.failures.attributes import crowding, part_sizes, truncated
from wbkit.failures.classes import PART_SLICES
from wbkit.failures.compare import analyse_both, difference_row
from wbkit.failures.intervals import interval, picture_weights, resampled_if_several
from wbkit.failures.precision import Ranking, rank
from wbkit.failures.rematch import change, match_part
from wbkit.failures.slices import PERSON_SLICINGS, cut, find_slicing
from wbkit.keypoints import PARTS

_ABOUT = ("part", "bin", "low", "high", "persons", "labelled")


def sensitivity(
    annotations: AnnotationSource | Analysis,
    results: ResultSource | None = None,
    *,
    by: str = "size",
    parts: Sequence[str] = tuple(PARTS),
    resamples: int = 0,
    level: float = 0.95,
    seed: int = 0,
) -> pd.DataFrame:
    """AP and AR of each slice of the labelled persons: how sensitive a model is to size, crowding, ...

    As COCO does with sizes: persons outside the slice are ignored. Detections stay, since they belong to
    no slice, except that those assigned to a person outside of it are left out: a false alarm counts in
    every slice, an inexact find in its own only. AP therefore depends on how many persons a slice holds;
    AR does not.

    Args:
        by: one of `PERSON_SLICINGS`. parts: keys of `PARTS`.
        resamples: bootstrap resamples over pictures, 0 for no intervals. level, seed: of these.

    Returns:
        A row for each part and bin with somebody to be found: part, bin (categories), low, high, persons
        (how many have labels in this part), labelled (keypoints that they have in it), AP, AP50, AR, and with
        resamples each of these three with _low and _high (NaN where the people are in one picture).

    Raises:
        InputError: as `analyse`; no such slicing or part; bad numbers.
    """
    find_slicing(by, PERSON_SLICINGS)
    analysis = analyse(annotations, results)
    weights = picture_weights(len(analysis.annotations.image_ids), resamples, seed)
    rows = []
    for part in parts:
        for row, ranking in _rankings(analysis, by, part):
            samples = resampled_if_several(ranking, weights)[:, [0, 1, 3]]  # (R, 3)
            ends = interval(samples[1:], level)
            for i, name in enumerate(("AP", "AP50", "AR")):
                row[name] = samples[0, i]
                row |= {f"{name}_low": ends[0][i], f"{name}_high": ends[1][i]} if resamples else {}
            rows.append(row)
    return _as_table(rows, (*_ABOUT, "AP", "AP50", "AR"), by, parts)


def sensitivity_change(
    annotations: AnnotationSource | Analysis,
    results_a: ResultSource | Analysis,
    results_b: ResultSource | Analysis | None = None,
    *,
    by: str = "size",
    parts: Sequence[str] = tuple(PARTS),
    resamples: int = 200,
    level: float = 0.95,
    seed: int = 0,
) -> pd.DataFrame:
    """AP and AR of each slice of the labelled persons in two results, and their paired difference.

    Called as `wbkit.failures.compare` is; slices as in `sensitivity`.

    Args:
        by: one of `PERSON_SLICINGS`. parts: keys of `PARTS`.
        resamples: bootstrap resamples over pictures, the same ones for both; 0 leaves intervals NaN. level,
            seed: of these.

    Returns:
        A row for each part and bin with somebody to be found: part, bin (categories), low, high, persons,
        labelled; and for AP, AP50, AP75, AR: AP_a, AP_b, AP_difference (b minus a), AP_low, AP_high (its
        interval; NaN where the people are in one picture), and so on.

    Raises:
        InputError: as `compare`; no such slicing or part.
    """
    find_slicing(by, PERSON_SLICINGS)
    a, b = analyse_both(annotations, results_a, results_b)
    weights = picture_weights(len(a.annotations.image_ids), resamples, seed)
    rows = []
    for part in parts:
        # Slices are of labels, so both have the same.
        for (row, of_a), (_, of_b) in zip(_rankings(a, by, part), _rankings(b, by, part), strict=True):
            samples = [resampled_if_several(ranking, weights) for ranking in (of_a, of_b)]
            row |= difference_row(*samples, level)
            rows.append(row)
    return _as_table(rows, _ABOUT, by, parts)


def _rankings(analysis: Analysis, by: str, part: str) -> Iterator[tuple[dict, Ranking]]:
    """What is known of each slice with somebody to be found, and the detections that count in it."""
    bins, low, high = cut(_person_values(analysis, by, part), find_slicing(by, PERSON_SLICINGS))
    start, pairs = match_part(analysis.pairs, part), analysis.pairs
    for code in np.unique(bins.codes[bins.codes >= 0]):
        outside = bins.codes != code  # (P,)
        ignored = start.ignored_persons.copy()
        ignored[pairs.persons[outside]] = True
        if ignored.all():
            continue
        gone = np.isin(start.detections, pairs.detections[outside & pairs.found])
        counted = ~ignored[pairs.persons]  # (P,)
        points = pairs.labelled[counted, PARTS[part]]
        row = {"part": part, "bin": bins.categories[code], "low": low[code], "high": high[code]}
        row |= {"persons": int(counted.sum()), "labelled": int(points.sum())}
        yield row, rank(change(start, ignored_persons=ignored, removed=start.removed | gone))


def _as_table(rows: list[dict], columns: Sequence[str], by: str, parts: Sequence[str]) -> pd.DataFrame:
    """Rows with part and bin as categories; without any row at least these columns."""
    labels = list(cut(np.zeros(0), find_slicing(by, PERSON_SLICINGS))[0].categories)
    table = pd.DataFrame(rows, columns=None if rows else list(columns))
    table["part"] = pd.Categorical(table["part"], categories=list(parts))
    table["bin"] = pd.Categorical(table["bin"], categories=labels, ordered=True)
    return table


def _person_values(analysis: Analysis, by: str, part: str) -> np.ndarray:
    """(P,) what the persons are cut by; the part's size for "part_size" (the body's for the whole body)."""
    pairs, truth = analysis.pairs, analysis.annotations
    if by == "size":
        return np.sqrt(pairs.areas)
    if by == "part_size":
        column = 0 if part == "wholebody" else list(PART_SLICES).index(part)
        return part_sizes(truth, pairs.persons)[:, column]
    if by == "occlusion":
        body = pairs.labelled[:, PARTS["body"]]
        hidden = body & (pairs.truth[:, PARTS["body"], 2] <= 1)
        return np.where(body.any(1), hidden.sum(1) / np.maximum(body.sum(1), 1), np.nan)
    if by == "truncation":
        return truncated(truth, pairs.persons).astype(float)
    if by == "labelled":
        return pairs.labelled.sum(1).astype(float)
    overlap, neighbours = crowding(truth, pairs.persons)
    return overlap if by == "overlap" else neighbours.astype(float)
