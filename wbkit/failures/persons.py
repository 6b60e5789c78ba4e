"""Whole persons: found, missed, found twice, or not there at all, and scores in the wrong order."""

from __future__ import annotations

import numpy as np
import pandas as pd

from wbkit.failures.analysis import Analysis, AnnotationSource, ResultSource, analyse
from wbkit.failures.attributes import crowding, truncated
from wbkit.failures.pairs import ASSIGNED_OKS, Pairs
from wbkit.keypoints import PARTS
from wbkit.matching import evaluated_detections, oks_of_pairs, pairs_by_picture

VERDICTS = ("assigned", "duplicate", "ignored", "background", "not_evaluated")
"""What a detection is: exactly one of these.

assigned: it belongs to a person (`pair_up`). duplicate: it does not, but has an OKS of at least .1 with a
labelled person. ignored: neither, and over an ignored person (crowd, or without labels) as the reference has
it, from OKS .5 on. background: none of these. not_evaluated: the reference does not look at it (no score
above 0, or not among the picture's 20 best).
"""
_IGNORED_OKS = 0.5


def detection_verdicts(pairs: Pairs) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What each of the D detections is.

    Returns:
        (D,) int8 index into `VERDICTS`; (D,) int64 the labelled person it is assigned to, else the one it
        fits best, an index into the annotations, -1 for none; (D,) float64 their similarity, NaN for none.
    """
    count = len(pairs.results)
    order = np.argsort(pairs.candidate_oks, kind="stable")  # the best is written last
    nearest, similarity = np.full(count, -1), np.full(count, np.nan)
    nearest[pairs.candidate_detections[order]] = pairs.candidate_persons[order]
    similarity[pairs.candidate_detections[order]] = pairs.candidate_oks[order]
    verdicts = np.full(count, VERDICTS.index("not_evaluated"), np.int8)
    verdicts[pairs.evaluated] = VERDICTS.index("background")
    verdicts[_over_ignored(pairs)] = VERDICTS.index("ignored")
    with np.errstate(invalid="ignore"):
        verdicts[similarity >= ASSIGNED_OKS] = VERDICTS.index("duplicate")
    assigned = pairs.detections[pairs.found]
    verdicts[assigned] = VERDICTS.index("assigned")
    nearest[assigned], similarity[assigned] = pairs.persons[pairs.found], pairs.oks[pairs.found]
    return verdicts, nearest, similarity


def _over_ignored(pairs: Pairs) -> np.ndarray:
    """Indices of the evaluated detections over somebody who is no labelled person."""
    annotations = pairs.annotations
    counted = np.zeros(len(annotations), bool)
    counted[pairs.persons] = True
    image_ids = np.sort(annotations.image_ids)
    detections, pictures, _ = evaluated_detections(pairs.results, image_ids, "wholebody")
    positions, persons = pairs_by_picture(annotations, image_ids, pictures)
    kept = ~counted[persons]
    found = detections[positions[kept]]
    oks = oks_of_pairs(annotations, pairs.results, "wholebody", found, persons[kept])
    return found[oks >= _IGNORED_OKS]


def detection_table(
    annotations: AnnotationSource | Analysis, results: ResultSource | None = None
) -> pd.DataFrame:
    """Every detection as a row.

    Returns:
        Rows in the file's order. Columns: image_id (int64), score (float64), verdict (category, `VERDICTS`),
        person_id (int64, the labelled person it is assigned to, else the one it fits best, -1 for none), oks
        (float64, the larger of body and whole-body OKS with that person, NaN for none), area (float64, px^2).

    Raises:
        InputError: as `analyse`.
    """
    pairs = analyse(annotations, results).pairs
    verdicts, nearest, similarity = detection_verdicts(pairs)
    ids = np.append(pairs.annotations.ids, -1)
    columns = {
        "image_id": pairs.results.image_ids,
        "score": pairs.results.scores,
        "verdict": pd.Categorical.from_codes(verdicts, categories=list(VERDICTS)),
        "person_id": ids[nearest],
        "oks": similarity,
        "area": pairs.results.areas,
    }
    return pd.DataFrame(columns).rename_axis("detection")


def person_table(
    annotations: AnnotationSource | Analysis, results: ResultSource | None = None
) -> pd.DataFrame:
    """Every labelled person (no crowds) as a row: found or not, and whether the scores are in order.

    A scoring error (Ronchi & Perona): another detection that fits this person best has a higher score than
    the assigned one, which is placed better. It costs AP because the official matching goes by score.

    Returns:
        Rows in the file's order, index `person` (into the file's annotations). Columns: image_id, person_id
        (int64), area (px^2), labelled (keypoints), truncated (bool), overlap, neighbours (see
        `keypoint_table`); detection (int64, -1 if missed), oks (of the pair, NaN if missed), body_oks ...
        wholebody_oks (official OKS of the pair in each part, NaN without labels in it), score; duplicates
        (how many others fit this person best), scoring_error (bool), rival (int64, the highest-scored of
        the duplicates that beat the assigned one, -1 for none), rival_score, rival_oks.

    Raises:
        InputError: as `analyse`.
    """
    pairs = analyse(annotations, results).pairs
    truth, found = pairs.annotations, pairs.found
    overlap, neighbours = crowding(truth, pairs.persons)
    scores = np.append(pairs.results.scores, np.nan)  # index -1: nobody
    columns = {
        "image_id": truth.person_image_ids[pairs.persons],
        "person_id": truth.ids[pairs.persons],
        "area": pairs.areas,
        "labelled": pairs.labelled.sum(1),
        "truncated": truncated(truth, pairs.persons),
        "overlap": overlap,
        "neighbours": neighbours,
        "detection": pairs.detections,
        "oks": pairs.oks,
        **{f"{part}_oks": _part_oks(pairs, part) for part in PARTS},
        "score": np.where(found, scores[pairs.detections], np.nan),
        **_rivals(pairs),
    }
    return pd.DataFrame(columns, index=pd.Index(pairs.persons, name="person"))


def _part_oks(pairs: Pairs, part: str) -> np.ndarray:
    """(P,) mean ks of a part's labelled points; NaN where there is none or the person was missed."""
    ks = pairs.similarity[:, PARTS[part]]
    count = (~np.isnan(ks)).sum(1)
    return np.where(count > 0, np.nansum(ks, axis=1) / np.maximum(count, 1), np.nan)


def duplicates_of(pairs: Pairs) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """The n detections that fit a person best without being assigned.

    Returns:
        (n,) int64 indices of detections; (n,) int64 the row of `pairs.persons` that each repeats; (n,)
        float64 their similarity; (n,) bool, whether that is below the person's own and the score above it.
    """
    verdicts, nearest, similarity = detection_verdicts(pairs)
    row_of = np.full(len(pairs.annotations) + 1, -1)
    row_of[pairs.persons] = np.arange(len(pairs.persons))
    others = np.flatnonzero(verdicts == VERDICTS.index("duplicate"))
    rows, scores = row_of[nearest[others]], pairs.results.scores
    own_score = np.append(scores, np.nan)[pairs.detections]  # (P,)
    with np.errstate(invalid="ignore"):
        beats = (scores[others] > own_score[rows]) & (similarity[others] < pairs.oks[rows])
    return others, rows, similarity[others], beats


def _rivals(pairs: Pairs) -> dict[str, np.ndarray]:
    """How many duplicates a person has, and the one whose score is too high."""
    others, rows, similarity, beats = duplicates_of(pairs)
    scores = pairs.results.scores
    rival, rival_oks = np.full(len(pairs.persons), -1), np.full(len(pairs.persons), np.nan)
    order = np.argsort(scores[others[beats]], kind="stable")  # the highest score is written last
    winners = np.flatnonzero(beats)[order]
    rival[rows[winners]], rival_oks[rows[winners]] = others[winners], similarity[winners]
    return {
        "duplicates": np.bincount(rows, minlength=len(pairs.persons)),
        "scoring_error": rival >= 0,
        "rival": rival,
        "rival_score": np.append(scores, np.nan)[rival],
        "rival_oks": rival_oks,
    }


def verdict_table(table: pd.DataFrame) -> pd.DataFrame:
    """How many detections are what: rows `VERDICTS`, columns count, share, mean_score.

    Args:
        table: of `detection_table`, or any rows of it.
    """
    grouped = table.groupby("verdict", observed=False)["score"]
    count = grouped.size()
    columns = {"count": count, "share": count / max(len(table), 1), "mean_score": grouped.mean()}
    return pd.DataFrame(columns)
