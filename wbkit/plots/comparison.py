"""Two models beside each other: AP of every part, and the keypoints that gained or lost most."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from wbkit.plots.styles import GAIN, LOSS, NEUTRAL, finish, new_axes, panels, words


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
    columns = [parts[f"{statistic}_{end}"] for end in ("difference", "low", "high")]
    _differences(right, place, *columns)
    finish(right, f"{names[1]} minus {names[0]}", xlabel=f"difference in {statistic}")
    for ax in (left, right):
        ax.tick_params(axis="y", length=0)
        ax.grid(axis="y", color="#EEEEEE", lw=0.8, zorder=0)
        ax.set_axisbelow(True)
    return [left, right]


def _differences(ax: Axes, place: np.ndarray, middle: pd.Series, low: pd.Series, high: pd.Series) -> None:
    """A marker a row with its interval; up is gain, down is loss, hollow is neither for sure."""
    for y, value, lowest, highest in zip(place, middle, low, high, strict=True):
        sure = lowest > 0 or highest < 0
        color = GAIN if value >= 0 else LOSS
        if np.isfinite(lowest):
            ax.plot([lowest, highest], [y, y], color=color, lw=1.5, solid_capstyle="butt")
        marker = ">" if value >= 0 else "<"
        ax.plot(value, y, marker, color=color, ms=7, mfc=color if sure else "white", mew=1.4)
        ax.annotate(
            f"{value:+.3f}", (value, y), (0, 6), textcoords="offset points", ha="center", fontsize=7.5
        )
    ax.axvline(0, color="black", lw=0.9)
    ax.margins(x=0.15)


def plot_keypoint_changes(
    keypoints: pd.DataFrame, *, top: int = 10, names: tuple[str, str] = ("a", "b"), ax: Axes | None = None
) -> Axes:
    """The keypoints whose mean similarity grew and fell most, with intervals.

    Args:
        keypoints: of `Comparison.keypoints`. top: how many of each kind.
    """
    known = keypoints.dropna(subset="difference").sort_values("difference", ascending=False, kind="stable")
    gained = known[known["difference"] > 0].head(top)
    lost = known[known["difference"] < 0].tail(top)
    rows = pd.concat([gained, lost])
    ax = new_axes(ax, 6.6, 1.1 + 0.27 * max(len(rows), 2))
    place = np.arange(len(rows))
    _differences(ax, place, rows["difference"], rows["low"], rows["high"])
    labels = [f"{name}  +{r.fixed:.0%} −{r.broken:.0%}" for name, r in rows.iterrows()]
    ax.set_yticks(place, labels, fontsize=8.5)
    ax.set_ylim(len(rows) - 0.4, -0.8)
    ax.tick_params(axis="y", length=0)
    title = f"Keypoints that change most, {names[1]} minus {names[0]}"
    return finish(
        ax, title, xlabel="difference in mean keypoint similarity (+ fixed, − broken: good before, after)"
    )
