"""Two models beside each other: AP of every part and slice, and the keypoints that gained or lost most."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.transforms import offset_copy

from wbkit.plots.styles import GAIN, LOSS, NEUTRAL, finish, new_axes, panels, words

FEWEST = 5
"""So many people a slice must have for its difference to be drawn as one: resamples of fewer say little."""
_GREY = "#9A9A9A"


def plot_comparison(
    parts: pd.DataFrame, *, statistic: str = "AP", names: tuple[str, str] = ("a", "b")
) -> list[Axes]:
    """On the left AP of both models in each part, on the right their difference with its interval.

    Args:
        parts: of `Comparison.parts`. statistic: AP, AP50, AP75 or AR. names: of the two models.

    Returns:
        Two Axes. Differences whose interval holds 0 are hollow.
    """
    order = [p for p in parts.index if p != "wholebody"] + [p for p in parts.index if p == "wholebody"]
    parts = parts.loc[order]
    left, right = panels(2, columns=2, width=4.4, height=0.9 + 0.38 * len(parts), sharey=True)
    place = np.arange(len(parts))
    a, b = parts[f"{statistic}_a"], parts[f"{statistic}_b"]
    left.hlines(place, a, b, color=NEUTRAL, lw=1.6, zorder=1)
    left.plot(a, place, "o", color="#4A4A4A", mfc="white", ms=7.5, mew=1.6, label=names[0])
    left.plot(b, place, "D", color=GAIN, ms=5.5, label=names[1])
    left.set_yticks(place, [words(p) for p in parts.index])
    left.invert_yaxis()
    left.legend(frameon=False, fontsize=9, loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=2)
    finish(left, f"{statistic} of both", xlim=(0, 1), xlabel=statistic)
    ends = {f"{statistic}_{end}": end for end in ("difference", "low", "high")}
    _differences(right, place, parts[list(ends)].rename(columns=ends))
    finish(right, f"{names[1]} minus {names[0]}", xlabel=f"difference in {statistic}")
    for ax in (left, right):
        ax.tick_params(axis="y", length=0)
        ax.grid(axis="y", color="#EEEEEE", lw=0.8, zorder=0)
        ax.set_axisbelow(True)
    return [left, right]


def _differences(
    ax: Axes,
    place: np.ndarray,
    rows: pd.DataFrame,
    wide: tuple[pd.Series, pd.Series] | None = None,
    grey: pd.Series | None = None,
) -> None:
    """A marker a row with its interval; up is gain, down is loss, hollow is neither for sure.

    Args:
        rows: with difference, low, high. wide: ends of the intervals that hold for all rows together; with
            these a thin line shows them, and they say what is sure.
        grey: rows that say nothing, being of too few. So do those without an interval where others have one.
    """
    unknown = rows["low"].isna() & rows["low"].notna().any()
    sure_ends = wide if wide is not None else (rows["low"], rows["high"])
    grey = unknown if grey is None else unknown.to_numpy() | np.asarray(grey)
    for y, row, lowest, highest, mute in zip(place, rows.itertuples(), *sure_ends, grey, strict=True):
        sure = (lowest > 0 or highest < 0) and not mute
        color = _GREY if mute else GAIN if row.difference >= 0 else LOSS
        if np.isfinite(row.low):
            width = 1.5 if wide is None else 3.2
            ax.plot([row.low, row.high], [y, y], color=color, lw=width, solid_capstyle="butt")
        if wide is not None and np.isfinite(lowest):
            ax.plot([lowest, highest], [y, y], color=color, lw=0.9, marker="|", ms=5, zorder=1.5)
        marker = ">" if row.difference >= 0 else "<"
        ax.plot(row.difference, y, marker, color=color, ms=7, mfc=color if sure else "white", mew=1.4)
        style = {"textcoords": "offset points", "ha": "center", "fontsize": 7.5, "zorder": 4}
        box = {"facecolor": "white", "edgecolor": "none", "alpha": 0.85, "pad": 0.6}
        ax.annotate(signed(row.difference), (row.difference, y), (0, 6), bbox=box, **style)
    ax.axvline(0, color="black", lw=0.9, zorder=1)
    ax.margins(x=0.15)


def signed(value: float) -> str:
    """Three digits with a sign; 0 has none."""
    text = f"{value:+.3f}".replace("-", "−")
    return "0.000" if text[1:] == "0.000" else text


def plot_keypoint_changes(
    keypoints: pd.DataFrame, *, top: int = 10, names: tuple[str, str] = ("a", "b"), ax: Axes | None = None
) -> Axes:
    """The keypoints whose mean similarity grew and fell most, with two intervals each.

    Thick: the interval of this keypoint by itself. Thin: the one that holds for all keypoints together, as
    it must where the extremes of 133 are picked; markers whose thin one leaves out 0 are filled.

    Args:
        keypoints: of `Comparison.keypoints`. top: how many of each kind.
    """
    known = keypoints.dropna(subset="difference").sort_values("difference", ascending=False, kind="stable")
    gained = known[known["difference"] > 0].head(top)
    lost = known[known["difference"] < 0].tail(top)
    rows = pd.concat([gained, lost])
    ax = new_axes(ax, 7.4, 1.5 + 0.27 * max(len(rows), 2))
    place = np.arange(len(rows))
    _differences(ax, place, rows, (rows["low_all"], rows["high_all"]))
    labels = [f"{name}  +{r.fixed:.0%} −{r.broken:.0%}" for name, r in rows.iterrows()]
    ax.set_yticks(place, labels, fontsize=8.5)
    ax.set_ylim(len(rows) - 0.4, -0.8)
    ax.tick_params(axis="y", length=0)
    _key(ax, rows["low_all"].notna().any(), len(known))
    title = f"Keypoints that change most, {names[1]} minus {names[0]}"
    return finish(
        ax, title, xlabel="difference in mean keypoint similarity (+ fixed, − broken: good before, after)"
    )


def plot_slice_changes(
    changes: pd.DataFrame,
    part: str = "wholebody",
    *,
    statistic: str = "AP",
    titles: Mapping[str, str] | None = None,
    names: tuple[str, str] = ("a", "b"),
    ax: Axes | None = None,
) -> Axes:
    """For whom the second model is better: the difference in AP of each slice of the persons.

    Hollow where the interval holds 0, grey where there are fewer than `FEWEST` people. Slices of different
    kinds overlap: small people are often crowded too.

    Args:
        changes: of `wbkit.failures.sensitivity_change`, several slicings below each other with their names
            in the column `by`.
        part: one of them. statistic: AP, AP50, AP75 or AR.
        titles: slicing -> heading; the slicing's name without.
        names: of the two models.
    """
    rows = changes[changes["part"] == part]
    groups = [(by, rows[rows["by"] == by]) for by in rows["by"].unique()]
    ax = new_axes(ax, 7.4, 1.3 + 0.27 * (len(rows) + len(groups)))
    ends = {f"{statistic}_{end}": end for end in ("difference", "low", "high")}
    places, labels, top = [], [], 0
    for by, group in groups:
        place = top + 1 + np.arange(len(group))
        few = group["persons"] < FEWEST
        _differences(ax, place, group[list(ends)].rename(columns=ends), grey=few)
        box = {"facecolor": "white", "edgecolor": "none", "pad": 1.0}
        heading, style = (titles or {}).get(by, words(by)), {"va": "center", "weight": "bold", "bbox": box}
        ax.text(0.005, top, heading, transform=ax.get_yaxis_transform(), fontsize=8.5, **style)
        places += place.tolist()
        labels += [f"{row.bin}  (n = {row.persons:,})" for row in group.itertuples()]
        top += 1 + len(group)
    ax.set_yticks(places, labels, fontsize=8.5)
    ax.set_ylim(max(top, 1) - 0.4, -0.8)
    ax.tick_params(axis="y", length=0)
    ax.grid(axis="x", color="#EEEEEE", lw=0.8, zorder=0)
    ax.set_axisbelow(True)
    title = f"{words(part)}, slice by slice: {names[1]} minus {names[0]}"
    return finish(ax, title, xlabel=f"difference in {statistic} (n: people with labels in the part)")


def _key(ax: Axes, intervals: bool, compared: int) -> None:
    """What lines and markers mean, below the Axes."""
    grey = "#4A4A4A"
    handles = [
        Line2D([], [], color=grey, lw=3.2, label="interval of each by itself"),
        Line2D([], [], color=grey, lw=0.9, marker="|", label=f"interval of all {compared} together"),
        Line2D([], [], color=grey, ls="", marker=">", label="sure: all together leave out 0"),
        Line2D([], [], color=grey, ls="", marker=">", mfc="white", label="may be chance"),
    ]
    if intervals:
        below = offset_copy(ax.transAxes, ax.figure, y=-0.5, units="inches")
        style = {"loc": "upper center", "bbox_to_anchor": (0.5, 0), "bbox_transform": below, "ncols": 2}
        ax.legend(handles=handles, frameon=False, fontsize=8, **style)
