"""All tables of a failure analysis, each with what it says in one sentence."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pandas as pd
from tqdm import tqdm

from wbkit.evaluate import per_part_table
from wbkit.failures import (
    CONFUSION_PARTS,
    PERSON_SLICINGS,
    SLICINGS,
    Analysis,
    ap_cost,
    ap_intervals,
    cause_table,
    chance_rates,
    class_table,
    cloud_table,
    compare,
    confusion_matrix,
    confusion_table,
    detection_table,
    expected_calibration_error,
    hallucination_table,
    instance_calibration,
    keypoint_calibration,
    keypoint_summary,
    keypoint_table,
    person_table,
    precision_recall_table,
    sensitivity,
    sensitivity_change,
    slice_table,
    verdict_table,
    waterfall_table,
    worst,
)
from wbkit.keypoints import PARTS

WORST = 24
"""So many persons and keypoints stand in the ranked lists."""
COMPARED = 100
"""Least resamples for the difference of two results: without an interval it says little."""
MEANINGS: dict[str, str] = {
    "classes": "Every class: definition and formula.",
    "parts": "AP and AR of each part, as the official evaluation has them.",
    "intervals": "AP and AR of each part with bootstrap intervals over pictures.",
    "causes": "Share of the labelled keypoints with each cause, by part.",
    "chance": "Share of each cause if errors kept their lengths and had random directions, by part.",
    "causes_ronchi": "The same in the five classes of Ronchi & Perona.",
    "costs": "AP and AR that each cause costs, repaired alone and one after the other, by part.",
    "waterfall": "The steps from the measured AP to 1, by part.",
    "keypoint_summary": "Each of the 133 keypoints: errors, similarity, the most frequent cause.",
    "confusions": "Which keypoint was predicted where which other one is.",
    "confusion_matrices": "The squares of confusions within each part, a row for each field that is not 0.",
    "clouds": "Middle and width of each keypoint's errors by the square root of the person's area.",
    "precision_recall": "Precision over recall of each part at OKS .50, .75 and .90.",
    "slices": "Errors by size, part size, visibility, occlusion, truncation, crowding, labels and score.",
    "sensitivity": "AP and AR of the people in each slice; people and labelled keypoints of each part.",
    "calibration_keypoints": "Reliability of keypoint scores: a point is right from ks .5 on.",
    "calibration_persons": "Reliability of persons' scores: what they should be is the OKS.",
    "calibration_errors": "Expected calibration error of each part and of persons.",
    "persons": "Every labelled person: found or missed, OKS by part, duplicates, scoring errors.",
    "detections": "Every detection: assigned, duplicate, background, ignored or not evaluated.",
    "verdicts": "How many detections are what.",
    "hallucinations": "Parts that are predicted where nothing of them is labelled.",
    "worst_persons": "The found persons with the lowest mean keypoint similarity.",
    "worst_keypoints": "The most confident errors.",
    "comparison_parts": "AP and AR of both results, their difference, and its interval.",
    "comparison_slices": "AP and AR of the people in each slice in both, their difference, its interval.",
    "comparison_keypoints": "Mean similarity of each keypoint in both; intervals (low, high: of each by "
    "itself; low_all, high_all: of all together); the shares fixed and broken.",
    "comparison_changes": "How many labelled keypoints went from which cause to which.",
    "comparison_rows": "Every labelled keypoint whose cause differs.",
    "keypoints": "One row for every keypoint of every labelled person.",
}
"""Name of each table (and of its file) -> what it says."""


@dataclass(frozen=True, eq=False)
class Findings:
    """An analysis and all its tables.

    Attributes:
        analysis: of the (first) results. other: of the second ones, or None.
        keypoints: of `keypoint_table`.
        tables: name -> table, in the order and with the meaning of `MEANINGS`; all but `keypoints`.
        target: where repaired points went, of `wbkit.failures.repairs.TARGETS`.
        resamples: behind the intervals, 0 for none. compared: behind those of the comparison.
    """

    analysis: Analysis
    other: Analysis | None
    keypoints: pd.DataFrame
    tables: dict[str, pd.DataFrame]
    target: str = "truth"
    resamples: int = 0
    compared: int = 0


def collect(
    analysis: Analysis,
    other: Analysis | None = None,
    *,
    intervals: int = 0,
    target: str = "truth",
    progress: bool = False,
) -> Findings:
    """Make every table.

    Args:
        analysis, other: of one or two results files on the same labels.
        intervals: bootstrap resamples for intervals; 0 for none, except that a comparison has `COMPARED`.
        target: where repaired points go, "truth" or "margin"; see `ap_cost`.
        progress: show bars.

    Raises:
        InputError: the two were analysed on different labels; a negative number of resamples; no such target.
    """
    keypoints = keypoint_table(analysis)
    options = {"resamples": intervals, "progress": progress}
    tables = {"classes": class_table(), "parts": per_part_table(analysis.annotations, analysis.results)}
    if intervals:
        tables["intervals"] = ap_intervals(analysis, **options)
    tables |= {
        "causes": cause_table(keypoints),
        "chance": chance_rates(analysis),
        "causes_ronchi": cause_table(keypoints, column="ronchi"),
    }
    tables["costs"] = ap_cost(analysis, target=target, **options).assign(target=target)
    steps = [
        waterfall_table(tables["costs"], p).assign(part=p) for p in (*PARTS, "hand") if _known(tables, p)
    ]
    tables["waterfall"] = pd.concat(steps, ignore_index=True)
    tables |= _about_keypoints(keypoints)
    tables["precision_recall"] = precision_recall_table(analysis)
    tables |= _cut(analysis, keypoints, intervals, progress)
    tables |= _scores(analysis, keypoints)
    tables |= _people(analysis, keypoints)
    compared = max(intervals, COMPARED) if other is not None else 0
    if other is not None:
        found = compare(analysis, other, resamples=compared, progress=progress)
        names = ("parts", "keypoints", "changes", "rows")
        tables |= {f"comparison_{name}": getattr(found, name) for name in names}
        tables["comparison_slices"] = _sliced_changes(analysis, other, compared, progress)
    ordered = {name: tables[name] for name in MEANINGS if name in tables}
    return Findings(analysis, other, keypoints, ordered, target, intervals, compared)


def _known(tables: dict[str, pd.DataFrame], part: str) -> bool:
    """Whether there is anybody to be found in a part."""
    return bool(tables["parts"].loc[part].notna()["AP"])


def _about_keypoints(keypoints: pd.DataFrame) -> dict[str, pd.DataFrame]:
    return {
        "keypoint_summary": keypoint_summary(keypoints),
        "confusions": confusion_table(keypoints),
        "confusion_matrices": pd.concat(_squares(keypoints), ignore_index=True),
        "clouds": cloud_table(keypoints),
    }


def _squares(keypoints: pd.DataFrame) -> Iterator[pd.DataFrame]:
    """The confusions of each part, a row for each pair of keypoints that occurs."""
    for part in CONFUSION_PARTS:
        square = confusion_matrix(keypoints, part)
        rows = square.reset_index().melt(["keypoint", "labelled"], var_name="lies_on", value_name="count")
        yield rows[rows["count"] > 0].assign(part=part)


def _cut(
    analysis: Analysis, keypoints: pd.DataFrame, intervals: int, progress: bool
) -> dict[str, pd.DataFrame]:
    """Slices of keypoints and of persons, each kind below the other with its name in the column `by`."""
    slices, curves = [], []
    for by in tqdm(SLICINGS, desc="slices", unit="slicing", disable=not progress):
        slices.append(slice_table(keypoints, by, resamples=intervals).astype({"bin": str}).assign(by=by))
        if by in PERSON_SLICINGS:
            found = sensitivity(analysis, by=by, resamples=intervals)
            curves.append(found.astype({"bin": str}).assign(by=by))
    return {
        name: pd.concat(rows, ignore_index=True).set_index("by").reset_index()
        for name, rows in (("slices", slices), ("sensitivity", curves))
    }


def _sliced_changes(analysis: Analysis, other: Analysis, resamples: int, progress: bool) -> pd.DataFrame:
    """For whom the second results are better, each slicing below the other."""
    found = [
        sensitivity_change(analysis, other, by=by, resamples=resamples).astype({"bin": str}).assign(by=by)
        for by in tqdm(PERSON_SLICINGS, desc="slices of both", unit="slicing", disable=not progress)
    ]
    return pd.concat(found, ignore_index=True).set_index("by").reset_index()


def one_slicing(table: pd.DataFrame, by: str) -> pd.DataFrame:
    """The rows of one slicing of the tables "slices" or "sensitivity", as plots take them."""
    rows = table[table["by"] == by]
    return rows.assign(bin=pd.Categorical(rows["bin"], rows.sort_values("low")["bin"].unique(), ordered=True))


def _scores(analysis: Analysis, keypoints: pd.DataFrame) -> dict[str, pd.DataFrame]:
    points, persons = keypoint_calibration(keypoints), instance_calibration(analysis)
    errors = pd.concat([expected_calibration_error(points), expected_calibration_error(persons)])
    return {
        "calibration_keypoints": points,
        "calibration_persons": persons,
        "calibration_errors": errors.to_frame(),
    }


def _people(analysis: Analysis, keypoints: pd.DataFrame) -> dict[str, pd.DataFrame]:
    detections = detection_table(analysis)
    return {
        "persons": person_table(analysis),
        "detections": detections,
        "verdicts": verdict_table(detections),
        "hallucinations": hallucination_table(keypoints),
        "worst_persons": worst(keypoints, WORST, where=lambda t: t["detection"] >= 0),
        "worst_keypoints": worst(keypoints, WORST, level="keypoint", by="score"),
    }
