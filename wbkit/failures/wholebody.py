"""Errors that several keypoints share: swapped hands, shifted fingers, slid contours, collapsed parts.

Each function looks at P persons at once and answers for the (P, 133) points. One point alone could be jitter;
the group is the evidence (thresholds: `wbkit.failures.classes`).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from wbkit.failures.classes import (
    COLLAPSE_RATIO,
    COLLAPSED_POINTS,
    CONTOURS,
    GROUPS,
    HANDS,
    NEAR_SIMILARITY,
    SHIFT_RATIO,
    SHIFTED_FINGER_POINTS,
    SLIDE_RATIO,
    SLIDE_RUN,
)
from wbkit.keypoints import PARTS, SIGMAS
from wbkit.matching import keypoint_similarity

_FINGERS, _JOINTS = 5, 4  # after the hand's root: five fingers of four points
_CHUNK_PERSONS = 1024


def collapsed(predicted: np.ndarray, truth: np.ndarray, judged: np.ndarray) -> np.ndarray:
    """Points of parts whose predictions lie on one spot.

    Args:
        predicted, truth: (P, 133, 2) image px. judged: (P, 133) bool, labelled and predicted.

    Returns:
        (P, 133) bool.
    """
    found = np.zeros(judged.shape, bool)
    for points in GROUPS.values():
        used = judged[:, points]  # (P, n)
        spreads = [_spread(xy[:, points], used) for xy in (predicted, truth)]  # (P,) each
        one_spot = (used.sum(1) >= COLLAPSED_POINTS) & (spreads[0] < COLLAPSE_RATIO * spreads[1])
        found[:, points] = one_spot[:, None] & used
    return found


def _spread(xy: np.ndarray, used: np.ndarray) -> np.ndarray:
    """Root mean square distance to the centroid over the used points: (P, n, 2), (P, n) -> (P,) px."""
    weight = used[..., None] / np.maximum(used.sum(1), 1)[:, None, None]  # (P, n, 1)
    xy = np.where(used[..., None], xy, 0)
    centre = (weight * xy).sum(1, keepdims=True)
    return np.sqrt((weight * (xy - centre) ** 2).sum((1, 2)))


def mirrored_parts(own: np.ndarray, mirrored: np.ndarray, parts: Mapping[str, int]) -> np.ndarray:
    """Points of parts that lie on their mirrored keypoints as a whole.

    Args:
        own, mirrored: (P, 133) ks with the own and the mirrored keypoint; NaN or negative: none.
        parts: name -> how many points labelled on both sides are needed to tell.

    Returns:
        (P, 133) bool.
    """
    found = np.zeros(own.shape, bool)
    for name, least in parts.items():
        part = PARTS[name]
        both = (own[:, part] >= 0) & (mirrored[:, part] >= 0)  # (P, n)
        count = both.sum(1)
        means = [np.where(both, ks[:, part], 0).sum(1) / np.maximum(count, 1) for ks in (own, mirrored)]
        whole = (count >= least) & (means[1] >= NEAR_SIMILARITY) & (means[1] > means[0])
        found[:, part] = whole[:, None] & both
    return found


def shifted_fingers(
    predicted: np.ndarray,
    truth: np.ndarray,
    labelled: np.ndarray,
    areas: np.ndarray,
    candidates: np.ndarray,
) -> np.ndarray:
    """Joints that lie on the same joint of another finger, together with others of their finger.

    Args:
        predicted, truth: (P, 133, 2) image px. labelled: (P, 133) bool. areas: (P,) px^2.
        candidates: (P, 133) bool, which points may be shifted.

    Returns:
        (P, 133) int16: the keypoint that the point lies on, -1 for none.
    """
    found = np.full(labelled.shape, -1, np.int16)
    for hand in HANDS:
        first = hand.start + 1
        joints = first + np.arange(_FINGERS * _JOINTS).reshape(_FINGERS, _JOINTS)
        rows = np.flatnonzero(candidates[:, joints].any((1, 2)))
        offsets = predicted[rows][:, joints, None] - truth[rows][:, joints.T][:, None]  # (R, 5, 4, 5, 2)
        ks = keypoint_similarity(offsets, areas[rows, None, None], SIGMAS[joints][..., None])
        distance = np.hypot(offsets[..., 0], offsets[..., 1])  # (R, 5, 4, 5) to that joint of each finger
        own = np.einsum("rfjf->rfj", distance)[..., None]  # (R, 5, 4, 1)
        on_other = (ks >= NEAR_SIMILARITY) & (distance <= SHIFT_RATIO * own)
        on_other &= labelled[rows][:, joints.T][:, None] & candidates[rows][:, joints, None]
        on_other[:, np.arange(_FINGERS), :, np.arange(_FINGERS)] = False
        count = on_other.sum(2)  # (R, 5, 5) joints of each finger on each other finger
        closeness = np.where(on_other, ks, 0).sum(2)  # of equally many the nearer finger
        target = np.argmax(count + closeness / (_JOINTS + 1), axis=2)  # (R, 5)
        enough = np.take_along_axis(count, target[..., None], 2) >= SHIFTED_FINGER_POINTS  # (R, 5, 1)
        on_it = np.take_along_axis(on_other, target[:, :, None, None], 3)[..., 0]  # (R, 5, 4)
        goal = first + target[..., None] * _JOINTS + np.arange(_JOINTS)  # (R, 5, 4)
        found[rows, first : hand.stop] = np.where(on_it & enough, goal, -1).reshape(
            len(rows), _FINGERS * _JOINTS
        )
    return found


def slid(
    predicted: np.ndarray,
    truth: np.ndarray,
    labelled: np.ndarray,
    candidates: np.ndarray,
    inverted: np.ndarray,
) -> np.ndarray:
    """Points that moved along their contour together with their neighbours.

    Args:
        predicted, truth: (P, 133, 2) image px. labelled: (P, 133) bool.
        candidates: (P, 133) bool, points that are jitter or miss. inverted: (P, 133) bool; in a contour of
            which fewer than half of the errors are inversions these count as candidates too: a point near
            the middle slides onto its mirrored one.

    Returns:
        (P, 133) bool.
    """
    found = np.zeros(labelled.shape, bool)
    for points, closed in CONTOURS.values():
        wrong = candidates[:, points] | inverted[:, points]  # (P, n)
        few = 2 * inverted[:, points].sum(1) < wrong.sum(1)  # (P,)
        wrong &= candidates[:, points] | few[:, None]
        rows = np.flatnonzero(wrong.sum(1) >= SLIDE_RUN)
        for start in range(0, len(rows), _CHUNK_PERSONS):
            some = rows[start : start + _CHUNK_PERSONS]
            xy = (predicted[some, points], truth[some, points], labelled[some, points])
            way, off = _along_contour(*xy, closed)  # (R, n) each
            moved = wrong[some] & (off <= SLIDE_RATIO * np.abs(way))
            runs = _in_runs(moved & (way > 0), closed) | _in_runs(moved & (way < 0), closed)
            found[some, points] = runs
    return found


def _along_contour(
    predicted: np.ndarray, truth: np.ndarray, labelled: np.ndarray, closed: bool
) -> tuple[np.ndarray, np.ndarray]:
    """How far each point moved along the true polyline, and how far it lies beside it.

    Args:
        predicted, truth: (R, n, 2). labelled: (R, n). closed: whether the last point joins the first.

    Returns:
        way: (R, n) signed arc length in px from the true point to the polyline's place nearest to the
            prediction; the shorter way round for a closed one.
        off: (R, n) px distance from that place; inf if no segment is labelled.
    """
    ends = np.roll(truth, -1, axis=1)  # (R, n, 2)
    segment = ends - truth
    exists = labelled & np.roll(labelled, -1, axis=1)  # (R, n)
    if not closed:
        exists[:, -1] = False
    length = np.where(exists, np.hypot(segment[..., 0], segment[..., 1]), 0)  # (R, n)
    arc = np.cumsum(length, axis=1) - length  # (R, n) of each point, from the first
    relative = predicted[:, :, None] - truth[:, None]  # (R, n, n, 2): point, segment
    squared = np.maximum(length**2, np.spacing(1))[:, None]  # (R, 1, n)
    share = np.clip((relative * segment[:, None]).sum(-1) / squared, 0, 1)  # (R, n, n)
    beside = relative - share[..., None] * segment[:, None]
    distance = np.where(exists[:, None], np.hypot(beside[..., 0], beside[..., 1]), np.inf)
    nearest = distance.argmin(-1)[..., None]  # (R, n, 1)
    off = np.take_along_axis(distance, nearest, -1)[..., 0]
    place = np.take_along_axis(arc[:, None] + share * length[:, None], nearest, -1)[..., 0]  # (R, n)
    way = place - arc
    if closed:
        total = np.maximum(length.sum(1, keepdims=True), np.spacing(1))
        way = (way + total / 2) % total - total / 2
    return way, off


def _in_runs(hit: np.ndarray, closed: bool) -> np.ndarray:
    """Members of runs of at least `SLIDE_RUN` neighbouring hits: (R, n) bool -> (R, n) bool."""
    n = hit.shape[1]
    padded = np.concatenate([hit, hit[:, : SLIDE_RUN - 1] & closed], axis=1)  # wraps round if closed
    starts = np.all([padded[:, i : i + n] for i in range(SLIDE_RUN)], axis=0)  # (R, n) a run begins here
    members = starts.copy()
    for i in range(1, SLIDE_RUN):
        shifted = np.roll(starts, i, axis=1)
        if not closed:
            shifted[:, :i] = False
        members |= shifted
    return members
