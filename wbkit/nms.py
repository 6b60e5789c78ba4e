"""Person scores and duplicates: what MMPose 1.3.2 does to predictions before it evaluates them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from wbkit import loops
from wbkit.columns import SCORED_PARTS, Results, body_extent_areas
from wbkit.errors import InputError
from wbkit.geometry import box_to_center_scale, fix_aspect
from wbkit.keypoints import SIGMAS
from wbkit.matching import MAX_DETECTIONS, keypoint_similarity

USUAL_SIZE = (192, 256)  # (W, H) px of crops, where nothing else is said


def rescore(results: Results, keypoint_threshold: float = 0.2) -> Results:
    """Give each person the score box score x mean of its keypoint scores above the threshold.

    MMPose's `score_mode="bbox_keypoint"`. A person without such a keypoint gets 0; the scores of parts
    become the person's.

    Raises:
        InputError: a result has no box score.
    """
    missing = np.flatnonzero(np.isnan(results.box_scores))
    if len(missing):
        raise InputError(
            f"is missing in {len(missing)} of {len(results)} results, but rescoring needs it",
            "Write the detector's score as bbox_score, or evaluate without rescoring",
            file=results.source,
            record=f"result {missing[0]}",
            field="bbox_score",
        )
    keypoint_scores = results.keypoints[..., 2]  # (D, 133)
    counted = keypoint_scores > keypoint_threshold
    # Added one by one like MMPose's loop, so that scores which are equal there are equal here.
    total = np.cumsum(np.where(counted, keypoint_scores, 0), axis=1)[:, -1]  # (D,)
    return _with_scores(results, results.box_scores * (total / np.maximum(counted.sum(1), 1)))


def _with_scores(results: Results, scores: np.ndarray) -> Results:
    return replace(results, scores=scores, part_scores=np.repeat(scores[:, None], len(SCORED_PARTS), axis=1))


def oks_nms(
    keypoints: np.ndarray,
    scores: np.ndarray,
    areas: np.ndarray,
    threshold: float = 0.9,
    sigmas: np.ndarray = SIGMAS,
) -> np.ndarray:
    """Keep the best person of a picture, drop all whose OKS with it exceeds the threshold, and repeat.

    MMPose's `oks_nms`: all keypoints count, and s^2 of OKS is the mean of the two persons' areas.

    Args:
        keypoints: (n, K, 2 or more) x, y in px, ...
        scores: (n,). Of equal scores the last goes first.
        areas: (n,) px^2.
        threshold: OKS above which two persons are one.
        sigmas: (K,); another number of them is a ValueError.

    Returns:
        (kept,) int64 indices, best first.
    """
    compare = _Suspects(keypoints, areas, threshold, sigmas)
    waiting, kept = np.ones(len(scores), bool), []
    for best in _descending(scores):
        if not waiting[best]:
            continue
        kept.append(best)
        waiting[best] = False
        near = compare(best, waiting)
        if len(near):
            overlap = _overlap(keypoints, areas, best, near, sigmas)  # (near,)
            waiting[near[overlap > np.float32(threshold)]] = False
    return np.array(kept, dtype=np.int64)


def soft_oks_nms(
    keypoints: np.ndarray,
    scores: np.ndarray,
    areas: np.ndarray,
    threshold: float = 0.9,
    sigmas: np.ndarray = SIGMAS,
    max_detections: int = MAX_DETECTIONS,
) -> np.ndarray:
    """Take the best person of a picture, lower the others' scores by exp(-OKS^2 / threshold), and repeat.

    MMPose's `soft_oks_nms` (Gaussian). Lowered scores decide the order only; no person is dropped
    before `max_detections` are taken. Arguments and result as in `oks_nms`.
    """
    waiting, kept = _descending(scores), []
    left = np.asarray(scores, np.float64)[waiting]  # (waiting,)
    while len(waiting) and len(kept) < max_detections:
        best, waiting = waiting[0], waiting[1:]
        kept.append(best)
        overlap = _overlap(keypoints, areas, best, waiting, sigmas)
        left = left[1:] * np.exp(-(overlap**2) / threshold)
        order = _descending(left)
        waiting, left = waiting[order], left[order]
    return np.array(kept, dtype=np.int64)


def _descending(scores: np.ndarray) -> np.ndarray:
    """Highest first, the last of equals first: MMPose reverses an ascending sort.

    NumPy's default sort, which MMPose uses, orders equal scores differently on different processors
    (with more than 16 persons, or with AVX-512); the stable one does not.
    """
    return np.argsort(scores, kind="stable")[::-1]


class _Suspects:
    """Who could have an OKS above the threshold with one person, found without a table of all pairs.

    Most persons of a picture are nowhere near each other: the boxes of a quarter of their keypoints say
    so, since each other keypoint adds at most 1 to the sum. No duplicate is missed. Every pair of boxes is
    still looked at, which shows beyond a few hundred persons.
    """

    def __init__(self, keypoints: np.ndarray, areas: np.ndarray, threshold: float, sigmas: np.ndarray):
        points, spread = np.ascontiguousarray(keypoints[..., :2], np.float64), (sigmas * 2) ** 2
        if points.shape[1] != len(sigmas):
            raise ValueError(f"{points.shape[1]} keypoints, but {len(sigmas)} sigmas")
        few = len(sigmas) // 4
        needed = len(sigmas) * (threshold - 1e-6)  # a margin for the comparison in single precision
        lacking = needed - (len(sigmas) - few)  # what the few must add
        # A gap g between the boxes: each of the few adds at most exp(-g^2 / (2 s^2 k^2)), k the largest.
        reach = -2 * spread[:few].max() * np.log(lacking / few) if few and lacking > 0 else np.inf
        some = points[:, : max(few, 1)]
        boxes = np.concatenate([some.min(1), some.max(1)], axis=1)  # (n, 4) left, top, right, bottom
        self.fixed = points, boxes, np.asarray(areas, np.float64), spread, float(reach), needed
        self.found = np.empty(len(areas), np.int64)

    def __call__(self, one: int, waiting: np.ndarray) -> np.ndarray:
        """Indices of those among `waiting` (n,) bool; the next call overwrites them."""
        return self.found[: loops.suspects(one, *self.fixed, waiting, self.found)]


def _overlap(
    keypoints: np.ndarray, areas: np.ndarray, one: int, others: np.ndarray, sigmas: np.ndarray
) -> np.ndarray:
    """OKS of one person with others, (others,) float32: MMPose compares in single precision."""
    offsets = keypoints[others, :, :2] - keypoints[one, :, :2]  # (others, K, 2)
    similarity = keypoint_similarity(offsets, (areas[one] + areas[others]) / 2, sigmas)
    return similarity.mean(-1).astype(np.float32)


def rescore_and_nms(
    results: Results,
    *,
    input_size: tuple[int, int] = USUAL_SIZE,
    method: str = "oks_nms",
    rescoring: bool = True,
    keypoint_threshold: float = 0.2,
    nms_threshold: float = 0.9,
) -> Results:
    """What MMPose's CocoWholeBodyMetric does to predictions before it evaluates them.

    In each picture: sort by id and drop repeated ids (where every result has one), score by `rescore`
    (else by the box score), suppress duplicates. A person's area in the suppression is that of its box
    padded by 1.25 and grown to the network input's aspect ratio. Keypoints that are zeros in all results,
    such as those that a model of COCO's 17 lacks, are not compared.

    The output has no boxes, because MMPose writes none: its evaluation, and so ours, then takes a
    detection's area from the body keypoints' extent instead of the box.

    Args:
        results: D predictions with boxes and box scores.
        input_size: network input (W, H) px; only its aspect ratio matters.
        method: "oks_nms", "soft_oks_nms" or "none", MMPose's `nms_mode`.
        rescoring: False for MMPose's `score_mode="bbox"`.

    Returns:
        The survivors in MMPose's order: pictures as they first appear, in each the best first.

    Raises:
        InputError: boxes or box scores are missing, or the method is unknown.
    """
    methods = {"oks_nms": oks_nms, "soft_oks_nms": soft_oks_nms, "none": None}
    if method not in methods:
        raise InputError(f"there is no NMS method {method!r}", f"Choose one of {', '.join(methods)}")
    scored = rescore(results, keypoint_threshold)
    scored = scored if rescoring else _with_scores(results, results.box_scores)
    groups = _persons_by_picture(results)
    if method != "none":
        areas = _nms_areas(results, input_size)  # (D,)
        given = results.keypoints.any((0, 2))  # (133,): in zeros that a model leaves all persons agree
        given |= not given.any()
        points, sigmas = scored.keypoints[:, given], SIGMAS[given]
        groups = [
            g[methods[method](points[g], scored.scores[g], areas[g], nms_threshold, sigmas)] for g in groups
        ]
    kept = scored.select(np.concatenate([np.zeros(0, np.int64), *groups]))
    nothing = np.full(len(kept), np.nan)
    return replace(
        kept,
        areas=body_extent_areas(kept.keypoints),
        boxes_xywh=np.repeat(nothing[:, None], 4, axis=1),
        box_scores=nothing,
    )


def _nms_areas(results: Results, input_size: tuple[int, int]) -> np.ndarray:
    """(D,) px^2 of the padded, aspect-fixed boxes."""
    missing = np.flatnonzero(np.isnan(results.boxes_xywh).any(1))
    if len(missing):
        raise InputError(
            f"is missing in {len(missing)} of {len(results)} results, but OKS-NMS takes areas from it",
            'Write the person box as bbox (x, y, w, h), or choose the method "none"',
            file=results.source,
            record=f"result {missing[0]}",
            field="bbox",
        )
    _, scale = box_to_center_scale(results.boxes_xywh, padding=1.25)
    return fix_aspect(scale, input_size).astype(np.float64).prod(-1)


def repeated_ids(results: Results) -> int:
    """How many results `rescore_and_nms` drops because an earlier one of their picture has the same id."""
    return len(results) - sum(map(len, _persons_by_picture(results)))


def _persons_by_picture(results: Results) -> list[np.ndarray]:
    """Indices of each picture's results, pictures as they first appear; by id and without repeated ids."""
    _, first, picture = np.unique(results.image_ids, return_index=True, return_inverse=True)
    appearance = first[picture]  # (D,) index of the first result of the same picture
    have_ids = (results.ids != -1).all()
    ids = results.ids if have_ids else np.arange(len(results))  # (D,)
    order = np.lexsort((ids, appearance))
    ids, appearance = ids[order], appearance[order]
    new_picture = np.append(True, appearance[1:] != appearance[:-1])[: len(order)]
    new = new_picture | np.append(True, ids[1:] != ids[:-1])[: len(order)]
    return np.split(order[new], np.flatnonzero(new_picture[new])[1:]) if len(order) else []
