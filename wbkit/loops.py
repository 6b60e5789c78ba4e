"""The inner loops of the evaluation, compiled by numba: similarity, suppression, matching, precision, recall.

Every loop does the reference's operations in the reference's order, so that results are equal to the
last bit; only the tables that NumPy would need between two operations are gone. The exponential stays
NumPy's, whose last bit differs from the C library's, where it decides.
"""

from __future__ import annotations

import math

import numba
import numpy as np


def _loop(function):
    """Compile it. Without fastmath: nothing may be reordered."""
    try:
        return numba.njit(cache=True, nogil=True)(function)
    except RuntimeError:  # no folder that can be written: compiled anew in each process
        return numba.njit(nogil=True)(function)


_inlined = numba.njit(inline="always")
_EPSILON = np.spacing(1)


# --- similarity ------------------------------------------------------------------------------------


@_loop
def exponents(predicted, truth, labelled, boxes_xywh, areas, spread, detections, persons, first, out):
    """Write -d^2 / k^2 / s^2 / 2 of all keypoints of a part that count, pair after pair.

    A person without labels counts by how far the points lie outside a box of thrice its size, each
    keypoint of the part.

    Args:
        predicted: (D, 133, 3) and truth: (N, 133, 3), image px.
        labelled: (N, K) bool of the part's K keypoints; `first` is the number of its first.
        boxes_xywh: (N, 4) px. areas: (N,) px^2. spread: (K,), k^2.
        detections, persons: (P,) indices of the pairs.
        out: (P * K,) float64 or longer.
    """
    at = 0
    for pair in range(len(persons)):
        who, row = persons[pair], detections[pair]
        area, start = areas[who] + _EPSILON, at
        for k in range(labelled.shape[1]):
            if labelled[who, k]:
                dx = predicted[row, first + k, 0] - truth[who, first + k, 0]
                dy = predicted[row, first + k, 1] - truth[who, first + k, 1]
                out[at] = -((dx * dx + dy * dy) / spread[k] / area / 2)
                at += 1
        if at > start:
            continue
        for k in range(labelled.shape[1]):
            dx = _outside(predicted[row, first + k, 0], boxes_xywh[who, 0], boxes_xywh[who, 2])
            dy = _outside(predicted[row, first + k, 1], boxes_xywh[who, 1], boxes_xywh[who, 3])
            out[at] = -((dx * dx + dy * dy) / spread[k] / area / 2)
            at += 1


@_inlined
def _outside(value, corner, size):
    """How far a coordinate lies outside an interval grown by its own length on each side."""
    return max(0.0, corner - size - value) + max(0.0, value - (corner + size * 2))


@_loop
def means_of_runs(values, lengths, out):
    """Means of consecutive runs, equal to NumPy's: (V,), (P,) lengths of at most 248 -> (P,) in `out`."""
    start = 0
    for run in range(len(lengths)):
        length = lengths[run]
        # NumPy halves rows of more than 128, at a multiple of 8; of 249 = 120 + 129 the second half, too.
        half = length if length <= 128 else length // 2 - length // 2 % 8
        total = _sum_of_block(values, start, half)
        if half < length:
            total += _sum_of_block(values, start + half, length - half)
        out[run] = total / length
        start += length


@_inlined
def _sum_of_block(values, start, length):
    """NumPy's sum of up to 128 numbers: eight sums side by side, then the rest one by one."""
    total, i = 0.0, start
    if length >= 8:
        r0, r1, r2, r3 = values[i], values[i + 1], values[i + 2], values[i + 3]
        r4, r5, r6, r7 = values[i + 4], values[i + 5], values[i + 6], values[i + 7]
        i += 8
        while i <= start + length - 8:
            r0, r1, r2, r3 = r0 + values[i], r1 + values[i + 1], r2 + values[i + 2], r3 + values[i + 3]
            r4, r5, r6, r7 = r4 + values[i + 4], r5 + values[i + 5], r6 + values[i + 6], r7 + values[i + 7]
            i += 8
        total = ((r0 + r1) + (r2 + r3)) + ((r4 + r5) + (r6 + r7))
    while i < start + length:
        total += values[i]
        i += 1
    return total


# --- suppression -----------------------------------------------------------------------------------


@_loop
def suspects(one, points, boxes, areas, spread, reach, needed, waiting, found):
    """Write into `found` who may have an OKS with person `one` above a threshold; their number is returned.

    Args:
        points: (n, K, 2) and boxes: (n, 4), corners of some of the points, px. areas: (n,) px^2.
        spread: (K,), k^2. reach: squared gap between boxes over s^2 beyond which nobody is a suspect.
        needed: the sum of similarities from which on one is. waiting: (n,) bool, others are left out.
    """
    count, keypoints = 0, points.shape[1]
    for other in range(len(areas)):
        if not waiting[other]:
            continue
        gap_x = max(0.0, boxes[one, 0] - boxes[other, 2], boxes[other, 0] - boxes[one, 2])
        gap_y = max(0.0, boxes[one, 1] - boxes[other, 3], boxes[other, 1] - boxes[one, 3])
        area = (areas[one] + areas[other]) / 2 + _EPSILON
        if gap_x * gap_x + gap_y * gap_y > reach * area:
            continue
        most = float(keypoints)  # that the sum can still become
        for k in range(keypoints):
            dx, dy = points[other, k, 0] - points[one, k, 0], points[other, k, 1] - points[one, k, 1]
            most -= 1 - math.exp(-((dx * dx + dy * dy) / spread[k] / area / 2))
            if most < needed:
                break
        if not most < needed:
            found[count] = other
            count += 1
    return count


# --- matching --------------------------------------------------------------------------------------


@_loop
def greedy(ends, candidates, similarity, ignored_persons, crowd, thresholds, persons):
    """Detection after detection takes the best free person, for each area range and threshold.

    Args:
        ends: (E,) where each detection's candidates end in `candidates` (P,) and `similarity` (P,). They
            stand in the file's order, which decides between equals; a person is a candidate in one picture.
        ignored_persons: (N, A) bool. crowd: (N,) bool. thresholds: (T,).
        persons: (E, A, T) int64 of -1, to be filled.
    """
    taken = np.zeros((len(crowd), persons.shape[1], persons.shape[2]), np.bool_)
    start = 0
    for position in range(len(ends)):
        for area in range(persons.shape[1]):
            for t in range(persons.shape[2]):
                best, best_oks, best_ignored = -1, thresholds[t], True
                for pair in range(start, ends[position]):
                    who, near = candidates[pair], similarity[pair]
                    ignored = ignored_persons[who, area]
                    if near < thresholds[t] or (taken[who, area, t] and not crowd[who]):
                        continue
                    if ignored and not best_ignored:  # only if no other is in reach
                        continue
                    if near >= best_oks or (best_ignored and not ignored):  # of equals the last
                        best, best_oks, best_ignored = who, near, ignored
                if best >= 0:
                    taken[best, area, t] = True
                    persons[position, area, t] = best
        start = ends[position]


# --- precision and recall --------------------------------------------------------------------------


@_loop
def curves(order, persons, ignored, area, wanted):
    """Recall after each detection in `order`, and the best precision from there on.

    Args:
        order: (E,) indices. persons: (E, A, T), -1 for none. ignored: (E, A, T) bool.
        area: index of the area range. wanted: how many persons are to be found.

    Returns:
        (T, E) and (T, E) float64.
    """
    thresholds, length = persons.shape[2], len(order)
    recall, best = np.empty((thresholds, length)), np.empty((thresholds, length))
    right, wrong = np.zeros(thresholds, np.int64), np.zeros(thresholds, np.int64)
    for place in range(length):
        row = order[place]
        for t in range(thresholds):
            if not ignored[row, area, t]:
                if persons[row, area, t] >= 0:
                    right[t] += 1
                else:
                    wrong[t] += 1
            recall[t, place] = right[t] / wanted
            best[t, place] = right[t] / (wrong[t] + right[t] + _EPSILON)
    for t in range(thresholds):
        for place in range(length - 2, -1, -1):
            best[t, place] = max(best[t, place], best[t, place + 1])
    return recall, best
