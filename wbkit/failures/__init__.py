"""Where whole-body predictions fail: every keypoint's error, its cause, and what it costs, per part.

Works on any model's COCO-WholeBody results file, without torch.
"""

from wbkit.failures.analysis import Analysis, analyse
from wbkit.failures.causes import Classes, classify
from wbkit.failures.classes import CAUSES, CLASSES, LABELLED_CAUSES, RONCHI_CLASSES, class_table
from wbkit.failures.pairs import Pairs, pair_up
from wbkit.failures.table import cause_table, hallucination_table, keypoint_table

__all__ = [
    "CAUSES",
    "CLASSES",
    "LABELLED_CAUSES",
    "RONCHI_CLASSES",
    "Analysis",
    "Classes",
    "Pairs",
    "analyse",
    "cause_table",
    "class_table",
    "classify",
    "hallucination_table",
    "keypoint_table",
    "pair_up",
]
