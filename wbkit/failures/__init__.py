"""Where whole-body predictions fail: every keypoint's error, its cause, and what it costs, per part.

Works on any model's COCO-WholeBody results file, without torch.
"""

from wbkit.failures.analysis import Analysis, analyse
from wbkit.failures.calibration import expected_calibration_error, instance_calibration, keypoint_calibration
from wbkit.failures.causes import Classes, classify
from wbkit.failures.chance import chance_rates
from wbkit.failures.classes import CAUSES, CLASSES, DEPARTURES, LABELLED_CAUSES, RONCHI_CLASSES, class_table
from wbkit.failures.compare import Comparison, compare
from wbkit.failures.confusions import CONFUSION_PARTS, confusion_matrix
from wbkit.failures.cost import ap_cost
from wbkit.failures.examples import EXAMPLE_CLASSES, Example, example_of
from wbkit.failures.gallery import worst
from wbkit.failures.intervals import ap_intervals
from wbkit.failures.pairs import Pairs, pair_up
from wbkit.failures.persons import VERDICTS, detection_table, person_table, verdict_table
from wbkit.failures.repairs import REPAIRS, TARGETS
from wbkit.failures.sensitivity import sensitivity, sensitivity_change
from wbkit.failures.slices import PERSON_SLICINGS, SLICINGS, slice_table
from wbkit.failures.summary import (
    cloud_table,
    confusion_table,
    keypoint_summary,
    precision_recall_table,
    waterfall_table,
)
from wbkit.failures.table import cause_table, hallucination_table, keypoint_table

__all__ = [
    "CAUSES",
    "CLASSES",
    "CONFUSION_PARTS",
    "DEPARTURES",
    "EXAMPLE_CLASSES",
    "LABELLED_CAUSES",
    "PERSON_SLICINGS",
    "REPAIRS",
    "RONCHI_CLASSES",
    "SLICINGS",
    "TARGETS",
    "VERDICTS",
    "Analysis",
    "Classes",
    "Comparison",
    "Example",
    "Pairs",
    "analyse",
    "ap_cost",
    "ap_intervals",
    "cause_table",
    "chance_rates",
    "class_table",
    "classify",
    "cloud_table",
    "compare",
    "confusion_matrix",
    "confusion_table",
    "detection_table",
    "example_of",
    "expected_calibration_error",
    "hallucination_table",
    "instance_calibration",
    "keypoint_calibration",
    "keypoint_summary",
    "keypoint_table",
    "pair_up",
    "person_table",
    "precision_recall_table",
    "sensitivity",
    "sensitivity_change",
    "slice_table",
    "verdict_table",
    "waterfall_table",
    "worst",
]
