"""Which detection belongs to which labelled person, whatever the scores.

The official matching goes by score and starts at OKS .5, so it cannot explain what it rejects. Here the
best-placed detection belongs to a person, from OKS .1 on: the threshold from which Ronchi & Perona (ICCV
2017) speak of a localisation error rather than of background.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from wbkit.columns import Annotations, Results
from wbkit.keypoints import NUM_KEYPOINTS, PARTS, SIGMAS
from wbkit.matching import (
    evaluated_detections,
    keypoint_similarity,
    oks_of_pairs,
    pairs_by_picture,
    require_known_images,
)

ASSIGNED_OKS = 0.1
"""A detection is about a person from this OKS on."""


@dataclass(frozen=True, eq=False)
class Pairs:
    """P labelled persons who count (no crowds, at least one labelled keypoint), each with its detection.

    Attributes:
        annotations: the N labelled persons. results: the D detections.
        persons: (P,) int64 indices into the annotations, ascending.
        detections: (P,) int64 indices into the results, -1 where the person was missed.
        oks: (P,) float64 similarity of the pair (see `pair_up`), NaN where missed.
        evaluated: (E,) int64 detections that the reference evaluates for the whole body.
        candidate_detections, candidate_persons: (C,) int64 every pair of an evaluated detection and a
            person of `persons` in one picture. candidate_oks: (C,) float64 their similarity.
        truth: (P, 133, 3) x, y image px, v.
        predicted: (P, 133, 3) x, y image px, score; NaN where missed. Parts that a file leaves out are zeros
            in it; `left_out` tells which.
        areas: (P,) px^2.
        similarity: (P, 133) ks; NaN where not labelled or missed.
        matchings: part -> its official matching, made when first asked for (`rematch.match_part`).
    """

    annotations: Annotations
    results: Results
    persons: np.ndarray
    detections: np.ndarray
    oks: np.ndarray
    evaluated: np.ndarray
    candidate_detections: np.ndarray
    candidate_persons: np.ndarray
    candidate_oks: np.ndarray
    truth: np.ndarray = field(repr=False)
    predicted: np.ndarray = field(repr=False)
    areas: np.ndarray
    similarity: np.ndarray = field(repr=False)
    matchings: dict[str, object] = field(default_factory=dict, init=False, repr=False)

    @property
    def found(self) -> np.ndarray:
        """(P,) bool: has a detection."""
        return self.detections >= 0

    @property
    def labelled(self) -> np.ndarray:
        """(P, 133) bool."""
        return self.truth[..., 2] > 0

    @property
    def left_out(self) -> np.ndarray:
        """(P, 133) bool: the person is found, but no score of the point's part is above 0.

        The reference drops such a detection for the part; its coordinates are no prediction.
        """
        absent = np.zeros(self.similarity.shape, bool)
        for name, part in PARTS.items():
            if name != "wholebody":
                absent[:, part] = (self.found & (self.predicted[:, part, 2] <= 0).all(1))[:, None]
        return absent


def pair_up(annotations: Annotations, results: Results) -> Pairs:
    """Give each labelled person at most one detection, the best placed first.

    The similarity of a pair is the larger of its OKS over the 17 body keypoints and over all 133 (the
    68 face points, most of all labels, must not hide a body that is found). All pairs of a picture with
    a similarity of `ASSIGNED_OKS` or more are taken from the highest down, each detection and each
    person once; of equals the higher score goes first. Detections are those that the reference looks at:
    with a keypoint score above 0, and among the picture's 20 best scores.

    Raises:
        InputError: a result names a picture that the annotations lack.
    """
    require_known_images(annotations, results)
    counts = (annotations.keypoints[..., 2] > 0).any(1) & ~annotations.crowd  # (N,)
    image_ids = np.sort(annotations.image_ids)
    evaluated, pictures, scores = evaluated_detections(results, image_ids, "wholebody")  # (E,) each
    positions, persons = pairs_by_picture(annotations, image_ids, pictures)
    kept = counts[persons]
    positions, persons = positions[kept], persons[kept]  # (C,)
    similarity = _pair_similarity(annotations, results, evaluated[positions], persons)  # (C,)
    chosen = _greedy(similarity, scores[positions], positions, persons)  # indices into the C pairs
    detection_of = np.full(len(annotations), -1)
    oks_of = np.full(len(annotations), np.nan)
    detection_of[persons[chosen]] = evaluated[positions[chosen]]
    oks_of[persons[chosen]] = similarity[chosen]
    who = np.flatnonzero(counts)
    detections = detection_of[who]
    truth, areas = annotations.keypoints[who], annotations.areas[who]
    predicted = np.full((len(who), NUM_KEYPOINTS, 3), np.nan)
    predicted[detections >= 0] = results.keypoints[detections[detections >= 0]]
    ks = keypoint_similarity(predicted[..., :2] - truth[..., :2], areas, SIGMAS)  # (P, 133)
    ks[truth[..., 2] <= 0] = np.nan
    candidates = (evaluated[positions], persons, similarity)
    columns = (who, detections, oks_of[who], evaluated, *candidates, truth, predicted, areas, ks)
    return Pairs(annotations, results, *columns)


def _pair_similarity(
    annotations: Annotations, results: Results, detections: np.ndarray, persons: np.ndarray
) -> np.ndarray:
    """(C,) the larger of body and whole-body OKS; a body without labels does not count."""
    similarity = oks_of_pairs(annotations, results, "wholebody", detections, persons)
    with_body = (annotations.keypoints[:, PARTS["body"], 2] > 0).any(1)[persons]  # (C,)
    body = oks_of_pairs(annotations, results, "body", detections[with_body], persons[with_body])
    similarity[with_body] = np.maximum(similarity[with_body], body)
    return similarity


def _greedy(
    similarity: np.ndarray, scores: np.ndarray, detections: np.ndarray, persons: np.ndarray
) -> np.ndarray:
    """Indices of the taken pairs, from the most similar down, nobody twice."""
    near = np.flatnonzero(similarity >= ASSIGNED_OKS)
    order = near[np.lexsort((-scores[near], -similarity[near]))]
    used_detections, used_persons, taken = set(), set(), []
    for pair, d, p in zip(order.tolist(), detections[order].tolist(), persons[order].tolist(), strict=True):
        if d not in used_detections and p not in used_persons:
            used_detections.add(d)
            used_persons.add(p)
            taken.append(pair)
    return np.array(taken, dtype=np.int64)
