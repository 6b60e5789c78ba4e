"""Object keypoint similarity (OKS), and which prediction is matched to which labelled person.

The rules are those of xtcocotools 1.14.3 (`COCOeval.computeOks` and `evaluateImg`), which scores
COCO-WholeBody; they are copied down to ties and rounding, so that every statistic is equal.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from wbkit.annotations import SCORED_PARTS, Annotations, Results
from wbkit.errors import InputError
from wbkit.keypoints import PARTS, SIGMAS

OKS_THRESHOLDS: np.ndarray = np.linspace(0.5, 0.95, 10)
"""(T,) = (10,): a prediction counts as right at a threshold if its OKS reaches it."""
AREA_RANGES: dict[str, tuple[float, float]] = {
    "all": (0.0, 1e5**2),
    "medium": (32.0**2, 96.0**2),
    "large": (96.0**2, 1e5**2),
}
"""The A = 3 ranges of a person's area in px^2, both ends included. COCO gives keypoints no "small"."""
MAX_DETECTIONS = 20  # of a picture, those with the highest scores; the reference never sees the others

_CHUNK_POINTS = 1 << 18  # keypoints compared at once: a few MB, which fits the processor's cache
_CHUNK_PICTURES = 256  # pictures matched at once


@dataclass(frozen=True, eq=False)
class Matches:
    """What `match` found for one part, in E evaluated detections and N labelled persons.

    "Position" means an index into the E evaluated detections; "person" an index into the annotations.

    Attributes:
        part: one of `PARTS`.
        image_ids: (I,) int64, ascending.
        detections: (E,) int64 indices into the results: at most 20 of a picture, none whose scores are
            all <= 0 in this part. Ordered by image id, then descending score, then the file's order.
        pictures: (E,) int64, each detection's index into `image_ids`.
        scores: (E,) float64, the score that ranks it in this part.
        persons: (E, A, T) int64: the person it is matched to, -1 if none, for each area range
            (`AREA_RANGES`) and OKS threshold (`OKS_THRESHOLDS`).
        ignored: (E, A, T) bool: it is neither right nor wrong. It is matched to an ignored person, or
            it is unmatched and its own area is out of range.
        ignored_persons: (N, A) bool: the person need not be found. It is a crowd, has no labelled
            keypoint in this part, or its area is out of range.
        pair_positions: (P,) int64, the detection of each pair that shares a picture, ascending.
        pair_persons: (P,) int64, the person of each pair; in the annotation file's order.
        pair_oks: (P,) float64 in 0..1.
    """

    part: str
    image_ids: np.ndarray
    detections: np.ndarray
    pictures: np.ndarray
    scores: np.ndarray
    persons: np.ndarray
    ignored: np.ndarray
    ignored_persons: np.ndarray
    pair_positions: np.ndarray
    pair_persons: np.ndarray
    pair_oks: np.ndarray


# --- similarity ------------------------------------------------------------------------------------


def keypoint_similarity(offsets: np.ndarray, areas: np.ndarray, sigmas: np.ndarray) -> np.ndarray:
    """How near each keypoint is: exp(-d^2 / (2 s^2 k^2)) with d = |offset|, s^2 = area, k = 2 sigma.

    Args:
        offsets: (..., K, 2) predicted minus true position, px.
        areas: (...) px^2; zero is allowed (only an exact hit then counts).
        sigmas: (K,), or (..., K).

    Returns:
        (..., K) float64, 1 for a hit.
    """
    squared = offsets[..., 0] ** 2 + offsets[..., 1] ** 2  # (..., K)
    # Divided one after the other, as the reference does: another order would round differently.
    return np.exp(-(squared / (sigmas * 2) ** 2 / (np.asarray(areas)[..., None] + np.spacing(1)) / 2))


def oks(
    keypoints: np.ndarray,
    gt_keypoints: np.ndarray,
    labelled: np.ndarray,
    areas: np.ndarray,
    sigmas: np.ndarray = SIGMAS,
) -> np.ndarray:
    """Object keypoint similarity of predictions with labelled persons, broadcast over leading axes.

    OKS = sum_i exp(-d_i^2 / (2 s^2 k_i^2)) [v_i > 0] / sum_i [v_i > 0], where d_i is the distance in px,
    s^2 the person's area and k_i = 2 sigma_i (COCO keypoint evaluation, cocodataset.org/#keypoints-eval).

    Args:
        keypoints: (..., K, 2) predicted x, y in image px.
        gt_keypoints: (..., K, 2) labelled x, y in image px.
        labelled: (..., K) bool, v > 0. Other keypoints do not count.
        areas: (...) the labelled person's area in px^2.
        sigmas: (K,).

    Returns:
        (...) float64 in 0..1; NaN for a person without a labelled keypoint.
    """
    offsets = np.asarray(keypoints, np.float64) - np.asarray(gt_keypoints, np.float64)  # (..., K, 2)
    similarity = keypoint_similarity(offsets, areas, sigmas)  # (..., K)
    count = np.sum(labelled, axis=-1)  # (...)
    total = np.where(labelled, similarity, 0).sum(-1)  # (...)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


# --- matching --------------------------------------------------------------------------------------


def match(annotations: Annotations, results: Results, part: str) -> Matches:
    """Match predictions to labelled persons, picture by picture, for one part of the body.

    In each picture, from the highest score down, a detection takes the free person with the highest
    OKS that reaches the threshold (of equals the last in the file); an ignored person only if no other
    is in reach. A taken person is free again only if it is a crowd.

    Args:
        annotations: N labelled persons.
        results: D predictions; `scores` rank them for the body, `part_scores` for the other parts.
        part: a key of `PARTS`.

    Raises:
        InputError: the part is unknown, or a result names a picture that the annotations lack.
    """
    if part not in PARTS:
        raise InputError(f"there is no part {part!r}", f"Choose one of {', '.join(PARTS)}")
    require_known_images(annotations, results)
    image_ids = np.sort(annotations.image_ids)  # (I,)
    detections, pictures, scores = evaluated_detections(results, image_ids, part)  # (E,) each
    pair_positions, pair_persons = pairs_by_picture(annotations, image_ids, pictures)  # (P,) each
    pair_oks = oks_of_pairs(annotations, results, part, detections[pair_positions], pair_persons)
    outside_persons = _outside_ranges(annotations.areas)  # (N, A)
    unlabelled = ~(annotations.keypoints[:, PARTS[part], 2] > 0).any(1)  # (N,)
    ignored_persons = (unlabelled | annotations.crowd)[:, None] | outside_persons  # (N, A)
    persons = matched_persons(
        pictures, pair_positions, pair_persons, pair_oks, ignored_persons, annotations.crowd
    )  # (E, A, T)
    outside = _outside_ranges(results.areas[detections])[..., None]  # (E, A, 1)
    with_nobody = np.vstack(
        [ignored_persons, np.zeros((1, len(AREA_RANGES)), bool)]
    )  # person -1: not ignored
    to_ignored = with_nobody[persons, np.arange(len(AREA_RANGES))[:, None]]  # (E, A, T)
    ignored = to_ignored | ((persons < 0) & outside)
    columns = (detections, pictures, scores, persons, ignored, ignored_persons)
    return Matches(part, image_ids, *columns, pair_positions, pair_persons, pair_oks)


def require_known_images(annotations: Annotations, results: Results) -> None:
    """Every result must belong to a picture of the annotations.

    Raises:
        InputError: one does not; the message names the first and counts the others.
    """
    unknown = np.flatnonzero(~np.isin(results.image_ids, annotations.image_ids))
    if len(unknown):
        first, others = unknown[0], len(unknown) - 1
        problem = f"{results.image_ids[first]} names no picture of {annotations.source}"
        problem += f"; {others} more like it" if others else ""
        remedy = "Evaluate against the annotations of these pictures, or remove these results"
        raise InputError(problem, remedy, file=results.source, record=f"result {first}", field="image_id")


def _outside_ranges(areas: np.ndarray) -> np.ndarray:
    """(N,) px^2 -> (N, A) bool."""
    low, high = np.array(list(AREA_RANGES.values())).T  # (A,) each
    return (areas[:, None] < low) | (areas[:, None] > high)


def evaluated_detections(
    results: Results, image_ids: np.ndarray, part: str
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The detections that the reference looks at: `detections`, `pictures`, `scores` of `Matches`."""
    scores = results.scores if part == "body" else results.part_scores[:, SCORED_PARTS.index(part)]
    present = np.flatnonzero((results.keypoints[:, PARTS[part], 2] > 0).any(1))  # (D',)
    pictures = np.searchsorted(image_ids, results.image_ids[present])  # (D',)
    order = np.lexsort((-scores[present], pictures))  # stable: equal scores stay in the file's order
    present, pictures = present[order], pictures[order]
    rank = np.arange(len(pictures)) - np.searchsorted(pictures, pictures)  # within the picture
    detections = present[rank < MAX_DETECTIONS]  # (E,)
    return detections, pictures[rank < MAX_DETECTIONS], scores[detections]


def pairs_by_picture(
    annotations: Annotations, image_ids: np.ndarray, pictures: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Every detection with every person of its picture: positions (P,) and persons (P,)."""
    person_pictures = np.searchsorted(image_ids, annotations.person_image_ids)  # (N,)
    by_picture = np.argsort(person_pictures, kind="stable")  # (N,) persons, in the file's order in each
    count = np.bincount(person_pictures, minlength=len(image_ids))  # (I,)
    first = np.cumsum(count) - count  # (I,) where each picture's persons begin in by_picture
    pairs = count[pictures]  # (E,) of each detection
    positions = np.repeat(np.arange(len(pictures)), pairs)  # (P,)
    slot = np.arange(len(positions)) - np.repeat(np.cumsum(pairs) - pairs, pairs)  # (P,) 0, 1, ... in each
    return positions, by_picture[first[pictures[positions]] + slot]


def oks_of_pairs(
    annotations: Annotations, results: Results, part: str, detections: np.ndarray, persons: np.ndarray
) -> np.ndarray:
    """OKS of pairs, equal to the reference's to the last bit: (P,) and (P,) indices -> (P,).

    NumPy's sum adds in an order that depends on the number of terms, so labelled keypoints are
    gathered before they are summed, in groups of persons that have equally many.
    """
    labelled = annotations.keypoints[:, PARTS[part], 2] > 0  # (N, K)
    labelled_first = PARTS[part].start + np.argsort(~labelled, axis=1, kind="stable")  # (N, K) of the 133
    counts = labelled.sum(1)[persons]  # (P,)
    by_count = np.argsort(counts, kind="stable")  # (P,)
    groups = np.split(by_count, np.flatnonzero(np.diff(counts[by_count])) + 1) if len(persons) else []
    similarity = np.empty(len(persons))
    for group in groups:
        count = int(counts[group[0]])
        used = count or labelled.shape[1]
        for rows in np.array_split(group, -(-len(group) * used // _CHUNK_POINTS)):
            who = persons[rows]  # (R,)
            points = labelled_first[who, :used]  # (R, used)
            predicted = results.keypoints[detections[rows][:, None], points, :2]  # (R, used, 2)
            if count:
                offsets = predicted - annotations.keypoints[who[:, None], points, :2]
            else:
                offsets = _offsets_from_box(predicted, annotations.boxes_xywh[who])
            near = keypoint_similarity(offsets, annotations.areas[who], SIGMAS[points])  # (R, used)
            similarity[rows] = near.sum(1) / used
    return similarity


def _offsets_from_box(points: np.ndarray, boxes_xywh: np.ndarray) -> np.ndarray:
    """How far points lie outside a box grown by its own size on each side: (R, K, 2), (R, 4) -> (R, K, 2).

    The reference's stand-in for a person without labelled keypoints.
    """
    corner, size = boxes_xywh[:, None, :2], boxes_xywh[:, None, 2:]  # (R, 1, 2) each
    return np.maximum(0, corner - size - points) + np.maximum(0, points - (corner + size * 2))


def matched_persons(
    pictures: np.ndarray,
    pair_positions: np.ndarray,
    pair_persons: np.ndarray,
    pair_oks: np.ndarray,
    ignored_persons: np.ndarray,
    crowd: np.ndarray,
) -> np.ndarray:
    """`Matches.persons` (E, A, T), by dense tables (picture, rank, person) of some pictures at a time.

    Arguments are columns of `Matches`, for any number A of area ranges, and (N,) bool `crowd`.
    """
    persons = np.full((len(pictures), ignored_persons.shape[1], len(OKS_THRESHOLDS)), -1)
    near = pair_oks >= OKS_THRESHOLDS[0]  # the others can never be matched
    positions, candidates, similarity = pair_positions[near], pair_persons[near], pair_oks[near]
    busy, picture = np.unique(pictures[positions], return_inverse=True)  # pictures with anything to match
    rank = positions - np.searchsorted(pictures, pictures[positions])  # (P',) of the detection
    for start in range(0, len(busy), _CHUNK_PICTURES):
        chunk = slice(*np.searchsorted(picture, (start, start + _CHUNK_PICTURES)))
        row, who = picture[chunk] - start, candidates[chunk]
        slot, person_of = _slots(row, who)  # (P',), (C, G)
        table = np.full((len(person_of), rank[chunk].max() + 1, person_of.shape[1]), -1.0)  # (C, R, G)
        table[row, rank[chunk], slot] = similarity[chunk]
        ignored = ignored_persons[person_of].transpose(0, 2, 1)  # (C, A, G)
        chosen = _greedy(table, ignored, crowd[person_of])  # (C, R, A, T)
        taken = chosen[row, rank[chunk]]  # (P', A, T), the same for every pair of a detection
        found = np.where(taken >= 0, person_of[row[:, None, None], taken], -1)  # (P', A, T)
        persons[positions[chunk]] = found
    return persons


def _slots(row: np.ndarray, who: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Number the candidate persons of each picture in the file's order.

    Args:
        row: (P',) picture, counted from 0. who: (P',) person.

    Returns:
        (P',) the column of each pair's person, and (C, G) the person in each column (empty ones hold
        any person; no detection reaches them).
    """
    persons, index = np.unique(who, return_inverse=True)  # ascending, which is the file's order
    row_of = np.empty(len(persons), np.int64)
    row_of[index] = row  # a person belongs to one picture
    by_row = np.argsort(row_of, kind="stable")
    column = np.empty(len(persons), np.int64)
    column[by_row] = np.arange(len(persons)) - np.searchsorted(row_of[by_row], row_of[by_row])
    person_of = np.zeros((row.max() + 1, column.max() + 1), np.int64)
    person_of[row_of, column] = persons
    return column[index], person_of


def _greedy(similarity: np.ndarray, ignored: np.ndarray, crowd: np.ndarray) -> np.ndarray:
    """The reference's loop over detections, at once for C pictures, A area ranges and T thresholds.

    Args:
        similarity: (C, R, G) OKS of the picture's detection of each rank with each person; -1 if none.
        ignored: (C, A, G) bool. crowd: (C, G) bool.

    Returns:
        (C, R, A, T) int64: the chosen person's column, -1 if none.
    """
    thresholds = OKS_THRESHOLDS[:, None]  # (T, 1)
    pictures, ranks, columns = similarity.shape
    taken = np.zeros((pictures, ignored.shape[1], len(OKS_THRESHOLDS), columns), bool)  # (C, A, T, G)
    chosen = np.full((pictures, ranks, *taken.shape[1:3]), -1)  # (C, R, A, T)
    for rank in range(ranks):
        value = similarity[:, rank, None, None]  # (C, 1, 1, G)
        free = (value >= thresholds) & (~taken | crowd[:, None, None])  # (C, A, T, G)
        regular = free & ~ignored[:, :, None]
        wanted = np.where(regular.any(-1, keepdims=True), regular, free)
        # argmax takes the first of equals; in the reference the last wins.
        from_last = np.where(wanted, value, -1)[..., ::-1]
        best = columns - 1 - from_last.argmax(-1)  # (C, A, T)
        found = np.nonzero(free.any(-1))
        taken[*found, best[found]] = True
        chosen[:, rank][found] = best[found]
    return chosen
