"""Summaries that plots draw: per keypoint, confusions, clouds of errors, steps of AP, curves."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from wbkit.errors import InputError
from wbkit.evaluate import RECALLS, precision_recall
from wbkit.failures.analysis import Analysis, AnnotationSource, ResultSource, analyse
from wbkit.failures.classes import GOOD_SIMILARITY, NEAR_SIMILARITY, PART_SLICES
from wbkit.failures.cost import BASELINE
from wbkit.failures.table import PART_OF
from wbkit.keypoints import KEYPOINTS, PARTS, SIGMAS
from wbkit.matching import OKS_THRESHOLDS, match


def keypoint_summary(table: pd.DataFrame) -> pd.DataFrame:
    """Each of the 133 keypoints in a row: how often it is found, how far off it is, and what goes wrong most.

    Args:
        table: of `keypoint_table`, or any rows of it.

    Returns:
        Index `keypoint`, all 133 in their order. Columns: part; labelled (how many); found (share with a
        prediction); error_px, error_person, error_part (medians over the found); similarity (mean ks, 0
        for missed persons and parts left out), similarity_part (the same by the part's own size); good
        (share); worst_cause (the most frequent that is not good, "" for none), worst_cause_share. NaN
        without labels.
    """
    labelled = table[table["v"] > 0]
    names = labelled["keypoint"]
    missed = labelled["error_px"].isna().to_numpy()  # the person, or the part left out
    own = labelled[["error_px", "error_person", "error_part"]].groupby(names, observed=False).median()
    ks = labelled["similarity"].mask(missed, 0.0)
    sized = labelled["similarity_part"].mask(missed & labelled["part_size"].notna().to_numpy(), 0.0)
    columns = {
        "labelled": names.groupby(names, observed=False).size(),
        "found": (~pd.Series(missed, labelled.index)).groupby(names, observed=False).mean(),
        **{name: own[name] for name in own},
        "similarity": ks.groupby(names, observed=False).mean(),
        "similarity_part": sized.groupby(names, observed=False).mean(),
        "good": (labelled["cause"] == "good").groupby(names, observed=False).mean(),
    }
    summary = pd.DataFrame(columns).reindex(list(KEYPOINTS)).rename_axis("keypoint")
    summary.insert(0, "part", pd.Categorical.from_codes(PART_OF, categories=list(PART_SLICES)))
    wrong = labelled[labelled["cause"] != "good"]
    counts = wrong.groupby(["keypoint", "cause"], observed=True).size().rename("count").reset_index()
    counts = counts.sort_values("count", ascending=False, kind="stable").drop_duplicates("keypoint")
    most = counts.astype({"keypoint": str, "cause": str}).set_index("keypoint").reindex(list(KEYPOINTS))
    summary["worst_cause"] = most["cause"].fillna("").to_numpy()
    share = most["count"].fillna(0) / summary["labelled"]
    return summary.assign(worst_cause_share=share.where(summary["labelled"] > 0))


def confusion_table(table: pd.DataFrame) -> pd.DataFrame:
    """Which keypoint was predicted where which other one is, most frequent first.

    Args:
        table: of `keypoint_table`, or any rows of it.

    Returns:
        Columns: part, keypoint, confused_keypoint (the one that the point lies on), whose ("own" or
        "other" person's), cause (inversion, hand_swap, swap or wrong_finger), count, labelled (of
        `keypoint`), share (count by labelled).
    """
    labelled = table[table["v"] > 0]
    rows = labelled[labelled["confused_keypoint"].notna()]
    whose = np.where(rows["confused_person_id"] >= 0, "other", "own")
    keys = ["part", "keypoint", "confused_keypoint", "whose", "cause"]
    counts = rows.assign(whose=whose).groupby(keys, observed=True).size().rename("count").reset_index()
    counts = counts.sort_values("count", ascending=False, kind="stable", ignore_index=True)
    total = labelled.groupby("keypoint", observed=False).size()
    of = total.reindex(counts["keypoint"]).to_numpy()
    return counts.assign(labelled=of, share=counts["count"] / of)


def cloud_table(table: pd.DataFrame, keypoints: Sequence[str] | None = None) -> pd.DataFrame:
    """The cloud of a keypoint's errors: where its middle lies, its width, how much lies within the circles.

    Errors are vectors from the label to the prediction by the square root of the person's area, x to the
    right and y down. A similarity of ks is reached at the distance 2 sigma sqrt(-2 ln ks).

    Args:
        table: of `keypoint_table`. keypoints: which; None: all that have predictions.

    Returns:
        Index `keypoint`; columns: count (labelled and predicted), median_x, median_y, mean_x, mean_y, std_x,
        std_y, good_radius (ks .85), near_radius (ks .5), within_good, within_near (shares).

    Raises:
        InputError: an unknown keypoint.
    """
    used = table[(table["v"] > 0) & table["error_px"].notna() & (table["person_area"] > 0)]
    for name in keypoints or ():
        if name not in KEYPOINTS:
            raise InputError(f"there is no keypoint {name!r}", "See wbkit.keypoints.KEYPOINTS")
    x, y = error_vectors(used).T
    data = pd.DataFrame({"keypoint": used["keypoint"], "x": x, "y": y, "ks": used["similarity"]})
    grouped = data.groupby("keypoint", observed=True)
    columns = {f"{how}_{axis}": (axis, how) for how in ("median", "mean", "std") for axis in "xy"}
    rows = grouped.agg(count=("x", "size"), **columns)
    rows = rows.reindex(list(keypoints) if keypoints is not None else list(rows.index)).rename_axis(
        "keypoint"
    )
    sigmas = SIGMAS[[KEYPOINTS.index(name) for name in rows.index]]
    for name, ks in (("good", GOOD_SIMILARITY), ("near", NEAR_SIMILARITY)):
        rows[f"{name}_radius"] = 2 * sigmas * np.sqrt(-2 * np.log(ks))
    rows["within_good"] = (data["ks"] >= GOOD_SIMILARITY).groupby(data["keypoint"], observed=True).mean()
    rows["within_near"] = (data["ks"] >= NEAR_SIMILARITY).groupby(data["keypoint"], observed=True).mean()
    return rows.assign(count=rows["count"].fillna(0).astype(int))


def error_vectors(rows: pd.DataFrame) -> np.ndarray:
    """(n, 2) from the label to the prediction, by the square root of the person's area; x right, y down."""
    offsets = rows[["x_pred", "y_pred"]].to_numpy(np.float64) - rows[["x", "y"]].to_numpy(np.float64)
    return offsets / np.sqrt(rows["person_area"].to_numpy(np.float64))[:, None]


def waterfall_table(
    costs: pd.DataFrame, part: str = "wholebody", *, smallest: float = 0.0005
) -> pd.DataFrame:
    """From the measured AP to the AP with everything repaired, step by step.

    Args:
        costs: of `ap_cost`. part: one of its parts.
        smallest: steps that change AP by less are put together in one last row.

    Returns:
        Rows "measured", the repairs in their cumulative order, and "other" if any were put together.
        Columns: step, start, end (AP before and after), gain (the difference), alone (AP_cost), concerned,
        names (the repairs in this row), and with intervals end_low, end_high (of the AP reached) and
        gain_low, gain_high (of the step). The last end is the AP with all repairs.

    Raises:
        InputError: there is no such part.
    """
    rows = costs[costs["part"] == part].set_index("repair")
    if rows.empty:
        raise InputError(f"there is no part {part!r}", f"Choose one of {', '.join(costs['part'].unique())}")
    measured = float(rows.loc[BASELINE, "AP"])
    table = [{"step": "measured", "start": 0.0, "end": measured, "gain": measured, "names": "measured"}]
    table[0] |= _reached(rows.loc[BASELINE])
    steps = rows.drop(index=BASELINE)
    small = steps["AP_step"].abs() < smallest
    level = measured
    for name, row in steps[~small].iterrows():
        line = {"step": name, "start": level, "end": level + row["AP_step"], "gain": row["AP_step"]}
        line |= {"alone": row["AP_cost"], "concerned": row["concerned"], "names": name}
        if "AP_step_low" in row:
            line |= {"gain_low": row["AP_step_low"], "gain_high": row["AP_step_high"], **_reached(row)}
        table.append(line)
        level = line["end"]
    if small.any():
        gain = steps.loc[small, "AP_step"].sum()
        line = {"step": "other", "start": level, "end": level + gain, "gain": gain}
        line |= {"names": ", ".join(steps.index[small].astype(str)), **_reached(steps.iloc[-1])}
        table.append(line)
    return pd.DataFrame(table)


def _reached(row: pd.Series) -> dict[str, float]:
    """The interval of the AP reached with a repair and all before it, if there is one."""
    if "AP_cumulative_low" not in row:
        return {}
    return {"end_low": row["AP_cumulative_low"], "end_high": row["AP_cumulative_high"]}


def precision_recall_table(
    annotations: AnnotationSource | Analysis,
    results: ResultSource | None = None,
    *,
    thresholds: Sequence[float] = (0.5, 0.75, 0.9),
) -> pd.DataFrame:
    """The curves of precision over recall of each part at chosen OKS thresholds.

    Returns:
        Columns part (category), threshold, recall (0, .01 ... 1), precision (the highest at this recall or
        more; the mean over recall is the AP at this threshold). Parts with nobody to be found are left out.

    Raises:
        InputError: as `analyse`, or a threshold that is not one of .50, .55 ... .95.
    """
    known = OKS_THRESHOLDS.round(2)
    for threshold in thresholds:
        if round(threshold, 2) not in known:
            raise InputError(f"there is no OKS threshold {threshold}", "Choose from .50, .55 ... .95")
    analysis = analyse(annotations, results)
    rows = []
    for part in PARTS:
        precision = precision_recall(match(analysis.annotations, analysis.results, part))[0]  # (T, 101)
        for threshold in thresholds:
            curve = precision[int(np.flatnonzero(known == round(threshold, 2))[0])]
            if not np.isnan(curve).any():
                line = {"part": part, "threshold": threshold, "recall": RECALLS, "precision": curve}
                rows.append(pd.DataFrame(line))
    empty = pd.DataFrame(columns=["part", "threshold", "recall", "precision"])
    table = pd.concat(rows, ignore_index=True) if rows else empty
    return table.assign(part=pd.Categorical(table["part"], categories=list(PARTS)))
