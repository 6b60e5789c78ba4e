"""Object keypoint similarity (OKS), and which prediction is matched to which labelled person.

The rules are those of xtcocotools 1.14.3 (`COCOeval.computeOks` and `evaluateImg`), which scores
COCO-WholeBody; they are copied down to ties and rounding, so that every statistic is equal.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PureWindowsPath

import numpy as np

from wbkit import loops
from wbkit.columns import SCORED_PARTS, Annotations, Results
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

_CHUNK_PAIRS = 1 << 11  # pairs compared at once: about 2 MB, which fit the processor's cache


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
    _require_same_pictures(annotations, results)


def _require_same_pictures(annotations: Annotations, results: Results) -> None:
    """Results that name their picture must name the one that the annotations have under that id.

    Raises:
        InputError: one does not.
    """
    if results.file_names is None or not (results.file_names != "").any():
        return
    names = annotations.file_names[annotations.pictures_of(results.image_ids)]  # (D,)
    own = results.file_names
    last_part = lambda name: PureWindowsPath(str(name)).name  # noqa: E731  of / and of \
    places = np.flatnonzero((own != "") & (own != names))
    places = [i for i in places if last_part(own[i]) != last_part(names[i])]
    if places:
        first, many = places[0], f" ({len(places)} of {len(results)} results)" * (len(places) > 1)
        other = f"image {results.image_ids[first]} is {names[first]} in {annotations.source}"
        problem = f"is of {own[first]}, but {other}{many}"
        remedy = "Give results with the ids of that file (wbkit predict --annotations), or without file_name"
        raise InputError(problem, remedy, file=results.source, record=f"result {first}")


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

    Keypoints that a person lacks are left out before anything is added up, because the order of NumPy's
    sum, and with it the last bit, depends on the number of terms.
    """
    labelled = annotations.keypoints[:, PARTS[part], 2] > 0  # (N, K)
    used = np.where(labelled.any(1), labelled.sum(1), labelled.shape[1])[persons]  # (P,) terms of each
    values = np.empty(_CHUNK_PAIRS * labelled.shape[1])
    similarity = np.empty(len(persons))
    for start in range(0, len(persons), _CHUNK_PAIRS):
        rows = slice(start, start + _CHUNK_PAIRS)
        terms = values[: used[rows].sum()]
        loops.exponents(
            predicted=results.keypoints,
            truth=annotations.keypoints,
            labelled=labelled,
            boxes_xywh=annotations.boxes_xywh,
            areas=annotations.areas,
            spread=(SIGMAS[PARTS[part]] * 2) ** 2,
            detections=detections[rows],
            persons=persons[rows],
            first=PARTS[part].start,
            out=terms,
        )
        loops.means_of_runs(np.exp(terms, out=terms), used[rows], similarity[rows])
    return similarity


def matched_persons(
    pictures: np.ndarray,
    pair_positions: np.ndarray,
    pair_persons: np.ndarray,
    pair_oks: np.ndarray,
    ignored_persons: np.ndarray,
    crowd: np.ndarray,
) -> np.ndarray:
    """`Matches.persons` (E, A, T) from columns of `Matches`, for any number A of area ranges.

    `pair_positions` ascend, a detection's persons stand in the file's order; `crowd` is (N,) bool.
    """
    persons = np.full((len(pictures), ignored_persons.shape[1], len(OKS_THRESHOLDS)), -1)
    near = pair_oks >= OKS_THRESHOLDS[0]  # the others can never be matched
    ends = np.searchsorted(pair_positions[near], np.arange(len(pictures)), side="right")  # (E,)
    loops.greedy(ends, pair_persons[near], pair_oks[near], ignored_persons, crowd, OKS_THRESHOLDS, persons)
    return persons
