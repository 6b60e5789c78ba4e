"""One tidy row for every keypoint of every labelled person: what was predicted, how far off, and why."""

from __future__ import annotations

import numpy as np
import pandas as pd

from wbkit.failures.analysis import Analysis, AnnotationSource, ResultSource, analyse
from wbkit.failures.attributes import crowding, part_sizes, truncated
from wbkit.failures.classes import CAUSES, PART_SLICES, RONCHI_CLASSES
from wbkit.keypoints import FLIP_PAIRS, KEYPOINTS, NUM_KEYPOINTS, PARTS, SIGMAS
from wbkit.matching import keypoint_similarity

SIDES = ("left", "right", "middle")
_LEFT_LOWER_LIPS = (78, 79, 88)
PART_OF = np.repeat(np.arange(len(PART_SLICES)), [s.stop - s.start for s in PART_SLICES.values()])
"""(133,) index of each keypoint's part in `PART_SLICES`."""


def keypoint_sides() -> np.ndarray:
    """(133,) index into `SIDES` of each keypoint: the subject's own side, face points included."""
    sides = np.full(NUM_KEYPOINTS, SIDES.index("middle"))
    for pair in FLIP_PAIRS:
        in_face = PARTS["face"].start <= pair[0] < PARTS["face"].stop
        # Names tell the sides. Face points have numbers: the first of a pair is the right one, except on the
        # lower edges of the lips, which run back from the left corner.
        left_first = pair[0] in _LEFT_LOWER_LIPS if in_face else KEYPOINTS[pair[0]].startswith("left")
        sides[pair] = [SIDES.index(s) for s in (("left", "right") if left_first else ("right", "left"))]
    return sides


def keypoint_table(
    annotations: AnnotationSource | Analysis, results: ResultSource | None = None
) -> pd.DataFrame:
    """Every keypoint of every labelled person (no crowds) as a row, 133 rows a person.

    Each person has the detection that `wbkit.failures.pairs.pair_up` gives it, whatever the scores; rows of
    missed persons have NaN predictions and the cause "person_missed".

    Returns:
        Rows ordered as the persons in the file, then as the 133 keypoints. Columns:
        image_id, person_id (int64, the file's ids), person, detection (int32, indices into the two files'
        records; detection is -1 if missed); part, keypoint, side (categories);
        v (float32, COCO's), x, y, x_pred, y_pred (float32, image px), error_px (distance),
        error_person (distance / sqrt of the person's area), error_part (distance / part_size);
        similarity (ks by the official person's area), similarity_part (ks with part_size^2 in its place);
        score (keypoint's), person_score, person_oks (of the pair, see `pair_up`);
        person_area (px^2), part_size (px, see `part_sizes`), truncated (bool: at the picture's border),
        overlap (highest box IoU with another person), neighbours (int16, people with IoU >= .1),
        person_labelled, part_labelled (int16, labelled keypoints);
        cause (category, `CAUSES`), ronchi (category: the five classes of the paper, or person_missed,
        unlabelled), confused_keypoint (category, the keypoint that the point lies on, NaN for none),
        confused_person_id (int64, whose if another person's, else -1).
        Errors and similarities are NaN where the point has no label or no prediction: the person is missed,
        or the part is left out (cause "not_predicted"; coordinates and score are NaN, too, and zeros in the
        file are not taken for a place). So `error_px.notna()` tells what was labelled and predicted.

    Raises:
        InputError: as `analyse`.
    """
    analysis = analyse(annotations, results)
    columns = {**_identity(analysis), **_measures(analysis), **_circumstances(analysis), **_causes(analysis)}
    return pd.DataFrame(columns, copy=False)


def _each(values: np.ndarray, dtype: type) -> np.ndarray:
    """(P,) -> one for each of the 133 rows of a person."""
    return np.repeat(values.astype(dtype), NUM_KEYPOINTS)


def _category(codes: np.ndarray, names: tuple[str, ...]) -> pd.Categorical:
    return pd.Categorical.from_codes(codes.astype(np.int16).ravel(), categories=list(names))


def _identity(analysis: Analysis) -> dict:
    pairs = analysis.pairs
    people = len(pairs.persons)
    return {
        "image_id": _each(analysis.annotations.person_image_ids[pairs.persons], np.int64),
        "person_id": _each(analysis.annotations.ids[pairs.persons], np.int64),
        "person": _each(pairs.persons, np.int32),
        "detection": _each(pairs.detections, np.int32),
        "part": _category(np.tile(PART_OF, people), tuple(PART_SLICES)),
        "keypoint": _category(np.tile(np.arange(NUM_KEYPOINTS), people), KEYPOINTS),
        "side": _category(np.tile(keypoint_sides(), people), SIDES),
    }


def _measures(analysis: Analysis) -> dict:
    pairs = analysis.pairs
    absent = pairs.left_out  # (P, 133)
    predicted = np.where(absent[..., None], np.nan, pairs.predicted)  # (P, 133, 3)
    offsets = predicted[..., :2] - pairs.truth[..., :2]  # (P, 133, 2)
    distance = np.where(pairs.labelled, np.hypot(offsets[..., 0], offsets[..., 1]), np.nan)
    size = part_sizes(analysis.annotations, pairs.persons)[:, PART_OF]  # (P, 133)
    by_part = keypoint_similarity(offsets[..., None, :], size**2, SIGMAS[:, None])[..., 0]  # (P, 133)
    scores = np.where(pairs.found, analysis.results.scores[pairs.detections], np.nan) if len(
        analysis.results
    ) else np.full(len(pairs.persons), np.nan)  # fmt: skip
    with np.errstate(divide="ignore", invalid="ignore"):  # a person without area has no relative error
        by_person = np.where(pairs.areas[:, None] > 0, distance / np.sqrt(pairs.areas)[:, None], np.nan)
    measures = {
        "v": pairs.truth[..., 2],
        "x": np.where(pairs.labelled, pairs.truth[..., 0], np.nan),
        "y": np.where(pairs.labelled, pairs.truth[..., 1], np.nan),
        "x_pred": predicted[..., 0],
        "y_pred": predicted[..., 1],
        "error_px": distance,
        "error_person": by_person,
        "error_part": distance / size,
        "similarity": np.where(absent, np.nan, pairs.similarity),
        "similarity_part": np.where(pairs.labelled, by_part, np.nan),
        "score": predicted[..., 2],
    }
    measures = {name: values.astype(np.float32).ravel() for name, values in measures.items()}
    people = {"person_score": _each(scores, np.float32), "person_oks": _each(pairs.oks, np.float32)}
    return measures | people | {"part_size": size.astype(np.float32).ravel()}


def _circumstances(analysis: Analysis) -> dict:
    pairs = analysis.pairs
    overlap, neighbours = crowding(analysis.annotations, pairs.persons)
    counts = [pairs.labelled[:, part].sum(1) for part in PART_SLICES.values()]
    in_part = np.stack(counts, 1)[:, PART_OF]  # (P, 133)
    return {
        "person_area": _each(pairs.areas, np.float32),
        "truncated": _each(truncated(analysis.annotations, pairs.persons), bool),
        "overlap": _each(overlap, np.float32),
        "neighbours": _each(neighbours, np.int16),
        "person_labelled": _each(pairs.labelled.sum(1), np.int16),
        "part_labelled": in_part.astype(np.int16).ravel(),
    }


def _causes(analysis: Analysis) -> dict:
    classes, ids = analysis.classes, analysis.annotations.ids
    names = (*RONCHI_CLASSES, "person_missed", "unlabelled")
    to_ronchi = np.array([names.index(c) if c in names else -1 for c in CAUSES])
    other = classes.confused_persons
    return {
        "cause": _category(classes.causes, CAUSES),
        "ronchi": _category(to_ronchi[classes.ronchi], names),
        "confused_keypoint": _category(classes.confused_keypoints, KEYPOINTS),
        "confused_person_id": np.where(other >= 0, ids[other] if len(ids) else -1, -1).ravel(),
    }


def cause_table(table: pd.DataFrame, by: str | list[str] = "part", *, column: str = "cause") -> pd.DataFrame:
    """How often each cause occurs among labelled keypoints.

    Args:
        table: of `keypoint_table`, or any rows of it.
        by: column or columns to group by.
        column: "cause" or "ronchi".

    Returns:
        A row for each group that occurs; columns `labelled` (how many keypoints) and the share of each
        class, which add up to 1. Hallucinated and unlabelled points are not in it.
    """
    labelled = table[table["v"] > 0]
    by = [by] if isinstance(by, str) else list(by)
    counts = labelled.groupby([*by, column], observed=False).size().unstack(column)
    counts = counts.drop(columns=["hallucinated", "unlabelled"], errors="ignore")
    total = counts.sum(axis=1)
    shares = counts.div(total, axis=0)[total > 0]
    shares.insert(0, "labelled", total[total > 0])
    shares.columns = pd.Index(shares.columns.astype(str), name=None)
    return shares


def hallucination_table(table: pd.DataFrame) -> pd.DataFrame:
    """Parts that are predicted although nothing of them is labelled, counted apart from the errors.

    Args:
        table: of `keypoint_table`.

    Returns:
        A row for each of the five parts; columns: persons (found, without a label in this part),
        hallucinated (share of these of whom at least half of the part's points score above .2), points
        (all hallucinated points, those outside the picture included), outside (hallucinated points of
        parts that have a label: they lie outside the picture).
    """
    found = table[(table["detection"] >= 0)]
    empty = found[found["part_labelled"] == 0]
    wrong = (empty["cause"] == "hallucinated").groupby([empty["part"], empty["person"]], observed=True).mean()
    persons = wrong.groupby("part", observed=False).size()
    share = (wrong >= 0.5).groupby("part", observed=False).mean()
    points = found[found["cause"] == "hallucinated"]
    outside = points[points["part_labelled"] > 0].groupby("part", observed=False).size()
    columns = {"persons": persons, "hallucinated": share}
    columns |= {"points": points.groupby("part", observed=False).size(), "outside": outside}
    return pd.DataFrame(columns).rename_axis("part")
