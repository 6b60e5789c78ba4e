"""Where whole-body predictions fail: every keypoint's error, its cause, and what it costs, per part.

Works on any model's COCO-WholeBody results file, without torch.
"""

from wbkit.failures.analysis import Analysis, analyse
from wbkit.failures.causes import Classes, classify
from wbkit.failures.classes import CAUSES, CLASSES, LABELLED_CAUSES, RONCHI_CLASSES, class_table
from wbkit.failures.cost import ap_cost
from wbkit.failures.intervals import ap_intervals
from wbkit.failures.pairs import Pairs, pair_up
from wbkit.failures.persons import VERDICTS, detection_table, person_table, verdict_table
from wbkit.failures.repairs import REPAIRS, TARGETS
from wbkit.failures.table import cause_table, hallucination_table, keypoint_table

__all__ = [
    "CAUSES",
    "CLASSES",
    "LABELLED_CAUSES",
    "REPAIRS",
    "RONCHI_CLASSES",
    "TARGETS",
    "VERDICTS",
    "Analysis",
    "Classes",
    "Pairs",
    "analyse",
    "ap_cost",
    "ap_intervals",
    "cause_table",
    "class_table",
    "classify",
    "detection_table",
    "hallucination_table",
    "keypoint_table",
    "pair_up",
    "person_table",
    "verdict_table",
]
