"""A second look at faces and hands, enlarged: where the first look has found them.

In a crop of a whole person a hand is a few heatmap pixels wide. ZoomNet (Jin et al., "Whole-Body Human Pose
Estimation in the Wild", ECCV 2020) therefore looks at faces and hands again. Here the second look is a
network of its own, and to it a part is what a person is to the first: a box, a crop, heatmaps, of which only
those of the part count.

In the field's words: a top-down second stage on part crops, whose keypoints are fused with the first stage's
by a score-weighted average. Unlike ZoomNet's, the two are networks of their own, trained apart. All hands are
learnt as right hands; a left one is mirrored first (`wbkit.predict.Predictor.average`).
"""

from __future__ import annotations

import numpy as np

from wbkit.keypoints import PARTS

ZOOMED: tuple[str, ...] = ("face", "lefthand", "righthand")
"""The parts that are looked at again."""
FOUND_SCORE, FOUND_SHARE, FOUND_POINTS = 0.05, 0.3, 5
"""A point of a part counts as found above this score, and above this share of the part's highest; a part with
so many such points is looked at again."""
GROWTH = np.array([1.1, 1.4, 1.4])  # on the boxes of `ZOOMED`
"""A network puts a point of which it is unsure near the middle of where it may be, so that the hands that the
first look finds are too small: tests/test_shipped_model.py measures by how much."""
WRISTS = {"lefthand": 9, "righthand": 10}
ARM_BONES = np.array([[5, 6], [5, 7], [7, 9], [6, 8], [8, 10]])  # shoulders, upper arms, forearms
HAND_REACH, HAND_SIDES = 0.6, (0.5, 0.9)
"""In longest arm bones: how far from the wrist a hand's points may be, and how large its grown box. Where the
first look is torn between two hands, some of its points are on either, and the wrist says which are right."""
SECOND_COUNTS = 6.0  # times as much as the first look of the same score
SMALLEST_PX = 3.0  # side of a grown box in the picture; below that there is nothing more to see


def part_boxes(points: np.ndarray, present: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The square around each part's points, with the middle of their extent.

    Args:
        points: (N, 133, 2) image px.
        present: (N, 133) bool, which of them count.

    Returns:
        (N, 3, 4) xywh image px in the order of `ZOOMED`, zeros where no point counts; (N, 3) how many do.
    """
    boxes, counts = np.zeros((len(points), len(ZOOMED), 4)), np.zeros((len(points), len(ZOOMED)), int)
    for j, part in enumerate(ZOOMED):
        xy, counted = points[:, PARTS[part]], present[:, PARTS[part], None]  # (N, P, 2), (N, P, 1)
        counts[:, j] = counted[..., 0].sum(1)
        some = counts[:, j] > 0
        low = np.where(counted, xy, np.inf)[some].min(1)  # (M, 2)
        high = np.where(counted, xy, -np.inf)[some].max(1)
        side = (high - low).max(1, keepdims=True)  # (M, 1)
        boxes[some, j] = np.hstack([(low + high - side) / 2, side, side])
    return boxes, counts


def longest_arm_bone(keypoints: np.ndarray) -> np.ndarray:
    """How large a person is, even where only the upper body is seen.

    A bone that points at the camera looks shorter than it is; the longest one does so least.

    Args:
        keypoints: (N, 133, 3) image px and score.

    Returns:
        (N,) image px, NaN where no bone of the arms or shoulders is found.
    """
    ends = keypoints[:, ARM_BONES]  # (N, 5, 2, 3)
    lengths = np.linalg.norm(ends[:, :, 0, :2] - ends[:, :, 1, :2], axis=-1)  # (N, 5)
    found = (ends[..., 2] > FOUND_SCORE).all(-1)  # (N, 5)
    longest = np.where(found, lengths, 0).max(1)
    return np.where(longest > 0, longest, np.nan)


def where_to_look(
    keypoints: np.ndarray, sizes_wh: np.ndarray | tuple[int, int] | None = None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Which parts of whom the first look has found, and where.

    A box is the square around the part's points, larger by `GROWTH`. Hands lie within reach of their wrist,
    and their boxes have a size that the arm allows.

    Args:
        keypoints: (N, 133, 3) image px and score.
        sizes_wh: (2,) or (N, 2) px of the pictures: parts outside are left. None or 0: not known.

    Returns:
        of the M parts to look at: person (M,), part (M,) as index into `ZOOMED`, box (M, 4) xywh image px.
    """
    scores = keypoints[..., 2]  # (N, 133)
    found = np.zeros(scores.shape, bool)
    bone = longest_arm_bone(keypoints)[:, None]  # (N, 1)
    for part in ZOOMED:
        of_part = scores[:, PARTS[part]]  # (N, P)
        least = np.maximum(FOUND_SCORE, FOUND_SHARE * of_part.max(1, keepdims=True))  # (N, 1)
        found[:, PARTS[part]] = of_part > least
        if wrist := WRISTS.get(part):
            ways = keypoints[:, PARTS[part], :2] - keypoints[:, [wrist], :2]  # (N, P, 2)
            beyond = np.linalg.norm(ways, axis=-1) > HAND_REACH * bone  # (N, P)
            found[:, PARTS[part]] &= ~(beyond & (scores[:, [wrist]] > least))
    boxes, counts = part_boxes(keypoints[..., :2], found)
    middle, sides = boxes[..., :2] + boxes[..., 2:] / 2, boxes[..., 2] * GROWTH  # (N, 3, 2), (N, 3)
    smallest, largest = (share * bone for share in HAND_SIDES)  # (N, 1)
    smallest = np.minimum(smallest, 2 * sides[:, 1:])  # (N, 2): one wrong joint must not lose the hand
    sides[:, 1:] = np.fmin(np.fmax(sides[:, 1:], smallest), largest)  # NaN: no limit
    boxes = np.concatenate([middle - sides[..., None] / 2, np.stack([sides, sides], -1)], axis=-1)
    sizes = np.inf if sizes_wh is None else np.where(np.array(sizes_wh) > 0, sizes_wh, np.inf)  # (2,), (N, 2)
    end = np.broadcast_to(sizes, (len(keypoints), 2))[:, None]  # (N, 1, 2)
    inside = (boxes[..., :2] < end).all(-1) & (boxes[..., :2] + boxes[..., 2:] > 0).all(-1)  # (N, 3)
    person, part = np.nonzero((counts >= FOUND_POINTS) & (boxes[..., 2] >= SMALLEST_PX) & inside)
    return person, part, boxes[person, part]


def fuse(keypoints: np.ndarray, person: np.ndarray, part: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """What both looks say of faces and hands: the mean, in which each point counts by its score.

    The looks err in different ways, so that their mean can be better than either; the second one sees more
    and counts `SECOND_COUNTS` times as much.

    Args:
        keypoints: (N, 133, 3) image px and score of the first look.
        person, part: (M,) as of `where_to_look`.
        seen: (M, 133, 3) of the second look: of each row its part's points count.

    Returns:
        (N, 133, 3); parts that were not looked at again are as they were.
    """
    keypoints = keypoints.copy()
    for j, name in enumerate(ZOOMED):
        of_part = part == j
        first, second = keypoints[person[of_part], PARTS[name]], seen[of_part, PARTS[name]]  # (m, P, 3)
        scores = np.stack([first[..., 2], second[..., 2]])  # (2, m, P)
        weights = np.maximum(scores, 1e-6) * np.array([1, SECOND_COUNTS])[:, None, None]
        share = (weights[1] / weights.sum(0))[..., None]  # of the second look
        keypoints[person[of_part], PARTS[name]] = first + share * (second - first)
    return keypoints
