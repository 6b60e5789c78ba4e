"""Where errors gather: by size, occlusion, truncation, crowding, visibility and score."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pandas as pd

from wbkit.errors import InputError
from wbkit.failures.classes import CODES, LABELLED_CAUSES, PART_SLICES
from wbkit.failures.intervals import interval, picture_weights


@dataclass(frozen=True)
class Slicing:
    """One way to cut the keypoint table: a column, and edges of half-open bins [low, high).

    Attributes:
        column: of `keypoint_table`. title: for plots.
        edges: of the bins; None for quantiles of the data (`bins` of them).
        labels: names of the bins; () for ranges.
        root: cut the square root of the column (a size in px from an area).
    """

    column: str
    title: str
    edges: tuple[float, ...] | None = None
    labels: tuple[str, ...] = ()
    bins: int = 5
    root: bool = False


_INF = float("inf")
SLICINGS: dict[str, Slicing] = {
    "size": Slicing(
        "person_area", "person's size, sqrt of area (px)", (0, 32, 64, 96, 160, 256, _INF), root=True
    ),
    "part_size": Slicing(
        "part_size", "size of the part's box (px; whole body: the body's)", (0, 8, 16, 32, 64, 128, _INF)
    ),
    "visibility": Slicing("v", "visibility", (0.0, 1.0 + 1e-6, _INF), ("hidden", "visible")),
    "occlusion": Slicing(
        "hidden_share",
        "share of the person's labelled body keypoints that are hidden",
        (0, 1e-6, 0.25, 0.5, _INF),
        ("none", "< 25 %", "25-50 %", ">= 50 %"),
    ),
    "truncation": Slicing("truncated", "at the picture's border", (0, 0.5, _INF), ("inside", "cut off")),
    "crowding": Slicing(
        "neighbours",
        "people whose boxes overlap with IoU .1 or more",
        (0, 1, 2, 3, _INF),
        ("0", "1", "2", "3+"),
    ),
    "overlap": Slicing("overlap", "highest box IoU with another person", (0, 0.01, 0.1, 0.3, 0.5, _INF)),
    "labelled": Slicing(
        "person_labelled",
        "labelled keypoints of the person",
        (1, 18, 40, 90, 120, 134),
        ("1–17", "18–39", "40–89", "90–119", "120–133"),
    ),
    "score": Slicing("score", "keypoint's score", None, bins=10),
    "person_score": Slicing("person_score", "person's score", None, bins=10),
}
"""What tables can be cut by. Edges in px and shares; sizes double roughly from bin to bin.

visibility: COCO-WholeBody v1.0 gives every labelled face point v = 1 and hand points 1 or 2, so a part of
which nothing has v > 1 is left out: its v does not tell what is hidden. occlusion: counted over the 17 body
keypoints, whose v COCO's annotators set.
"""
PERSON_SLICINGS = ("size", "occlusion", "truncation", "crowding", "overlap", "labelled", "part_size")
"""Slicings of labelled persons, by which AP can be cut too (`sensitivity`)."""


def slice_table(
    table: pd.DataFrame,
    by: str,
    *,
    parts: bool = True,
    resamples: int = 0,
    level: float = 0.95,
    seed: int = 0,
) -> pd.DataFrame:
    """Errors and causes in each slice, with both normalisations side by side.

    Args:
        table: of `keypoint_table`.
        by: a key of `SLICINGS`.
        parts: cut each part by itself; False for all parts together (part "wholebody").
        resamples: bootstrap resamples over the pictures of the table, 0 for no intervals. level, seed: of
            these.

    Returns:
        A row for each part and bin that holds labelled keypoints: part, bin (categories, in order), low,
        high (edges of the bin), labelled (keypoints); found (share with a prediction); error_px,
        error_person, error_part (medians over these), similarity, similarity_part (means over these: the
        official ks, and ks by the part's own box); and the share of labelled keypoints with each cause
        (`LABELLED_CAUSES`; they add up to 1). Keypoints without a value in the column are left out. With
        resamples also similarity, similarity_part and good with _low and _high.

    Raises:
        InputError: there is no such slicing, or bad numbers.
    """
    slicing = find_slicing(by, SLICINGS)
    labelled = table[table["v"] > 0]
    values = _values(labelled, slicing)
    bins, low, high = cut(values, slicing)
    part = labelled["part"].to_numpy() if parts else np.full(len(labelled), "wholebody")
    names = list(PART_SLICES) if parts else ["wholebody"]
    columns = ["error_px", "error_person", "error_part", "similarity", "similarity_part"]
    data = labelled[columns].assign(
        part=pd.Categorical(part, categories=names),
        bin=bins,
        cause=labelled["cause"].cat.codes,
        found=labelled["error_px"].notna(),
    )
    grouped = data.groupby(["part", "bin"], observed=True)
    rows = grouped.agg(
        labelled=("cause", "size"),
        found=("found", "mean"),
        error_px=("error_px", "median"),
        error_person=("error_person", "median"),
        error_part=("error_part", "median"),
        similarity=("similarity", "mean"),
        similarity_part=("similarity_part", "mean"),
    )
    counts = data.groupby(["part", "bin", "cause"], observed=True).size().unstack("cause", fill_value=0)
    for name in LABELLED_CAUSES:
        share = counts[CODES[name]] if CODES[name] in counts else pd.Series(0, counts.index)
        rows[name] = share / rows["labelled"]
    rows = rows.reset_index()
    place = rows["bin"].cat.codes.to_numpy()
    rows.insert(2, "low", low[place])
    rows.insert(3, "high", high[place])
    if resamples:
        weights = picture_weights(labelled["image_id"].nunique(), resamples, seed)[1:]
        data = data.assign(good=labelled["cause"] == "good", image_id=labelled["image_id"])
        for name in ("similarity", "similarity_part", "good"):
            rows[f"{name}_low"], rows[f"{name}_high"] = _mean_interval(data, rows, name, weights, level)
    return rows


def _mean_interval(
    data: pd.DataFrame, rows: pd.DataFrame, name: str, weights: np.ndarray, level: float
) -> tuple[np.ndarray, np.ndarray]:
    """Interval of each slice's mean of a column when pictures are drawn as `weights` (R, I) says."""
    picture = data["image_id"].astype("category").cat.codes
    keys = [data["part"], data["bin"], picture.rename("picture")]
    sums = data[name].astype(float).groupby(keys, observed=True).agg(["sum", "count"])
    place = pd.MultiIndex.from_frame(rows[["part", "bin"]]).get_indexer(sums.index.droplevel("picture"))
    totals = np.zeros((2, len(rows), weights.shape[1]))  # sum and count of each slice and picture
    totals[:, place, sums.index.get_level_values("picture")] = sums.to_numpy().T
    drawn, count = totals @ weights.T  # (rows, R) each
    several = (totals[1] > 0).sum(1, keepdims=True) > 1  # from one picture nothing follows about others
    return interval(np.where(several & (count > 0), drawn / np.maximum(count, 1), np.nan).T, level)


def find_slicing(by: str, known: dict[str, Slicing] | Sequence[str]) -> Slicing:
    """The slicing of that name, if it is one of the known; else InputError."""
    if by not in known:
        raise InputError(f"there is no slicing {by!r}", f"Choose one of {', '.join(known)}")
    return SLICINGS[by]


def _values(labelled: pd.DataFrame, slicing: Slicing) -> np.ndarray:
    """The column to cut; the share of hidden body keypoints is counted here."""
    if slicing.column == "hidden_share":
        hidden = (labelled["v"] <= 1).where(labelled["part"] == "body").astype(float)
        return hidden.groupby(labelled["person"]).transform("mean").to_numpy()
    values = labelled[slicing.column].to_numpy(np.float64)
    if slicing.column == "v":
        seen = labelled["v"].groupby(labelled["part"], observed=True).transform("max")
        return np.where(seen > 1, values, np.nan)
    return np.sqrt(values) if slicing.root else values


def cut(values: np.ndarray, slicing: Slicing) -> tuple[pd.Categorical, np.ndarray, np.ndarray]:
    """Bins of the values, and their lower and upper edges."""
    edges = np.array(slicing.edges if slicing.edges is not None else _quantiles(values, slicing.bins), float)
    labels = list(slicing.labels) or _ranges(edges)
    # Columns of the table are float32: a value of .1 must not fall below an edge of .1.
    codes = np.searchsorted(edges.astype(np.float32), values.astype(np.float32), side="right") - 1
    codes[~np.isfinite(values) | (codes >= len(labels))] = -1
    return pd.Categorical.from_codes(codes, categories=labels, ordered=True), edges[:-1], edges[1:]


def _quantiles(values: np.ndarray, bins: int) -> np.ndarray:
    """Edges of bins that hold equally many values; fewer where values repeat."""
    known = values[np.isfinite(values)]
    edges = np.unique(np.quantile(known, np.linspace(0, 1, bins + 1))) if len(known) else np.array([0.0])
    return np.append(edges[: max(1, len(edges) - 1)], _INF)  # the last bin is open


def _ranges(edges: np.ndarray) -> list[str]:
    """Names of bins such as "32–64", with as many digits as tell them apart."""
    for digits in range(3, 17):
        names = [f"{a:.{digits}g}–{b:.{digits}g}".replace("inf", "∞") for a, b in pairwise(edges)]
        if len(set(names)) == len(names):
            break
    return names
