"""The official matching of one part, kept so that a change matches again only the pictures it touches."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from wbkit.columns import SCORED_PARTS, Results
from wbkit.failures.pairs import Pairs
from wbkit.keypoints import PARTS
from wbkit.matching import (
    AREA_RANGES,
    OKS_THRESHOLDS,
    evaluated_detections,
    matched_persons,
    oks_of_pairs,
    pairs_by_picture,
)


@dataclass(frozen=True, eq=False)
class PartMatching:
    """The matching of one part over all person sizes, as `wbkit.matching.match` has it for the range "all".

    Attributes:
        part: a key of `PARTS`. image_ids: (I,) int64, ascending.
        crowd: (N,) bool, of the annotations. person_pictures: (N,) int64 indices into `image_ids`.
        detections, pictures, scores: (E,) as in `wbkit.matching.Matches`; detections that leave this part
            out although a person is assigned to them are there too, removed.
        out_of_range: (E,) bool: ignored if unmatched (an impossible area).
        removed: (E,) bool: as if not in the results.
        ignored_persons: (N,) bool: need not be found.
        pair_positions, pair_persons, pair_oks: (C,) as in `Matches`.
        persons: (E, T) int64, the person each is matched to, -1 if none.
    """

    part: str
    image_ids: np.ndarray
    crowd: np.ndarray
    person_pictures: np.ndarray
    detections: np.ndarray
    pictures: np.ndarray
    scores: np.ndarray
    out_of_range: np.ndarray
    removed: np.ndarray
    ignored_persons: np.ndarray
    pair_positions: np.ndarray
    pair_persons: np.ndarray
    pair_oks: np.ndarray
    persons: np.ndarray

    @property
    def ignored(self) -> np.ndarray:
        """(E, T) bool: neither right nor wrong."""
        matched = self.persons >= 0
        to_ignored = matched & np.append(self.ignored_persons, False)[self.persons]
        return to_ignored | (~matched & self.out_of_range[:, None]) | self.removed[:, None]


def match_part(pairs: Pairs, part: str) -> PartMatching:
    """The official matching of a part, before any repair; made once, for all tables are about the same."""
    if part not in pairs.matchings:
        pairs.matchings[part] = _match_part(pairs, part)
    return pairs.matchings[part]


def _match_part(pairs: Pairs, part: str) -> PartMatching:
    annotations, results = pairs.annotations, pairs.results
    image_ids = np.sort(annotations.image_ids)
    detections, pictures, scores, absent = _with_absent(pairs, image_ids, part)
    positions, persons = pairs_by_picture(annotations, image_ids, pictures)
    oks = oks_of_pairs(annotations, results, part, detections[positions], persons)
    low, high = AREA_RANGES["all"]
    out_of_range = [
        (areas < low) | (areas > high) for areas in (results.areas[detections], annotations.areas)
    ]
    unlabelled = ~(annotations.keypoints[:, PARTS[part], 2] > 0).any(1)
    empty = PartMatching(
        part=part,
        image_ids=image_ids,
        crowd=annotations.crowd,
        person_pictures=np.searchsorted(image_ids, annotations.person_image_ids),
        detections=detections,
        pictures=pictures,
        scores=scores,
        out_of_range=out_of_range[0],
        removed=absent,
        ignored_persons=unlabelled | annotations.crowd | out_of_range[1],
        pair_positions=positions,
        pair_persons=persons,
        pair_oks=oks,
        persons=np.full((len(detections), len(OKS_THRESHOLDS)), -1),
    )
    return _matched(empty, np.ones(len(image_ids), bool))


def _with_absent(
    pairs: Pairs, image_ids: np.ndarray, part: str
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """The reference's detections and those that leave the part out of a person they are assigned to.

    Returns:
        (E,) detections, pictures, scores, and bool: leaves the part out.
    """
    results = pairs.results
    seen, _, _ = evaluated_detections(results, image_ids, part)
    assigned = pairs.detections[pairs.found]
    absent = assigned[(results.keypoints[assigned, PARTS[part], 2] <= 0).all(1)]
    detections = np.concatenate([seen, absent])
    all_scores = results.scores if part == "body" else results.part_scores[:, SCORED_PARTS.index(part)]
    pictures, scores = np.searchsorted(image_ids, results.image_ids[detections]), all_scores[detections]
    order = np.lexsort((detections, -scores, pictures))  # the reference's order
    left_out = np.arange(len(detections)) >= len(seen)
    return detections[order], pictures[order], scores[order], left_out[order]


def change(
    matching: PartMatching,
    *,
    pair_oks: np.ndarray | None = None,
    removed: np.ndarray | None = None,
    ignored_persons: np.ndarray | None = None,
) -> PartMatching:
    """The matching with other similarities (C,), removed detections (E,) or ignored persons (N,)."""
    new = replace(
        matching,
        pair_oks=matching.pair_oks if pair_oks is None else pair_oks,
        removed=matching.removed if removed is None else removed,
        ignored_persons=matching.ignored_persons if ignored_persons is None else ignored_persons,
    )
    touched = np.zeros(len(matching.image_ids), bool)
    touched[matching.pictures[matching.pair_positions[new.pair_oks != matching.pair_oks]]] = True
    touched[matching.pictures[new.removed != matching.removed]] = True
    touched[matching.person_pictures[new.ignored_persons != matching.ignored_persons]] = True
    return _matched(new, touched)


def rescored(matching: PartMatching, scores: np.ndarray) -> PartMatching:
    """The matching with other scores (E,): detections are sorted anew in each picture."""
    order = np.lexsort((-scores, matching.pictures))  # stable
    place = np.empty(len(order), np.int64)
    place[order] = np.arange(len(order))
    columns = {k: getattr(matching, k)[order] for k in ("detections", "out_of_range", "removed", "persons")}
    by_position = np.argsort(place[matching.pair_positions], kind="stable")
    columns["pair_positions"] = place[matching.pair_positions][by_position]
    columns |= {k: getattr(matching, k)[by_position] for k in ("pair_persons", "pair_oks")}
    new = replace(matching, scores=scores[order], **columns)
    touched = np.zeros(len(matching.image_ids), bool)
    touched[matching.pictures[order != np.arange(len(order))]] = True
    return _matched(new, touched)


def moved_oks(
    matching: PartMatching, pairs: Pairs, assigned: Results, points: np.ndarray, moved: np.ndarray
) -> np.ndarray:
    """(C,) similarities after keypoints of the assigned detections moved.

    Args:
        assigned: of P persons, the rows of their detections (any row for a missed person).
        points: (P, 133, 2) where the keypoints are now. moved: (P, 133) bool, which have moved.
    """
    part = PARTS[matching.part]
    rows = np.flatnonzero(moved[:, part].any(1) & pairs.found)
    row_of = np.full(len(pairs.results) + 1, -1)
    row_of[pairs.detections[rows]] = rows
    row = row_of[matching.detections][matching.pair_positions]  # (C,)
    touched = np.flatnonzero(row >= 0)
    oks = matching.pair_oks.copy()
    if len(touched):
        keypoints = np.concatenate([points, assigned.keypoints[..., 2:]], axis=2)
        there = replace(assigned, keypoints=keypoints)
        persons = matching.pair_persons[touched]
        oks[touched] = oks_of_pairs(pairs.annotations, there, matching.part, row[touched], persons)
    return oks


def best_scores(matching: PartMatching) -> np.ndarray:
    """Scores that rank detections as well as possible: (E,) OKS with the person each fits best.

    Ronchi & Perona's optimal scores, assigned greedily: of all pairs of a picture the most similar is
    taken first, each detection and each person once. A detection that gets nobody has -1.
    """
    usable = ~matching.ignored_persons[matching.pair_persons] & ~matching.removed[matching.pair_positions]
    usable &= matching.pair_oks >= OKS_THRESHOLDS[0]
    chosen = np.flatnonzero(usable)
    chosen = chosen[np.argsort(-matching.pair_oks[chosen], kind="stable")]
    scores = np.full(len(matching.detections), -1.0)
    used: set[int] = set()
    columns = (matching.pair_positions, matching.pair_persons, matching.pair_oks)
    for position, person, oks in zip(*(c[chosen].tolist() for c in columns), strict=True):
        if scores[position] < 0 and person not in used:
            scores[position] = oks
            used.add(person)
    return scores


def _matched(matching: PartMatching, pictures: np.ndarray) -> PartMatching:
    """Match the given pictures ((I,) bool) again, and keep what was found in the others."""
    again = pictures[matching.pictures]  # (E,)
    taking_part = again[matching.pair_positions] & ~matching.removed[matching.pair_positions]  # (C,)
    found = matched_persons(
        matching.pictures,
        matching.pair_positions[taking_part],
        matching.pair_persons[taking_part],
        matching.pair_oks[taking_part],
        matching.ignored_persons[:, None],
        matching.crowd,
    )[:, 0]  # (E, T)
    return replace(matching, persons=np.where(again[:, None], found, matching.persons))
