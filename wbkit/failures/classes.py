"""What can be wrong with a keypoint or a person: names, one-sentence definitions, formulas, thresholds.

Good, jitter, inversion, swap and miss are those of Ronchi & Perona, "Benchmarking and Error Diagnosis in
Multi-Instance Pose Estimation" (ICCV 2017, section 3.1), with their thresholds. Whole bodies need more:
hands that change places, fingers that do, points that slide along the contours of a face, parts that
collapse. ks is the keypoint similarity exp(-d^2 / (2 s^2 k^2)) of `wbkit.matching.keypoint_similarity`,
with s^2 the area of the person it is measured to and k = 2 sigma of the predicted keypoint.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from wbkit.keypoints import FACE_REGIONS, PARTS

GOOD_SIMILARITY = 0.85
"""From it on a keypoint lies within the error margin of human annotators (Ronchi & Perona)."""
NEAR_SIMILARITY = 0.5
"""From it on a prediction is in the proximity of a keypoint (Ronchi & Perona)."""
COLLAPSE_RATIO = 0.2
"""Below it, predicted spread by true spread, a part's points count as being on one spot."""
SLIDE_RATIO = 0.25
"""A point has slid if its distance from the contour is at most this share of its way along it."""
SLIDE_RUN = 3
"""So many neighbours of a contour must slide the same way; one alone could be jitter."""
SWAPPED_HAND_POINTS = 5
"""So many points labelled in both hands are needed to tell that the hands changed places."""
MIRRORED_POINTS = {"foot": 4, "face": 10}
"""So many points labelled on both sides are needed to tell that feet or face are mirrored as a whole."""
SHIFTED_FINGER_POINTS = 3
"""So many joints of a finger must lie on the same other finger; fewer could be jitter."""
SHIFT_RATIO = 0.5
"""A joint has shifted if it is so much nearer, in px, to the other finger's joint than to its own."""
CLEAR_RATIO = 0.5
"""Beyond the body's 17 a point is inverted or swapped if it is so much nearer, in px, to the wrong place."""
COLLAPSED_POINTS = 3
"""So many labelled points are needed to tell that a part collapsed."""
PREDICTED_SCORE = 0.2
"""Above it a keypoint counts as predicted: the threshold of MMPose's rescoring."""
DEPARTURES: tuple[str, ...] = (
    f"A point whose ks with its own label is {GOOD_SIMILARITY} or more is good. In coco-analyze it is an "
    "inversion or swap if another candidate's ks is higher still; with 21 points in a small hand that rule "
    "would call most good points wrong.",
    "The best-placed detection belongs to a person, whatever the scores. coco-analyze matches by score "
    "first, so that a worse-placed detection with a higher score hides a better one.",
)
"""Where the classes depart from coco-analyze, the code of Ronchi & Perona's paper: sentences to print."""


@dataclass(frozen=True)
class ErrorClass:
    """One kind of error, for people (a printed table of them) and for programs (the key).

    Attributes:
        name: the key, as in the column `cause`.
        level: "keypoint", "label" (points without a label, counted apart), or "person".
        ronchi: which of the paper's classes it is a finer reading of; "" for none.
        definition: one sentence.
        formula: when exactly.
    """

    name: str
    level: str
    ronchi: str
    definition: str
    formula: str


_EVIDENCE = (
    f"beyond the 17 also: the circles of ks {NEAR_SIMILARITY} around both places are apart, and the point is "
    f"at most {CLEAR_RATIO} as far from the wrong one as from its own"
)
_AS_A_WHOLE = (
    "or the feet or the face lie on their mirrored points as a whole: mean ks(mirrored) >= "
    f"{NEAR_SIMILARITY} and > mean ks(own), over at least {MIRRORED_POINTS['foot']} and "
    f"{MIRRORED_POINTS['face']} points"
)
_LIST = [
    ErrorClass(
        "good", "keypoint", "good", "The point lies within the error margin of human annotators.",
        f"ks(own) >= {GOOD_SIMILARITY}",
    ),
    ErrorClass(
        "jitter", "keypoint", "jitter, inversion or swap",
        "The point lies near its true place, but not within the margin.",
        f"{NEAR_SIMILARITY} <= ks(own) < {GOOD_SIMILARITY}, and neither inversion nor swap",
    ),
    ErrorClass(
        "inversion", "keypoint", "inversion",
        "The point lies on the mirrored keypoint of the same person: left and right are confused.",
        f"ks(mirrored, same person) >= {NEAR_SIMILARITY}, and the highest of all candidates; {_EVIDENCE}, "
        f"{_AS_A_WHOLE}",
    ),
    ErrorClass(
        "hand_swap", "keypoint", "inversion",
        "The hand as a whole lies on the person's other hand.",
        "inversion by the paper's rule alone, and over the points labelled in both hands (at least "
        f"{SWAPPED_HAND_POINTS}) mean ks(mirrored) >= {NEAR_SIMILARITY} and > mean ks(own)",
    ),
    ErrorClass(
        "swap", "keypoint", "swap",
        "The point lies on the same or the mirrored keypoint of another person.",
        f"ks(same or mirrored keypoint, another person) >= {NEAR_SIMILARITY}, and higher than ks(own) and "
        f"ks(mirrored); {_EVIDENCE}",
    ),
    ErrorClass(
        "wrong_finger", "keypoint", "any but good",
        "The finger's joints lie on the same joints of another finger of that hand.",
        f"ks(same joint, other finger) >= {NEAR_SIMILARITY} and at most {SHIFT_RATIO} of the distance to the "
        f"own joint, for at least {SHIFTED_FINGER_POINTS} joints of the finger and the same other finger",
    ),
    ErrorClass(
        "contour_slide", "keypoint", "any but good",
        "The point moved along the jaw, brow or lip that it belongs to, together with its neighbours.",
        f"distance from the true contour <= {SLIDE_RATIO} x way along it, for a run of at least {SLIDE_RUN} "
        "neighbours that moved the same way; inversions only where they are fewer than half of the "
        "contour's errors",
    ),
    ErrorClass(
        "collapse", "keypoint", "any but good", "The part's points lie on one spot.",
        f"rms distance to the centroid: predicted < {COLLAPSE_RATIO} x true, over at least "
        f"{COLLAPSED_POINTS} labelled points of the part (each foot by itself); not good",
    ),
    ErrorClass(
        "miss", "keypoint", "miss, inversion or swap", "The point is near no place that could explain it.",
        f"ks(own) < {NEAR_SIMILARITY}, and neither inversion nor swap",
    ),
    ErrorClass(
        "not_predicted", "keypoint", "",
        "The person is found, but the part is left out: none of its scores is above 0.",
        "max score over the part's keypoints <= 0 (the reference then drops the detection for this part)",
    ),
    ErrorClass(
        "person_missed", "keypoint", "", "No detection belongs to the person.",
        "no detection assigned (see `wbkit.failures.pairs.pair_up`)",
    ),
    ErrorClass(
        "hallucinated", "label", "",
        "A part is predicted although nothing of it is labelled, or the point lies outside the picture.",
        f"v = 0, score > {PREDICTED_SCORE}, and the part has no label or the point is out of the picture",
    ),
    ErrorClass(
        "unlabelled", "label", "", "The point has no label, so nothing can be said.", "v = 0, otherwise",
    ),
    ErrorClass(
        "scoring", "person", "scoring",
        "A worse-placed detection of the same person has the higher score.",
        "another detection that is nearest to this person has a higher score and a lower OKS",
    ),
    ErrorClass(
        "duplicate", "person", "background", "A second detection of a person who is found already.",
        "not assigned, and its highest OKS with a labelled person is at least .1",
    ),
    ErrorClass(
        "background", "person", "background",
        "A detection that fits nobody: no person is there, or the pose is altogether wrong.",
        "not assigned, OKS below .1 with all labelled persons, and not on an ignored person or crowd",
    ),
]  # fmt: skip
CLASSES: dict[str, ErrorClass] = {c.name: c for c in _LIST}
"""Every class by name, in the order of tables and plots."""
CAUSES: tuple[str, ...] = tuple(c.name for c in _LIST if c.level != "person")
"""Values of the column `cause` of the keypoint table; `Classes.causes` holds indices into it."""
LABELLED_CAUSES: tuple[str, ...] = tuple(c.name for c in _LIST if c.level == "keypoint")
"""The causes of which every labelled keypoint has exactly one."""
RONCHI_CLASSES: tuple[str, ...] = ("good", "jitter", "inversion", "swap", "miss")
"""The five classes of the paper."""
CODES: dict[str, int] = {name: code for code, name in enumerate(CAUSES)}
"""Index of each name in `CAUSES`."""

GROUPS: dict[str, np.ndarray] = {
    "body": np.arange(17),
    "left_foot": np.arange(17, 20),
    "right_foot": np.arange(20, 23),
    "face": np.arange(23, 91),
    "lefthand": np.arange(91, 112),
    "righthand": np.arange(112, 133),
}
"""Keypoints that can collapse together."""
HANDS: tuple[slice, slice] = (PARTS["lefthand"], PARTS["righthand"])
CONTOURS: dict[str, tuple[slice, bool]] = {
    "jaw": (FACE_REGIONS["jaw"], False),
    "right_eyebrow": (FACE_REGIONS["right_eyebrow"], False),
    "left_eyebrow": (FACE_REGIONS["left_eyebrow"], False),
    "outer_lips": (FACE_REGIONS["outer_lips"], True),
    "inner_lips": (FACE_REGIONS["inner_lips"], True),
}
"""Curves that points can slide along, and whether they are closed."""
PART_SLICES: dict[str, slice] = {name: s for name, s in PARTS.items() if name != "wholebody"}
"""The five parts that do not overlap."""


def class_table() -> pd.DataFrame:
    """The classes as a DataFrame: index `name`; columns level, ronchi, definition, formula."""
    rows = [vars(c) for c in _LIST]
    return pd.DataFrame(rows).set_index("name")
