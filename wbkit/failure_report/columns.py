"""What each column of the tables says, in the words of the report and of tables/columns.csv."""

from __future__ import annotations

import pandas as pd

from wbkit.failure_report.collect import Findings
from wbkit.failures import LABELLED_CAUSES
from wbkit.failures.classes import PREDICTED_SCORE
from wbkit.keypoints import PARTS
from wbkit.plots import words

COLUMNS: dict[str, str] = {
    # who and what
    "image_id": "the picture's id in the files",
    "person_id": "the labelled person's id in the annotation file",
    "person": "the person's number in the annotation file's list, from 0; its id is person_id",
    "detection": "the detection's number in the results file's list, from 0; -1: the person is missed",
    "part": "body, foot, face, left hand, right hand; wholebody: all together; hand: the mean of both hands",
    "keypoint": "one of the 133",
    "side": "left or right as the person has it, or middle",
    "bin": "the slice, by its edges or in words",
    "by": "what the slices are cut by",
    "low": "lower edge of the slice or bin",
    "high": "upper edge of the slice or bin",
    # positions and errors
    "v": "COCO's flag of the label: 0 none, 1 hidden, 2 visible",
    "x": "of the label, px of the picture, to the right",
    "y": "of the label, px of the picture, down",
    "x_pred": "of the prediction, px of the picture, to the right",
    "y_pred": "of the prediction, px of the picture, down",
    "error_px": "distance from label to prediction, px of the picture",
    "error_person": "that distance by the square root of the person's area",
    "error_part": "that distance by the part's size",
    "similarity": "ks, the keypoint's similarity by the person's area: 1 exact, .5 near, 0 far",
    "similarity_part": "the same by the part's size instead of the person's",
    "cause": "the class of the error, see the classes",
    "ronchi": "its class in the scheme of Ronchi & Perona",
    "confused_keypoint": "the keypoint that the prediction lies on",
    "confused_person_id": "the id of the other person whose keypoint that is; -1: the same person's, or none",
    # circumstances
    "area": "px^2",
    "person_area": "the person's area, px^2",
    "part_size": "root mean square of the sides of the part's box, px",
    "truncated": "whether the person's box touches the picture's border",
    "overlap": "highest IoU of the person's box with another person's",
    "neighbours": "how many others have an IoU of at least .1 with the person's box",
    "person_labelled": "how many keypoints of the person are labelled",
    "part_labelled": "how many keypoints of this part of the person are labelled",
    "labelled": "how many labelled keypoints",
    "persons": "how many persons with labels there",
    "found": "share of the labelled keypoints with a prediction",
    # scores
    "score": "of the detection",
    "person_score": "the detection's score",
    "person_oks": "OKS of the pair of person and detection, the larger of body and whole body",
    "oks": "the larger of body and whole-body OKS of the pair of person and detection",
    "AP": "average precision over OKS .50 to .95",
    "AP50": "average precision at OKS .50",
    "AP75": "average precision at OKS .75",
    "APM": "AP of persons of medium size (32^2 to 96^2 px^2)",
    "APL": "AP of larger persons",
    "AR": "average recall over OKS .50 to .95",
    "AR50": "recall at OKS .50",
    "AR75": "recall at OKS .75",
    "ARM": "AR of persons of medium size (32^2 to 96^2 px^2)",
    "ARL": "AR of larger persons",
    "count": "how many",
    "share": "of all",
    **dict.fromkeys(LABELLED_CAUSES, "share of the labelled keypoints with this cause"),
}
"""Of columns that mean the same wherever they stand."""

_COSTS = {
    f"{score}{end}": f"{score} {said}"
    for score in ("AP", "AR")
    for end, said in (
        ("", "with this repair alone"),
        ("_cost", "gained by this repair alone: what the cause costs"),
        ("_cumulative", "with this repair and all before it"),
        ("_step", "added by this repair to those before it"),
    )
}
_RANKED = {"value": "mean similarity of its labelled keypoints, by which the rows are ranked"}
_BINS = {
    "bin": "number of the bin of scores",
    "score": "mean of the bin",
    "gap": "score minus right: positive is overconfident",
}
OWN: dict[str, dict[str, str]] = {
    "classes": {
        "name": "of the class",
        "level": "what it is about: keypoint, label (points without one) or person",
        "ronchi": "the class of Ronchi & Perona that it refines",
        "definition": "in words",
        "formula": "exactly",
    },
    "chance": dict.fromkeys(LABELLED_CAUSES, "share if errors kept their lengths and had random directions"),
    "causes_ronchi": dict.fromkeys(
        ("good", "jitter", "inversion", "swap", "miss", "person_missed"),
        "share of the labelled keypoints with this class",
    ),
    "costs": {
        "repair": "the cause that is repaired; none: as measured",
        "concerned": "how many points, detections or persons it concerns",
        "target": "where repaired points go: truth (onto the label) or margin (as near as the next class)",
        **_COSTS,
    },
    "waterfall": {
        "step": "measured, a repair, or other: several small ones together",
        "start": "AP before the step",
        "end": "AP after the step",
        "gain": "the difference",
        "names": "the repairs in this step",
        "alone": "AP that they gain without the steps before",
        "concerned": "how many points, detections or persons they concern",
    },
    "keypoint_summary": {
        "error_px": "median, px",
        "error_person": "median, by the square root of the person's area",
        "error_part": "median, by the part's size",
        "similarity": "mean ks; missed ones count 0",
        "similarity_part": "the same by the part's size",
        "worst_cause": "the most frequent cause that is not good",
        "worst_cause_share": "its share of the labelled keypoints",
    },
    "confusions": {
        "whose": "own or other: the person whose keypoint the prediction lies on",
        "share": "count by labelled",
    },
    "confusion_matrices": {
        "keypoint": "one of the part's; in faces a region; hands together",
        "lies_on": "the keypoint (in faces the region) that predictions lie on, or another person's",
        "count": "how many predictions of keypoint lie there",
    },
    "clouds": {
        "count": "labelled keypoints with a prediction",
        "median_x": "of the errors to the right, by the square root of the person's area",
        "median_y": "of the errors down, by the square root of the person's area",
        "mean_x": "mean instead of median",
        "mean_y": "mean instead of median",
        "std_x": "standard deviation",
        "std_y": "standard deviation",
        "good_radius": "distance at which ks is .85, in the same unit",
        "near_radius": "distance at which ks is .5",
        "within_good": "share of the points within good_radius",
        "within_near": "share of the points within near_radius",
    },
    "precision_recall": {
        "threshold": "of OKS, from which on a person counts as found",
        "recall": "share of the labelled persons that are found",
        "precision": "the highest share of right detections at this recall or more",
    },
    "slices": {
        "error_px": "median, px",
        "error_person": "median, by the square root of the person's area",
        "error_part": "median, by the part's size",
        "similarity": "mean ks of the predicted",
        "similarity_part": "mean ks of the predicted by the part's size",
    },
    "calibration_keypoints": _BINS | {"right": "share of its points that have a ks of .5 or more"},
    "calibration_persons": _BINS
    | {"right": "mean OKS of its detections", "assigned": "share of them that are a person's own"},
    "calibration_errors": {
        "part": "of the keypoints; person: of detections",
        "ece": "expected calibration error: mean |gap| over the bins, weighted by their counts",
    },
    "persons": {
        "labelled": "how many of the person's keypoints are labelled",
        "score": "of its detection",
        **{f"{part}_oks": f"official OKS of the pair, {words(part)}" for part in PARTS},
        "duplicates": "how many other detections fit this person best",
        "scoring_error": "whether a worse-placed duplicate has the higher score",
        "rival": "number of that duplicate, -1 for none",
        "rival_score": "its score",
        "rival_oks": "its OKS with the person",
    },
    "detections": {
        "detection": "number in the results file's list, from 0",
        "verdict": "assigned, duplicate, background, ignored or not evaluated",
        "person_id": "the person it is assigned to, else the one it fits best; -1 for none",
        "area": "the detection's, px^2",
    },
    "verdicts": {
        "verdict": "what a detection is",
        "count": "how many detections",
        "mean_score": "of these",
    },
    "hallucinations": {
        "persons": "found persons without a label in this part",
        "hallucinated": f"share of them with half of the part's points or more above {PREDICTED_SCORE}",
        "points": f"points without a label above {PREDICTED_SCORE}, of such parts or out of the picture",
        "outside": "those of them that lie outside the picture, of parts that have a label",
    },
    "worst_persons": _RANKED
    | {
        "keypoints": "how many labelled ones the mean is over",
        "worst_keypoint": "the one with the lowest similarity",
        "cause": "the most frequent one",
    },
    "worst_keypoints": {"score": "the keypoint's, by which the rows are ranked"},
    "comparison_keypoints": {
        "similarity": "mean ks; missed ones count 0",
        "difference": "similarity of b minus that of a",
        "low": "lower end of the difference's 95 % interval, of this keypoint by itself",
        "high": "upper end of it",
        "low_all": "lower end of the interval that holds for all 133 keypoints together",
        "high_all": "upper end of it",
        "fixed": "share of the labelled keypoints that are good only in b",
        "broken": "share of the labelled keypoints that are good only in a",
    },
    "comparison_changes": {"count": "how many labelled keypoints went from cause_a to cause_b"},
    "comparison_rows": {"change": "similarity of b minus that of a; largest gains first"},
    "keypoints": {"score": "the keypoint's"},
}
"""Table -> its columns that mean something else than elsewhere, or stand nowhere else."""


def column_meaning(table: str, column: str) -> str:
    """What a column says, with its unit.

    Columns such as AP_low or cause_b are explained by the one that they belong to: ends of its interval; in
    comparisons of a and b what it is in each, the difference, and the ends of the difference's interval.

    Args:
        table: a key of `wbkit.failure_report.collect.MEANINGS`. column: of it, or of its index.

    Raises:
        KeyError: nothing is known of it.
    """
    known = COLUMNS | OWN.get(table, {})
    if column in known:
        return known[column]
    name, _, end = column.rpartition("_")
    if name not in known:
        raise KeyError(f"{table}.{column}")
    of = f"the difference in {name}" if table.startswith("comparison") else name
    return {
        "a": f"{known[name]}, of a",
        "b": f"{known[name]}, of b",
        "difference": f"{name} of b minus that of a",
        "low": f"lower end of the 95 % interval of {of}",
        "high": f"upper end of the 95 % interval of {of}",
    }[end]


def column_table(findings: Findings) -> pd.DataFrame:
    """A row for each column of each table: table, column, type, meaning."""
    rows = []
    for name, table in (*findings.tables.items(), ("keypoints", findings.keypoints)):
        named = table.reset_index() if table.index.name else table
        rows += [(name, c, str(named[c].dtype), column_meaning(name, c)) for c in named.columns]
    return pd.DataFrame(rows, columns=["table", "column", "type", "meaning"])
