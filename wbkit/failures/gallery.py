"""The worst failures, ranked, with filters: what to look at first."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pandas as pd

from wbkit.errors import InputError
from wbkit.failures.classes import CAUSES, PART_SLICES
from wbkit.keypoints import KEYPOINTS

RANKINGS: dict[str, tuple[str, bool]] = {
    "similarity": ("similarity", True),
    "error_px": ("error_px", False),
    "error_person": ("error_person", False),
    "error_part": ("error_part", False),
    "score": ("score", False),
}
"""Ranking -> column of the keypoint table, and whether low values are worse.

"score" ranks the most confident errors first.
"""
LEVELS = ("keypoint", "part", "person")


def worst(
    table: pd.DataFrame,
    count: int = 20,
    *,
    level: str = "person",
    by: str = "similarity",
    part: str | Sequence[str] | None = None,
    keypoint: str | Sequence[str] | None = None,
    cause: str | Sequence[str] | None = None,
    where: Callable[[pd.DataFrame], pd.Series] | None = None,
    at_least: int = 1,
) -> pd.DataFrame:
    """The worst keypoints, parts or persons among those that pass all filters.

    Args:
        table: of `keypoint_table`. Labelled keypoints count; with a filter for the cause "hallucinated"
            also those without a label.
        count: how many rows to give.
        level: "keypoint" (one row each), "part" or "person" (the mean over its keypoints that pass; NaN
            of missed persons is the worst). In a person's mean similarity parts left out count 0; they have
            no error to be in a mean.
        by: a key of `RANKINGS`. "score" ranks keypoints that are not good by their score.
        part, keypoint, cause: keep only these (one name or several).
        where: any other filter: table -> bool Series, such as lambda t: t["person_area"] > 96**2.
        at_least: so many keypoints of the part or person must pass.

    Returns:
        Worst first. Level keypoint: the rows of the table. Else columns image_id, person_id, person,
        detection, (part,) value (mean of the ranking's column), keypoints (how many passed), worst_keypoint,
        cause (the most frequent), person_score, person_oks, person_area.

    Raises:
        InputError: an unknown name.
    """
    _require(level, LEVELS, "level")
    _require(by, RANKINGS, "ranking")
    rows = table[table["v"] > 0]
    if cause is not None:
        names = _names(cause, CAUSES, "cause")
        rows = table[table["cause"].isin(names)]
    if part is not None:
        rows = rows[rows["part"].isin(_names(part, tuple(PART_SLICES), "part"))]
    if keypoint is not None:
        rows = rows[rows["keypoint"].isin(_names(keypoint, KEYPOINTS, "keypoint"))]
    if by == "score":
        rows = rows[rows["cause"] != "good"]
    rows = rows[where(rows)] if where is not None else rows
    column, low_is_bad = RANKINGS[by]
    first = "last" if by == "score" else "first"  # a missed person has no error: the worst, but no score
    if level == "keypoint":
        return rows.sort_values(column, ascending=low_is_bad, na_position=first, kind="stable").head(count)
    grouped = _grouped(rows, level, column, low_is_bad)
    grouped = grouped[grouped["keypoints"] >= at_least]
    ranked = grouped.sort_values("value", ascending=low_is_bad, na_position=first, kind="stable")
    return ranked.head(count).reset_index(drop=True)


def _grouped(rows: pd.DataFrame, level: str, column: str, low_is_bad: bool) -> pd.DataFrame:
    keys = ["person", "part"] if level == "part" else ["person"]
    if column == "similarity":
        gone = (rows["cause"] == "not_predicted") & (level == "person")
        rows = rows.assign(similarity=rows[column].mask(gone, 0.0))
    # Worst first in each group (missed ones have no order), so that "first" is the worst keypoint.
    rows = rows.sort_values(column, ascending=low_is_bad, na_position="first", kind="stable")
    grouped = rows.groupby(keys, observed=True, sort=True)
    kept = ("image_id", "person_id", "detection", "person_score", "person_oks", "person_area")
    table = grouped.agg(
        value=(column, "mean"),
        keypoints=("v", "size"),
        worst_keypoint=("keypoint", "first"),
        **{name: (name, "first") for name in kept},
    )
    counts = rows.groupby([*keys, "cause"], observed=True).size().rename("count").reset_index()
    counts = counts.sort_values("count", ascending=False, kind="stable").drop_duplicates(keys)
    table["cause"] = counts.set_index(keys)["cause"]
    table = table.reset_index()
    order = ["image_id", "person_id", "person", "detection", *keys[1:], "value", "keypoints"]
    return table[[*order, "worst_keypoint", "cause", "person_score", "person_oks", "person_area"]]


def _names(given: str | Sequence[str], known: Sequence[str], kind: str) -> list[str]:
    names = [given] if isinstance(given, str) else list(given)
    for name in names:
        _require(name, known, kind)
    return names


def _require(name: str, known: Sequence[str] | dict, kind: str) -> None:
    if name not in known:
        raise InputError(f"there is no {kind} {name!r}", f"Choose one of {', '.join(list(known)[:25])}")
