"""The 133 keypoints of COCO-WholeBody: names, parts, mirror pairs, OKS sigmas, skeleton, colours.

Order and sigmas are those of Jin et al., "Whole-Body Human Pose Estimation in the Wild" (ECCV 2020)
and of the reference evaluation in xtcocotools. Left and right are the subject's own.
"""

from __future__ import annotations

import numpy as np

NUM_KEYPOINTS = 133

BODY_NAMES = (
    "nose left_eye right_eye left_ear right_ear left_shoulder right_shoulder left_elbow right_elbow "
    "left_wrist right_wrist left_hip right_hip left_knee right_knee left_ankle right_ankle"
).split()
FOOT_NAMES = [f"{side}_{point}" for side in ("left", "right") for point in ("big_toe", "small_toe", "heel")]
FACE_NAMES = [f"face-{i}" for i in range(68)]  # the 68 points of 300-W / iBUG, in their order
FINGERS = ("thumb", "forefinger", "middle_finger", "ring_finger", "pinky_finger")


def _hand_names(side: str) -> list[str]:
    """Root, then four points from knuckle to tip for each finger."""
    return [f"{side}_hand_root"] + [f"{side}_{finger}{i}" for finger in FINGERS for i in range(1, 5)]


KEYPOINTS: tuple[str, ...] = tuple(
    BODY_NAMES + FOOT_NAMES + FACE_NAMES + _hand_names("left") + _hand_names("right")
)
"""The 133 names, in annotation order."""

PARTS: dict[str, slice] = {
    "body": slice(0, 17),
    "foot": slice(17, 23),
    "face": slice(23, 91),
    "lefthand": slice(91, 112),
    "righthand": slice(112, 133),
    "wholebody": slice(0, 133),
}
"""The six evaluated parts as slices of the 133."""

PART_OF_KEYPOINT: tuple[str, ...] = tuple(
    part for part, s in list(PARTS.items())[:5] for _ in range(s.start, s.stop)
)
"""The part of each keypoint (never "wholebody"), length 133."""

FACE_REGIONS: dict[str, slice] = {
    "jaw": slice(23, 40),
    "right_eyebrow": slice(40, 45),
    "left_eyebrow": slice(45, 50),
    "nose_bridge": slice(50, 54),
    "nostrils": slice(54, 59),
    "right_eye": slice(59, 65),
    "left_eye": slice(65, 71),
    "outer_lips": slice(71, 83),
    "inner_lips": slice(83, 91),
}
"""Regions of the 68 face points; jaw, brows and lips run along their curve."""


def _flip_pairs() -> np.ndarray:
    """Each mirrored pair once, smaller index first; a point on the midline has no pair."""
    index = {name: i for i, name in enumerate(KEYPOINTS)}
    named = [(i, index[n.replace("left_", "right_")]) for n, i in index.items() if n.startswith("left_")]
    mirrored_face_runs = [  # a run of points and the run it mirrors to, read in opposite directions
        (range(23, 31), range(39, 31, -1)),  # jaw; 31 is the chin
        (range(40, 45), range(49, 44, -1)),  # eyebrows
        (range(54, 56), range(58, 56, -1)),  # nostrils
        (range(59, 63), range(68, 64, -1)),  # eyes, upper lid
        (range(63, 65), range(70, 68, -1)),  # eyes, lower lid
        (range(71, 74), range(77, 74, -1)),  # outer lips, upper edge
        (range(78, 80), range(82, 80, -1)),  # outer lips, lower edge
        (range(83, 85), range(87, 85, -1)),  # inner lips, upper edge
        (range(88, 89), range(90, 89, -1)),  # inner lips, lower edge
    ]
    face = [pair for run, mirror in mirrored_face_runs for pair in zip(run, mirror, strict=True)]
    return np.array(sorted(tuple(sorted(p)) for p in named + face))


FLIP_PAIRS: np.ndarray = _flip_pairs()
"""(61, 2) int: keypoints that change places when the picture is mirrored, each pair once."""

FLIP_INDICES: np.ndarray = np.arange(NUM_KEYPOINTS)
"""(133,) int: `mirrored = keypoints[FLIP_INDICES]` after the x coordinates were mirrored."""
FLIP_INDICES[FLIP_PAIRS[:, 0]] = FLIP_PAIRS[:, 1]
FLIP_INDICES[FLIP_PAIRS[:, 1]] = FLIP_PAIRS[:, 0]

# Per-keypoint standard deviation of human annotators, as a share of the object's scale (sqrt of its
# area). Body: COCO keypoint evaluation; the rest: COCO-WholeBody's evaluation (in thousandths here).
_BODY_SIGMAS = [26, 25, 25, 35, 35, 79, 79, 72, 72, 62, 62, 107, 107, 87, 87, 89, 89]
_FOOT_SIGMAS = [68, 66, 66, 92, 94, 94]
_FACE_SIGMAS = [
    *[42, 43, 44, 43, 40, 35, 31, 25, 20, 23, 29, 32, 37, 38, 43, 41, 45],  # jaw
    *[13, 12, 11, 11, 12, 12, 11, 11, 13, 15],  # eyebrows
    *[9, 7, 7, 7, 12, 9, 8, 16, 10],  # nose
    *[17, 11, 9, 11, 9, 7, 13, 8, 11, 12, 10, 34],  # eyes
    *[8, 8, 9, 8, 8, 7, 10, 8, 9, 9, 9, 7],  # outer lips
    *[7, 8, 11, 8, 8, 8, 10, 8],  # inner lips
]
_HAND_SIGMAS = [29, 22, 35, 37, 47, 26, 25, 24, 35, 18, 24, 22, 26, 17, 21, 21, 32, 20, 19, 22, 31]
SIGMAS: np.ndarray = np.array(_BODY_SIGMAS + _FOOT_SIGMAS + _FACE_SIGMAS + _HAND_SIGMAS + _HAND_SIGMAS) / 1000
"""(133,) float64: the constants of OKS (`oks` in wbkit.evaluate states the formula)."""

UPPER_BODY: tuple[int, ...] = tuple(range(0, 11))
LOWER_BODY: tuple[int, ...] = tuple(range(11, 23))
"""Keypoints that half-body augmentation chooses from (face and hand points belong to neither)."""

_BODY_LINKS = [
    *[(15, 13), (13, 11), (16, 14), (14, 12), (11, 12), (5, 11), (6, 12), (5, 6), (5, 7), (6, 8)],
    *[(7, 9), (8, 10), (1, 2), (0, 1), (0, 2), (1, 3), (2, 4), (3, 5), (4, 6)],
]
_FOOT_LINKS = [(15, 17), (15, 18), (15, 19), (16, 20), (16, 21), (16, 22)]


def _face_links() -> list[tuple[int, int]]:
    """Neighbours along every face curve; eyes and lips are closed."""
    closed = {"right_eye", "left_eye", "outer_lips", "inner_lips"}
    links = []
    for region, s in FACE_REGIONS.items():
        links += [(i, i + 1) for i in range(s.start, s.stop - 1)]
        if region in closed:
            links.append((s.stop - 1, s.start))
    return links


def _hand_links(root: int) -> list[tuple[int, int]]:
    """Root to knuckle to tip, finger by finger."""
    knuckles = range(root + 1, root + 21, 4)
    return [link for k in knuckles for link in [(root, k), *((k + i, k + i + 1) for i in range(3))]]


SKELETON: tuple[tuple[int, int], ...] = tuple(
    _BODY_LINKS + _FOOT_LINKS + _face_links() + _hand_links(91) + _hand_links(112)
)
"""Links to draw: COCO-WholeBody's for body, feet and hands; face points joined along their curves."""

COLORS: dict[str, tuple[int, int, int]] = {
    "left": (230, 159, 0),  # the subject's left limbs, feet and hand: orange
    "right": (0, 114, 178),  # right: blue
    "middle": (0, 158, 115),  # nose, shoulder line, hips: green
    "face": (204, 121, 167),  # the 68 face points: purple
}
"""RGB of the Okabe-Ito palette, which colour-blind readers can tell apart."""


def side_of(keypoint: int) -> str:
    """ "left", "right", "middle" or "face": which entry of `COLORS` a keypoint is drawn in."""
    if PART_OF_KEYPOINT[keypoint] == "face":
        return "face"
    side = KEYPOINTS[keypoint].split("_")[0]
    return side if side in ("left", "right") else "middle"
