"""Two models on the same labels: what the second fixed and what it broke, with paired intervals."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
import pandas as pd

from wbkit.columns import Annotations
from wbkit.errors import InputError
from wbkit.failures.analysis import Analysis, AnnotationSource, ResultSource, analyse
from wbkit.failures.classes import CAUSES, CODES, LABELLED_CAUSES, PART_SLICES
from wbkit.failures.intervals import interval, part_samples, picture_weights, simultaneous_reach
from wbkit.failures.table import PART_OF
from wbkit.keypoints import KEYPOINTS, NUM_KEYPOINTS

_STATISTICS = ("AP", "AP50", "AP75", "AR")  # columns of `part_samples`


@dataclass(frozen=True, eq=False)
class Comparison:
    """What `compare` found, as tables.

    Attributes:
        parts: rows the six parts and "hand"; for AP, AP50, AP75, AR: the columns AP_a, AP_b,
            AP_difference (b minus a), AP_low, AP_high (its interval; NaN where all are in one picture), and
            so on.
        keypoints: rows the 133 names; part, labelled, similarity_a, similarity_b (mean ks over labelled
            keypoints, 0 for missed persons), difference; low, high (its interval, each keypoint by itself),
            low_all, high_all (intervals that hold for all keypoints together: only one of these that leaves
            out 0 says that a keypoint picked from the 133 changed); good_a, good_b (shares), fixed (share of
            labelled keypoints that are good only in b), broken (only in a).
        changes: part, cause_a, cause_b (categories), count: how many labelled keypoints went from which
            cause to which; only pairs that occur.
        rows: a row for each labelled keypoint whose cause differs: image_id, person_id, person, part,
            keypoint, cause_a, cause_b, similarity_a, similarity_b (0 for missed persons), change (b minus a);
            largest gains first. Missed persons' keypoints included.
        resamples: how many the intervals come from. level: the share of these within an interval.
    """

    parts: pd.DataFrame
    keypoints: pd.DataFrame
    changes: pd.DataFrame
    rows: pd.DataFrame
    resamples: int = 0
    level: float = 0.95


def compare(
    annotations: AnnotationSource | Analysis,
    results_a: ResultSource | Analysis,
    results_b: ResultSource | Analysis | None = None,
    *,
    resamples: int = 200,
    level: float = 0.95,
    seed: int = 0,
    progress: bool = False,
) -> Comparison:
    """Compare two results files on the same labels.

    Called as `compare(annotations, results_a, results_b)` or `compare(analysis_a, analysis_b)`. Differences
    are paired: in each resample both models are evaluated on the same pictures, so that what is hard for
    both cancels.

    Args:
        resamples: bootstrap resamples over pictures; 0 leaves intervals NaN. level, seed: of these.

    Raises:
        InputError: as `analyse`; the two were analysed on different labels; bad numbers.
    """
    a, b = analyse_both(annotations, results_a, results_b)
    weights = picture_weights(len(a.annotations.image_ids), resamples, seed)
    samples = [part_samples(x, weights, progress=progress) for x in (a, b)]
    parts = {part: difference_row(samples[0][part], samples[1][part], level) for part in samples[0]}
    return Comparison(
        pd.DataFrame.from_dict(parts, orient="index").rename_axis("part"),
        _keypoints(a, b, weights, level),
        _changes(a, b),
        _rows(a, b),
        resamples,
        level,
    )


def analyse_both(
    annotations: AnnotationSource | Analysis,
    results_a: ResultSource | Analysis,
    results_b: ResultSource | Analysis | None,
) -> tuple[Analysis, Analysis]:
    """The two analyses of `compare`'s arguments; InputError where they are of different labels."""
    if isinstance(annotations, Analysis):
        a, b = annotations, results_a if results_b is None else results_b
    elif results_b is None:
        raise InputError("the second results are missing", "Give annotations, results_a and results_b")
    else:
        a, b = (analyse(annotations, r) if not isinstance(r, Analysis) else r for r in (results_a, results_b))
    b = b if isinstance(b, Analysis) else analyse(a.annotations, b)
    columns = [f.name for f in fields(Annotations) if f.name not in ("source", "file_names")]
    same = a.annotations is b.annotations or all(
        np.array_equal(getattr(a.annotations, name), getattr(b.annotations, name)) for name in columns
    )
    if not same:
        raise InputError("the two results belong to different labels", "Analyse both on the same annotations")
    return a, b


def difference_row(a: np.ndarray, b: np.ndarray, level: float) -> dict[str, float]:
    """(R, 4) samples of one part in both results, row 0 all pictures -> the columns of `Comparison.parts`."""
    low, high = interval((b - a)[1:], level)
    row = {}
    for i, name in enumerate(_STATISTICS):
        ends = {"a": a[0, i], "b": b[0, i], "difference": b[0, i] - a[0, i], "low": low[i], "high": high[i]}
        row |= {f"{name}_{end}": value for end, value in ends.items()}
    return row


def _similarity(analysis: Analysis) -> np.ndarray:
    """(P, 133) ks; 0 for labelled keypoints of missed persons and for parts left out, NaN without label."""
    pairs = analysis.pairs
    absent = analysis.classes.causes == CODES["not_predicted"]
    ks = np.where(np.isnan(pairs.similarity) | absent, 0.0, pairs.similarity)
    return np.where(pairs.labelled, ks, np.nan)


def _keypoints(a: Analysis, b: Analysis, weights: np.ndarray, level: float) -> pd.DataFrame:
    labelled = a.pairs.labelled
    image_ids = np.sort(a.annotations.image_ids)
    picture = np.searchsorted(image_ids, a.annotations.person_image_ids[a.pairs.persons])  # (P,)
    ks = [np.nan_to_num(_similarity(x)) for x in (a, b)]
    good = [(x.classes.causes == CODES["good"]) & labelled for x in (a, b)]
    count = labelled.sum(0)

    def by_picture(values: np.ndarray) -> np.ndarray:
        total = np.zeros((len(image_ids), NUM_KEYPOINTS))
        np.add.at(total, picture, values)
        return total

    def mean(values: np.ndarray) -> np.ndarray:
        return np.where(count > 0, values.sum(0) / np.maximum(count, 1), np.nan)

    intervals = mean_intervals(by_picture(ks[1] - ks[0]), by_picture(labelled), weights, level)
    columns = {
        "part": np.array(list(PART_SLICES))[PART_OF],
        "labelled": count,
        "similarity_a": mean(ks[0]),
        "similarity_b": mean(ks[1]),
        "difference": mean(ks[1] - ks[0]),
        **intervals,
        "good_a": mean(good[0]),
        "good_b": mean(good[1]),
        "fixed": mean(good[1] & ~good[0]),
        "broken": mean(good[0] & ~good[1]),
    }
    return pd.DataFrame(columns, index=pd.Index(KEYPOINTS, name="keypoint"))


def mean_intervals(
    gains: np.ndarray, counts: np.ndarray, weights: np.ndarray, level: float
) -> dict[str, np.ndarray]:
    """Intervals of n means over pictures, each by itself and all together.

    Args:
        gains, counts: (I, n) sums and how many were added up, in each picture. weights: of `picture_weights`.

    Returns:
        low, high (percentiles), low_all, high_all (`simultaneous_reach`, never narrower): (n,); NaN without
        resamples, and where everything lies in one picture, from which nothing follows about others.
    """
    drawn = weights[1:] @ counts.astype(float)  # (R, n)
    several = (counts > 0).sum(0) > 1
    known = several & (drawn > 0)
    low, high = interval(np.where(known, weights[1:] @ gains / np.maximum(drawn, 1), np.nan), level)
    middle = gains.sum(0) / np.maximum(counts.sum(0), 1)
    reach = simultaneous_reach(gains[:, several], counts[:, several], weights[1:], level)
    low_all, high_all = np.full(len(middle), np.nan), np.full(len(middle), np.nan)
    low_all[several] = np.fmin(low[several], middle[several] - reach)
    high_all[several] = np.fmax(high[several], middle[several] + reach)
    return {"low": low, "high": high, "low_all": low_all, "high_all": high_all}


def _changes(a: Analysis, b: Analysis) -> pd.DataFrame:
    labelled = a.pairs.labelled
    part = np.broadcast_to(PART_OF, labelled.shape)[labelled]
    codes = [x.classes.causes[labelled].astype(np.int64) for x in (a, b)]
    size = (len(PART_SLICES), len(CAUSES), len(CAUSES))
    counts = np.bincount(np.ravel_multi_index((part, *codes), size), minlength=int(np.prod(size))).reshape(
        size
    )
    where = np.nonzero(counts)
    names = list(LABELLED_CAUSES)
    columns = {"part": pd.Categorical.from_codes(where[0], categories=list(PART_SLICES))}
    for column, found in (("cause_a", where[1]), ("cause_b", where[2])):
        columns[column] = pd.Categorical(np.array(CAUSES)[found], categories=names)
    return pd.DataFrame(columns | {"count": counts[where]})


def _rows(a: Analysis, b: Analysis) -> pd.DataFrame:
    pairs = a.pairs
    row, point = np.nonzero(pairs.labelled & (a.classes.causes != b.classes.causes))
    ks = [_similarity(x)[row, point] for x in (a, b)]
    order = np.argsort(ks[0] - ks[1], kind="stable")
    row, point, ks = row[order], point[order], [k[order] for k in ks]
    persons = pairs.persons[row]
    columns = {
        "image_id": pairs.annotations.person_image_ids[persons],
        "person_id": pairs.annotations.ids[persons],
        "person": persons,
        "part": pd.Categorical.from_codes(PART_OF[point], categories=list(PART_SLICES)),
        "keypoint": pd.Categorical.from_codes(point, categories=list(KEYPOINTS)),
    }
    for name, x in (("cause_a", a), ("cause_b", b)):
        causes = np.array(CAUSES)[x.classes.causes[row, point]]
        columns[name] = pd.Categorical(causes, categories=list(LABELLED_CAUSES))
    return pd.DataFrame(columns | {"similarity_a": ks[0], "similarity_b": ks[1], "change": ks[1] - ks[0]})
