"""How sure a number is: bootstrap over pictures, with the matches of each picture kept.

Pictures are drawn with replacement, and AP is computed anew from their matches; since persons and detections
meet only within a picture nothing has to be matched again.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from tqdm import tqdm

from wbkit.errors import InputError
from wbkit.evaluate import STATISTICS
from wbkit.failures.analysis import Analysis, AnnotationSource, ResultSource, analyse
from wbkit.failures.precision import Ranking, average_precision, rank
from wbkit.failures.rematch import match_part
from wbkit.keypoints import PARTS
from wbkit.matching import OKS_THRESHOLDS

HAND_PARTS = ("lefthand", "righthand")


def picture_weights(pictures: int, resamples: int, seed: int = 0) -> np.ndarray:
    """How often each picture is drawn: (1 + resamples, pictures) int64; row 0 is the set as it is, all 1.

    Raises:
        InputError: a negative number of resamples.
    """
    if resamples < 0:
        raise InputError(f"{resamples} resamples", "Give 0 (no intervals) or more; 200 is usual")
    drawn = np.zeros((resamples, pictures), np.int64)
    if pictures:
        drawn[:] = np.random.default_rng(seed).multinomial(
            pictures, np.full(pictures, 1 / pictures), resamples
        )
    return np.concatenate([np.ones((1, pictures), np.int64), drawn])


def resampled(ranking: Ranking, weights: np.ndarray) -> np.ndarray:
    """AP, AP50, AP75, AR of each row of weights: (R, I) -> (R, 4)."""
    at_75 = int(np.flatnonzero(OKS_THRESHOLDS == 0.75)[0])
    rows = []
    for weight in weights:
        ap, ar = average_precision(ranking, weight)
        rows.append((ap.mean(), ap[0], ap[at_75], ar.mean()))
    return np.array(rows).reshape(-1, 4)


def resampled_if_several(ranking: Ranking, weights: np.ndarray) -> np.ndarray:
    """`resampled`, but NaN after row 0 where everybody to be found is in one picture.

    From one picture nothing follows about others: drawn again it says the same, which is no certainty.
    """
    samples = resampled(ranking, weights)
    if (ranking.wanted > 0).sum() < 2:
        samples[1:] = np.nan
    return samples


def interval(samples: np.ndarray, level: float = 0.95) -> tuple[np.ndarray, np.ndarray]:
    """Percentile interval of resampled values: (R, ...) -> (...) low, (...) high; NaN if R is 0.

    Resamples without a value (nobody to be found in the drawn pictures) are left out.

    Raises:
        InputError: the level is not between 0 and 1.
    """
    if not 0 < level < 1:
        raise InputError(f"a level of {level}", "Give a share between 0 and 1, such as 0.95")
    tail = 100 * (1 - level) / 2
    samples = np.asarray(samples, float)
    flat = samples.reshape(len(samples), int(np.prod(samples.shape[1:])))  # (R, n)
    low, high = np.full(flat.shape[1], np.nan), np.full(flat.shape[1], np.nan)
    for column, values in enumerate(flat.T):
        if (known := values[~np.isnan(values)]).size:
            low[column], high[column] = np.percentile(known, [tail, 100 - tail])
    return low.reshape(samples.shape[1:])[()], high.reshape(samples.shape[1:])[()]


def simultaneous_reach(
    gains: np.ndarray, counts: np.ndarray, weights: np.ndarray, level: float
) -> np.ndarray:
    """How far intervals of n means must reach to hold all together: max-|t| over the same resamples.

    In every resample each mean's distance from its value is divided by its standard error in that resample,
    and the largest of the n quotients is noted; their `level` quantile times its standard error is how far a
    mean's interval reaches. The error in a resample counts as half of that of all pictures at least: one
    that drew a few like pictures only would seem infinitely sure.

    Args:
        gains, counts: (I, n) sums and how many were added up, in each picture.
        weights: (R, I) resamples, without the set as it is. level: share of resamples in all intervals.

    Returns:
        (n,) half widths; 0 where all pictures say the same; NaN without resamples or values.
    """
    gains, counts, weights = (np.asarray(x, float) for x in (gains, counts, weights))
    total = counts.sum(0)
    middle = np.where(total > 0, gains.sum(0) / np.maximum(total, 1), np.nan)
    error = np.sqrt(((gains - middle * counts) ** 2).sum(0)) / np.maximum(total, 1)  # (n,)
    moves = error > 1e-12  # beyond rounding
    if not len(weights) or not moves.any():
        return np.where(len(weights) > 0, error, np.nan)
    gains, counts, middle, least = gains[:, moves], counts[:, moves], middle[moves], error[moves] / 2
    drawn = weights @ counts  # (R, n)
    mean = weights @ gains / np.maximum(drawn, 1)
    squares = weights @ gains**2 - 2 * mean * (weights @ (gains * counts)) + mean**2 * (weights @ counts**2)
    own_error = np.sqrt(np.maximum(squares, 0)) / np.maximum(drawn, 1)
    distance = np.where(drawn > 0, np.abs(mean - middle) / np.maximum(own_error, least), 0)
    return np.quantile(distance.max(1), level) * error


def part_samples(analysis: Analysis, weights: np.ndarray, *, progress: bool = False) -> dict[str, np.ndarray]:
    """AP, AP50, AP75, AR of the six parts and of "hand" (the mean of both) in each row of weights.

    Returns:
        part -> (R, 4), as `resampled_if_several` gives them.
    """
    parts = tqdm(PARTS, desc="resampling", unit="part", disable=not progress)
    samples = {part: resampled_if_several(rank(match_part(analysis.pairs, part)), weights) for part in parts}
    return samples | {"hand": (samples[HAND_PARTS[0]] + samples[HAND_PARTS[1]]) / 2}


def ap_intervals(
    annotations: AnnotationSource | Analysis,
    results: ResultSource | None = None,
    *,
    resamples: int = 200,
    level: float = 0.95,
    seed: int = 0,
    progress: bool = False,
) -> pd.DataFrame:
    """AP and AR per part with bootstrap intervals over pictures.

    Args:
        resamples: how often the pictures are drawn. level: share of the resamples within the interval.
        seed: of the drawing; the same seed gives the same table.
        progress: show a bar.

    Returns:
        Rows the six parts and "hand"; columns AP, AP_low, AP_high, and so for AP50, AP75 and AR. AP, AP50,
        AP75 and AR are those of `per_part_table`, over all person sizes. Ends are NaN without resamples, and
        where all to be found are in one picture.

    Raises:
        InputError: as `analyse`, or a bad number of resamples or level.
    """
    analysis = analyse(annotations, results)
    weights = picture_weights(len(analysis.annotations.image_ids), resamples, seed)
    names = [name for name in STATISTICS if name in ("AP", "AP50", "AP75", "AR")]
    rows = {}
    for part, samples in part_samples(analysis, weights, progress=progress).items():
        low, high = interval(samples[1:], level)
        columns = zip(names, samples[0], low, high, strict=True)
        rows[part] = {
            n + end: x for n, *xs in columns for end, x in zip(("", "_low", "_high"), xs, strict=True)
        }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("part")
