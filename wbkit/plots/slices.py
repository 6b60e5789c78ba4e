"""Where errors gather: similarity and AP by size, crowding, occlusion and the like."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from wbkit.plots.styles import PART_MARKERS, PART_STYLES, finish, new_axes, panels, words

_SCALES = {
    "similarity": ("official: by the person's area", "-", True),
    "similarity_part": ("by the part's own size", "--", False),
}
_LINE = 10.5  # points
_UPRIGHT = 6  # names of more bins than this do not fit beside each other


def plot_slices(
    slices: pd.DataFrame,
    *,
    xlabel: str = "",
    values: Sequence[str] = ("similarity", "similarity_part"),
    columns: int = 3,
) -> list[Axes]:
    """A panel for each part: mean keypoint similarity in each slice, by both normalisations.

    Under every slice stands how many labelled keypoints it holds.

    Args:
        slices: of `wbkit.failures.slice_table`; with intervals these are drawn too.
        xlabel: what was cut by, such as `wbkit.failures.SLICINGS["size"].title`.
        values: columns to draw, of similarity and similarity_part, or one other such as "good".
    """
    parts = [part for part in slices["part"].cat.categories if (slices["part"] == part).any()]
    crowded = slices["bin"].nunique() > _UPRIGHT
    axes = panels(len(parts), columns=columns, width=3.5, height=3.4 if crowded else 2.9, sharey=True)
    for ax, part in zip(axes, parts, strict=True):
        rows = slices[slices["part"] == part]
        place = np.arange(len(rows))
        for shift, name in enumerate(values):
            label, style, filled = _SCALES.get(name, (words(name), "-", True))
            color = PART_STYLES[part][0]
            look = {
                "marker": PART_MARKERS[part],
                "mfc": color if filled else "white",
                "ms": 5,
                "label": label,
            }
            x = place + 0.12 * (shift - (len(values) - 1) / 2)
            ax.errorbar(x, rows[name], yerr=_whiskers(rows, name), ls=style, color=color, lw=1.4, **look)
        between, look = (": ", {"rotation": 90}) if crowded else ("\n", {})
        counted = zip(rows["bin"].astype(str), rows["labelled"], strict=True)
        ax.set_xticks(place, [f"{b}{between}{n:,}" for b, n in counted], fontsize=7.5, **look)
        ax.margins(x=0.1)
        finish(ax, words(part), ylim=(0, 1.02))
    axes[0].set_ylabel("mean keypoint similarity" if set(values) <= set(_SCALES) else words(values[0]))
    if len(values) > 1:
        axes[0].legend(frameon=False, fontsize=8, loc="best")
    axes[0].figure.supxlabel(f"{xlabel}; below: labelled keypoints", fontsize=9.5)
    return axes


def _whiskers(rows: pd.DataFrame, name: str) -> np.ndarray | None:
    """(2, n) distances to the ends of the interval, or None without one."""
    if f"{name}_low" not in rows:
        return None
    ends = [rows[name] - rows[f"{name}_low"], rows[f"{name}_high"] - rows[name]]
    return np.maximum(np.array(ends, float), 0)  # NaN: not known, not drawn


def plot_sensitivity(
    curves: pd.DataFrame, *, statistic: str = "AP", xlabel: str = "", ax: Axes | None = None
) -> Axes:
    """AP or AR of each slice of persons, a line a part; below, how many persons have labels in the part.

    AP also depends on how many persons a slice holds, since a false alarm counts in every slice: compare
    models within one slice by it, and slices with each other by AR.

    Args:
        curves: of `wbkit.failures.sensitivity`; with intervals these are drawn too.
        statistic: AP, AP50 or AR.
        xlabel: what was cut by.
    """
    ax = new_axes(ax, 7.0, 4.6)
    bins = [b for b in curves["bin"].cat.categories if (curves["bin"] == b).any()]
    parts = [part for part in curves["part"].cat.categories if (curves["part"] == part).any()]
    for shift, part in enumerate(parts):
        rows = curves[curves["part"] == part]
        color, style = PART_STYLES[part]
        x = rows["bin"].map({b: i for i, b in enumerate(bins)}).astype(float)
        x = x + 0.07 * (shift - (len(parts) - 1) / 2)
        look = {"marker": PART_MARKERS[part], "ms": 5, "lw": 2.2 if part == "wholebody" else 1.4}
        bars = _whiskers(rows, statistic)
        ax.errorbar(
            x, rows[statistic], yerr=bars, ls=style, color=color, label=words(part), elinewidth=0.9, **look
        )
    ax.set_xticks(range(len(bins)), bins, fontsize=8.5)
    _write_counts(ax, curves, bins, parts)
    ax.legend(frameon=False, fontsize=9, loc="upper left", bbox_to_anchor=(1.0, 1.02))
    title = f"{statistic} of the people in each slice"
    finish(ax, title, ylabel=statistic, ylim=(0, 1.02))
    ax.set_xlabel(f"{xlabel}\n(above: people with labels in the part)", labelpad=8 + _LINE * len(parts))
    return ax


def _write_counts(ax: Axes, curves: pd.DataFrame, bins: Sequence[str], parts: Sequence[str]) -> None:
    """Below each slice the number of persons of every part, a line a part, its name on the left."""
    style = {"textcoords": "offset points", "fontsize": 7.5, "annotation_clip": False, "va": "top"}
    for line, part in enumerate(parts):
        down = -18 - _LINE * line
        ax.annotate(words(part), (0, 0), (-6, down), xycoords="axes fraction", ha="right", **style)
        for row in curves[curves["part"] == part].itertuples():
            place = (bins.index(row.bin), 0)
            ax.annotate(
                f"{row.persons:,}", place, (0, down), xycoords=("data", "axes fraction"), ha="center", **style
            )
