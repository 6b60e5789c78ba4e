"""Why a keypoint is off: Ronchi & Perona's classes, and the finer causes that whole bodies need.

Beyond the body's 17 keypoints a nearby wrong place explains little: in a face or foot the circles of
ks .5 around left and right overlap, and any error that is large enough reaches one of them. There the cause
"inversion" or "swap" asks for more (`_evident`), while the column `ronchi` keeps to the paper's rules.
How often each cause would come about by chance: `wbkit.failures.chance_rates`.

Where this departs from coco-analyze, the paper's code: `wbkit.failures.DEPARTURES`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from wbkit.failures.classes import (
    CLEAR_RATIO,
    CODES,
    GOOD_SIMILARITY,
    MIRRORED_POINTS,
    NEAR_SIMILARITY,
    PART_SLICES,
    PREDICTED_SCORE,
    SWAPPED_HAND_POINTS,
)
from wbkit.failures.pairs import Pairs
from wbkit.failures.wholebody import collapsed, mirrored_parts, shifted_fingers, slid
from wbkit.keypoints import FLIP_INDICES, NUM_KEYPOINTS, PARTS, SIGMAS
from wbkit.matching import keypoint_similarity

_CHUNK = 1 << 19  # comparisons of a point with another person's at once; a few tens of MB


@dataclass(frozen=True, eq=False)
class Classes:
    """The class of each of the (P, 133) points of `Pairs`.

    Attributes:
        causes: (P, 133) int8, index into `CAUSES`.
        ronchi: (P, 133) int8, index into `CAUSES`: good, jitter, inversion, swap or miss, by the paper's
            rules alone; person_missed or unlabelled where these do not apply.
        confused_keypoints: (P, 133) int16: the keypoint that the point lies on (inversion, hand swap,
            swap, wrong finger), -1 for none.
        confused_persons: (P, 133) int32: whom that keypoint belongs to where it is another person (swap),
            an index into the annotations; -1 for none.
        mirrored_similarity, other_similarity: (P, 133) ks with the mirrored keypoint of the same person,
            and the highest with the same or mirrored keypoint of another; NaN where there is none, and
            for `other_similarity` where the point is good or has no label.
    """

    causes: np.ndarray
    ronchi: np.ndarray
    confused_keypoints: np.ndarray
    confused_persons: np.ndarray
    mirrored_similarity: np.ndarray
    other_similarity: np.ndarray


def classify(pairs: Pairs) -> Classes:
    """Give every point of every person exactly one cause, and its class by Ronchi & Perona.

    `wbkit.failures.class_table()` prints the definitions. Order of precedence: no label (unlabelled,
    hallucinated), person missed, part not predicted, good, collapse, then the nearest of own, mirrored and
    other persons' keypoints (jitter, inversion, swap), where hands, fingers and contours may explain
    several points together better (hand_swap, wrong_finger, contour_slide), else miss.
    """
    labelled = pairs.labelled
    judged = labelled & pairs.found[:, None]  # (P, 133)
    own = np.where(judged, pairs.similarity, -1.0)
    mirrored = _mirrored_similarity(pairs)
    doubtful = judged & ~(own >= GOOD_SIMILARITY)
    other, other_person, other_keypoint = _other_similarity(pairs, doubtful)
    ronchi = np.full(own.shape, CODES["miss"], np.int8)
    best = np.fmax(own, np.fmax(mirrored, other))  # (P, 133)
    near = doubtful & (best >= NEAR_SIMILARITY)
    ronchi[near] = CODES["swap"]
    ronchi[near & (mirrored == best)] = CODES["inversion"]
    ronchi[near & (own == best)] = CODES["jitter"]
    ronchi[judged & ~doubtful] = CODES["good"]
    ronchi[judged & pairs.left_out] = CODES["miss"]  # zeros in a file are no place
    ronchi[~pairs.found] = CODES["person_missed"]
    ronchi[~labelled] = CODES["unlabelled"]
    causes = _with_evidence(pairs, ronchi, own, mirrored, other_person, other_keypoint)
    finger_keypoint = _refine(pairs, causes, doubtful)
    causes[labelled & pairs.left_out] = CODES["not_predicted"]
    causes[_hallucinated(pairs)] = CODES["hallucinated"]
    keypoint = np.full(own.shape, -1, np.int16)
    inverted = (causes == CODES["inversion"]) | (causes == CODES["hand_swap"])
    keypoint = np.where(inverted, FLIP_INDICES.astype(np.int16), keypoint)
    swapped = causes == CODES["swap"]
    keypoint[swapped] = other_keypoint[swapped]
    shifted = causes == CODES["wrong_finger"]
    keypoint[shifted] = finger_keypoint[shifted]
    person = np.where(swapped, other_person, -1).astype(np.int32)
    return Classes(causes, ronchi, keypoint, person, mirrored, other)


def _with_evidence(
    pairs: Pairs,
    ronchi: np.ndarray,
    own: np.ndarray,
    mirrored: np.ndarray,
    other_person: np.ndarray,
    other_keypoint: np.ndarray,
) -> np.ndarray:
    """(P, 133) causes: beyond the body's 17 an inversion or swap without evidence is a jitter or miss.

    Parts mirrored as a whole need no more: their many points are evidence enough. For hands it has a name.
    """
    causes, beyond_body = ronchi.copy(), np.arange(NUM_KEYPOINTS) >= PARTS["body"].stop
    hands = dict.fromkeys(("lefthand", "righthand"), SWAPPED_HAND_POINTS)
    causes[(ronchi == CODES["inversion"]) & mirrored_parts(own, mirrored, hands)] = CODES["hand_swap"]
    mirrored_whole = mirrored_parts(own, mirrored, MIRRORED_POINTS)
    for name in ("inversion", "swap"):
        row, point = np.nonzero((causes == CODES[name]) & beyond_body)
        if name == "inversion":
            alone = ~mirrored_whole[row, point]
            row, point = row[alone], point[alone]
            whom, which = pairs.persons[row], FLIP_INDICES[point]
        else:
            whom, which = other_person[row, point], other_keypoint[row, point]
        weak = ~_evident(pairs, row, point, whom, which)
        row, point = row[weak], point[weak]
        near = own[row, point] >= NEAR_SIMILARITY
        causes[row, point] = np.where(near, CODES["jitter"], CODES["miss"])
    return causes


def _evident(
    pairs: Pairs, row: np.ndarray, point: np.ndarray, whom: np.ndarray, which: np.ndarray
) -> np.ndarray:
    """Whether points lie on another place rather than somewhere near both: (M,) indices each -> (M,) bool.

    The circles of ks .5 around the own and the other place must be apart, and the other place at most
    `CLEAR_RATIO` of the own one's distance away.

    Args:
        row: of `pairs`. point: keypoint. whom: whose other place, an index into the annotations. which:
            keypoint.
    """
    own, other = pairs.truth[row, point, :2], pairs.annotations.keypoints[whom, which, :2]  # (M, 2)
    predicted = pairs.predicted[row, point, :2]
    sizes = np.sqrt(pairs.areas[row]) + np.sqrt(pairs.annotations.areas[whom])
    apart = np.hypot(*(own - other).T) >= 2 * SIGMAS[point] * sizes * np.sqrt(-2 * np.log(NEAR_SIMILARITY))
    return apart & (np.hypot(*(predicted - other).T) <= CLEAR_RATIO * np.hypot(*(predicted - own).T))


def _refine(pairs: Pairs, causes: np.ndarray, doubtful: np.ndarray) -> np.ndarray:
    """Name fingers, slides and collapses in the causes; (P, 133) the other finger's joint, -1 for none."""
    judged = pairs.labelled & pairs.found[:, None]
    truth, predicted = pairs.truth[..., :2], pairs.predicted[..., :2]
    inverted = causes == CODES["inversion"]
    open_ = doubtful & ((causes == CODES["jitter"]) | (causes == CODES["miss"]))
    finger_keypoint = shifted_fingers(predicted, truth, pairs.labelled, pairs.areas, open_)  # (P, 133)
    causes[slid(predicted, truth, pairs.labelled, open_, inverted)] = CODES["contour_slide"]
    causes[finger_keypoint >= 0] = CODES["wrong_finger"]
    causes[doubtful & collapsed(predicted, truth, judged)] = CODES["collapse"]
    return finger_keypoint


def _mirrored_similarity(pairs: Pairs) -> np.ndarray:
    """(P, 133) ks of each prediction with the same person's mirrored keypoint; NaN where there is none."""
    truth = pairs.truth[:, FLIP_INDICES]
    ks = keypoint_similarity(pairs.predicted[..., :2] - truth[..., :2], pairs.areas, SIGMAS)
    exists = (FLIP_INDICES != np.arange(NUM_KEYPOINTS)) & (truth[..., 2] > 0)
    return np.where(exists & pairs.labelled, ks, np.nan)


def _other_similarity(pairs: Pairs, doubtful: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Highest ks of the doubtful points with the same or mirrored keypoint of others in the picture.

    Returns:
        (P, 133) ks, NaN where there is nobody; (P, 133) whose, (P, 133) which keypoint; -1 for none.
    """
    best = np.full(doubtful.shape, np.nan)
    person, keypoint = (np.full(doubtful.shape, -1, np.int64) for _ in range(2))
    rows, others = _neighbours(pairs)  # (Q,) index into the P persons, (Q,) index into the annotations
    truth, areas = pairs.annotations.keypoints, pairs.annotations.areas
    step = max(1, _CHUNK // NUM_KEYPOINTS)
    for start in range(0, len(rows), step):
        row, other = rows[start : start + step], others[start : start + step]
        pair, point = np.nonzero(doubtful[row])  # (M,) each
        who, whom = row[pair], other[pair]
        for target in (point, FLIP_INDICES[point]):
            goal = truth[whom, target]  # (M, 3)
            offsets = pairs.predicted[who, point, :2] - goal[:, :2]
            ks = keypoint_similarity(offsets[:, None], areas[whom], SIGMAS[point][:, None])[:, 0]
            ks[goal[:, 2] <= 0] = -1
            # Worst first, so that of several others of one point the best is written last.
            order = np.argsort(ks, kind="stable")
            order = order[ks[order] > np.nan_to_num(best[who[order], point[order]], nan=-1.0)]
            place = (who[order], point[order])
            best[place], person[place], keypoint[place] = ks[order], whom[order], target[order]
    return best, person, keypoint


def _neighbours(pairs: Pairs) -> tuple[np.ndarray, np.ndarray]:
    """Each found person with each other labelled person of the picture: (Q,) rows, (Q,) annotations."""
    image_ids = pairs.annotations.person_image_ids
    some_label = np.flatnonzero((pairs.annotations.keypoints[..., 2] > 0).any(1))
    some_label = some_label[np.argsort(image_ids[some_label], kind="stable")]
    found = np.flatnonzero(pairs.found)
    wanted = image_ids[pairs.persons[found]]  # picture of each found person
    first = np.searchsorted(image_ids[some_label], wanted, side="left")
    count = np.searchsorted(image_ids[some_label], wanted, side="right") - first
    rows = np.repeat(found, count)
    slot = np.arange(len(rows)) - np.repeat(np.cumsum(count) - count, count)
    others = some_label[np.repeat(first, count) + slot]
    different = others != pairs.persons[rows]
    return rows[different], others[different]


def _hallucinated(pairs: Pairs) -> np.ndarray:
    """(P, 133) bool: no label, but predicted where the part has none or outside the picture."""
    unlabelled = ~pairs.labelled
    out = np.zeros(unlabelled.shape, bool)
    for part in PART_SLICES.values():
        out[:, part] = unlabelled[:, part].all(1)[:, None]
    out |= outside_picture(pairs)
    with np.errstate(invalid="ignore"):
        return unlabelled & out & (pairs.predicted[..., 2] > PREDICTED_SCORE)


def outside_picture(pairs: Pairs) -> np.ndarray:
    """(P, 133) bool: the prediction lies outside the picture; False where its size is not known.

    Pixel centres are whole numbers, so a picture of width W reaches from -0.5 to W - 0.5.
    """
    sizes = person_pictures(pairs.annotations, pairs.persons)[:, None]  # (P, 1, 2)
    xy = pairs.predicted[..., :2]
    return ((xy < -0.5) | (xy > sizes - 0.5)).any(-1) & (sizes > 0).all(-1)


def person_pictures(annotations, persons: np.ndarray) -> np.ndarray:
    """(P, 2) size (W, H) px of each person's picture; 0 where the file does not say."""
    return annotations.image_sizes_wh[annotations.pictures_of(annotations.person_image_ids[persons])]
