"""What each kind of error costs: the AP and AR that a results file would gain without it, per part.

Ronchi & Perona (ICCV 2017), section 4, and TIDE (Bolya et al., ECCV 2020): repair one kind of error with an
oracle and evaluate again. Alone, from the baseline, says what a cure would bring today; cumulative, in a
fixed order, adds up to the whole gap.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd
from tqdm import tqdm

from wbkit.failures.analysis import Analysis, AnnotationSource, ResultSource, analyse
from wbkit.failures.intervals import HAND_PARTS, interval, picture_weights, resampled, resampled_if_several
from wbkit.failures.precision import rank
from wbkit.failures.rematch import match_part
from wbkit.failures.repairs import REPAIRS, Workshop, concerned, open_workshop, repair
from wbkit.keypoints import PARTS

BASELINE = "none"
_STEPS = (BASELINE, *REPAIRS)
_AP, _AR = 0, 3  # columns of `resampled`


def ap_cost(
    annotations: AnnotationSource | Analysis,
    results: ResultSource | None = None,
    *,
    target: str = "truth",
    resamples: int = 0,
    level: float = 0.95,
    seed: int = 0,
    progress: bool = False,
) -> pd.DataFrame:
    """AP and AR per part after each oracle repair, alone and cumulative.

    Args:
        target: where repaired points go, "truth" (onto the label; everything repaired is then AP 1) or
            "margin" (Ronchi & Perona's: only as near as the next class); see `TARGETS`.
        resamples: bootstrap resamples over pictures; 0 for no intervals.
        level: share of the resamples within the intervals. seed: of the drawing.
        progress: show a bar.

    Returns:
        A row for each of the six parts and "hand" (the mean of both) and each repair: "none", then
        `REPAIRS` in their order. Columns: part, repair (categories); concerned (how many labelled points,
        detections or persons of the part the repair concerns; for "scoring" all detections); AP, AR (with
        this repair alone); AP_cost, AR_cost (what they gain over "none"); AP_cumulative, AR_cumulative
        (with this and all repairs before it); AP_step, AR_step (what the last one added). With resamples also
        AP_cost_low, AP_cost_high, and so for AR_cost, AP_step, AR_step, AP and AR; the pictures drawn are
        the same for all rows. NaN where nobody is to be found; 1 where nobody is left to be found because
        a repair ("person_missed") took away all there were.

    Raises:
        InputError: as `analyse`; no such target; bad numbers.
    """
    analysis = analyse(annotations, results)
    weights = picture_weights(len(analysis.annotations.image_ids), resamples, seed)
    workshop = open_workshop(analysis, target)
    parts = {}
    with tqdm(total=len(PARTS) * len(_STEPS), desc="repairs", unit="repair", disable=not progress) as bar:
        for part in PARTS:
            rows = []
            for row in _part_rows(workshop, part, weights):
                rows.append(row)
                bar.update()
            counts, alone, cumulative = zip(*rows, strict=True)
            parts[part] = (np.array(counts), np.stack(alone), np.stack(cumulative))
    hands = [parts[hand] for hand in HAND_PARTS]
    parts["hand"] = (
        hands[0][0] + hands[1][0],
        *((a + b) / 2 for a, b in zip(*(h[1:] for h in hands), strict=True)),
    )
    return pd.concat([_rows(part, *values, level) for part, values in parts.items()], ignore_index=True)


def _part_rows(
    workshop: Workshop, part: str, weights: np.ndarray
) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
    """For each step: how many it concerns, and AP, AP50, AP75, AR (R, 4) alone and cumulative."""
    start = match_part(workshop.analysis.pairs, part)
    baseline = resampled_if_several(rank(start), weights)
    yield 0, baseline, baseline
    matching, cumulative = start, baseline
    for index, name in enumerate(REPAIRS):
        repaired = repair(workshop, start, name)
        before, matching = matching, repair(workshop, matching, name, REPAIRS[:index])
        alone = baseline if repaired is start else _closed(resampled(rank(repaired), weights), baseline)
        if matching is not before:
            again = before is not start
            cumulative = _closed(resampled(rank(matching), weights), baseline) if again else alone
        yield concerned(workshop, start, name), alone, cumulative


def _closed(repaired: np.ndarray, baseline: np.ndarray) -> np.ndarray:
    """1 where a repair left nobody to be found, though there was somebody: then no gap is left."""
    return np.where(np.isnan(baseline), np.nan, np.where(np.isnan(repaired), 1.0, repaired))


def _rows(
    part: str, counts: np.ndarray, alone: np.ndarray, cumulative: np.ndarray, level: float
) -> pd.DataFrame:
    """One part's rows from samples (steps, R, 4), of which the first of R is the set as it is."""
    names = [*PARTS, "hand"]
    steps = len(_STEPS)
    columns = {
        "part": pd.Categorical([part] * steps, categories=names),
        "repair": pd.Categorical(_STEPS, categories=list(_STEPS)),
        "concerned": counts,
    }
    before = np.concatenate([cumulative[:1], cumulative[:-1]])
    samples = {}
    for name, column in (("AP", _AP), ("AR", _AR)):
        samples[name] = alone[..., column]  # (steps, R)
        samples[f"{name}_cost"] = (alone - alone[:1])[..., column]
        samples[f"{name}_cumulative"] = cumulative[..., column]
        samples[f"{name}_step"] = (cumulative - before)[..., column]
    columns |= {name: values[:, 0] for name, values in samples.items()}
    if alone.shape[1] > 1:
        for name, values in samples.items():
            columns[f"{name}_low"], columns[f"{name}_high"] = interval(values[:, 1:].T, level)
    return pd.DataFrame(columns)
