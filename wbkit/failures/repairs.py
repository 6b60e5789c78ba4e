"""Oracle repairs: what a results file would be without one kind of error."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from wbkit.columns import Results
from wbkit.errors import InputError
from wbkit.failures.analysis import Analysis
from wbkit.failures.classes import CODES, GOOD_SIMILARITY, NEAR_SIMILARITY
from wbkit.failures.persons import VERDICTS, detection_verdicts
from wbkit.failures.rematch import PartMatching, best_scores, change, moved_oks, rescored
from wbkit.keypoints import PARTS, SIGMAS

KEYPOINT_REPAIRS = (
    "miss",
    "not_predicted",
    "collapse",
    "swap",
    "hand_swap",
    "inversion",
    "wrong_finger",
    "contour_slide",
    "jitter",
)
REPAIRS = (*KEYPOINT_REPAIRS, "scoring", "hallucinated", "duplicate", "background", "person_missed", "good")
"""In the cumulative order: Ronchi & Perona's (miss, swap, inversion, jitter, scores, background, misses), the
finer causes next to those they refine. Last what is left within the annotators' own margin ("good").

miss ... jitter, good: the points with this cause move to where the target says. scoring: each detection's
score is its OKS with the person it fits best (`best_scores`). hallucinated: a part without labels is left out
of the detection of its person. duplicate, background: such detections go (background: also those over ignored
persons, where a part of them counts as wrong, and those the reference does not evaluate in the whole body).
person_missed: such persons need not be found.
"""
TARGETS = ("truth", "margin")
"""Where repaired points go: onto the label, or, as Ronchi & Perona have it, only as near as the next class.

margin: a jitter moves to ks .85, a miss (or a point of a part left out) to ks .5, an inversion or swap gets
the ks that it has with the wrong keypoint (the same size of error at the right place), a wrong finger or slid
point moves to ks .85, a point of a collapsed part goes where its class by Ronchi & Perona alone would put it,
and good points stay. Points keep their direction from the label, and none moves away from it.
"""


@dataclass(frozen=True, eq=False)
class Workshop:
    """What all repairs of one analysis share: `analysis`, `target`, and

    Attributes:
        goals: (P, 133, 2) image px, where each point would be moved. assigned: P rows of the results.
        verdicts: (D,) index into `VERDICTS`.
    """

    analysis: Analysis
    target: str
    goals: np.ndarray
    assigned: Results
    verdicts: np.ndarray


def open_workshop(analysis: Analysis, target: str = "truth") -> Workshop:
    """Prepare repairs.

    Raises:
        InputError: there is no such target.
    """
    if target not in TARGETS:
        raise InputError(f"there is no target {target!r}", f"Choose one of {', '.join(TARGETS)}")
    pairs = analysis.pairs
    goals = pairs.truth[..., :2] if target == "truth" else _margin_goals(analysis)
    rows = np.where(pairs.found, pairs.detections, 0) if len(analysis.results) else np.zeros(0, np.int64)
    return Workshop(analysis, target, goals, analysis.results.select(rows), detection_verdicts(pairs)[0])


def _margin_goals(analysis: Analysis) -> np.ndarray:
    """(P, 133, 2) points at the similarity that the target "margin" gives them, in their old direction."""
    pairs, classes = analysis.pairs, analysis.classes
    causes = np.where(classes.causes == CODES["collapse"], classes.ronchi, classes.causes)
    goal = np.full(pairs.similarity.shape, NEAR_SIMILARITY)
    for name in ("jitter", "wrong_finger", "contour_slide"):
        goal[causes == CODES[name]] = GOOD_SIMILARITY
    for name in ("inversion", "hand_swap"):
        goal = np.where(causes == CODES[name], classes.mirrored_similarity, goal)
    goal = np.where(causes == CODES["swap"], classes.other_similarity, goal)
    goal = np.fmax(goal, pairs.similarity)  # a repair never makes a point worse
    radius = 2 * SIGMAS * np.sqrt(pairs.areas)[:, None] * np.sqrt(-2 * np.log(goal))  # (P, 133)
    offsets = pairs.predicted[..., :2] - pairs.truth[..., :2]
    distance = np.hypot(offsets[..., 0], offsets[..., 1])[..., None]
    direction = offsets / np.where(distance > 0, distance, 1)
    direction = np.where(distance > 0, direction, [1.0, 0.0])
    goals = pairs.truth[..., :2] + direction * radius[..., None]
    return np.where((classes.causes == CODES["good"])[..., None], pairs.predicted[..., :2], goals)


def repair(
    workshop: Workshop, matching: PartMatching, name: str, earlier: tuple[str, ...] = ()
) -> PartMatching:
    """A part's matching without one kind of error.

    Args:
        matching: the part as it is, or after the earlier repairs; the same object comes back where there
            is nothing to repair.
        name: one of `REPAIRS`. earlier: what has been repaired already.
    """
    if name == "scoring":
        return rescored(matching, best_scores(matching))
    if name == "person_missed":
        return change(matching, ignored_persons=matching.ignored_persons | _missed(workshop, matching))
    if name in ("hallucinated", "duplicate", "background"):
        return change(matching, removed=matching.removed | _removable(workshop, matching, name))
    return _move(workshop, matching, name, earlier)


def _move(workshop: Workshop, matching: PartMatching, name: str, earlier: tuple[str, ...]) -> PartMatching:
    """Move the points of one cause, where those of earlier ones have moved already."""
    pairs, causes = workshop.analysis.pairs, workshop.analysis.classes.causes
    moved = (causes == CODES[name]) & pairs.found[:, None]  # (P, 133)
    if not moved[:, PARTS[matching.part]].any():
        return matching
    there = moved | np.isin(causes, [CODES[e] for e in earlier if e in CODES])
    points = np.where(there[..., None], workshop.goals, pairs.predicted[..., :2])
    oks = moved_oks(matching, pairs, workshop.assigned, points, moved)
    removed = matching.removed
    if name == "not_predicted":  # parts that were left out come back
        rows = moved[:, PARTS[matching.part]].any(1)
        removed = removed & ~np.isin(matching.detections, pairs.detections[rows])
    return change(matching, pair_oks=oks, removed=removed)


def _removable(workshop: Workshop, matching: PartMatching, name: str) -> np.ndarray:
    """(E,) bool: which detections the repair takes out."""
    if name == "hallucinated":
        pairs = workshop.analysis.pairs
        empty = pairs.found & ~pairs.labelled[:, PARTS[matching.part]].any(1)
        return np.isin(matching.detections, pairs.detections[empty]) & ~matching.removed
    verdicts = workshop.verdicts[matching.detections]
    kinds = ("duplicate",) if name == "duplicate" else ("background", "ignored", "not_evaluated")
    return np.isin(verdicts, [VERDICTS.index(kind) for kind in kinds])


def _missed(workshop: Workshop, matching: PartMatching) -> np.ndarray:
    """(N,) bool: persons without a detection, or whose detection is not evaluated in this part."""
    pairs = workshop.analysis.pairs
    missed = np.zeros(len(pairs.annotations), bool)
    missed[pairs.persons[~np.isin(pairs.detections, matching.detections)]] = True
    return missed


def concerned(workshop: Workshop, matching: PartMatching, name: str) -> int:
    """How many labelled points, detections or persons of this part a repair concerns (0 for "none")."""
    pairs, part = workshop.analysis.pairs, PARTS[matching.part]
    if name in (*KEYPOINT_REPAIRS, "good"):
        return int((workshop.analysis.classes.causes[:, part] == CODES[name]).sum())
    if name == "scoring":
        return int((~matching.removed).sum())
    if name == "person_missed":
        return int((_missed(workshop, matching)[pairs.persons] & pairs.labelled[:, part].any(1)).sum())
    return int(_removable(workshop, matching, name).sum())
