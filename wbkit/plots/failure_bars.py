"""Bars of what goes wrong: causes in each part, and keypoints taken for others."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.container import BarContainer

from wbkit.plots.styles import CAUSE_STYLES, HATCH_COLOR, finish, ink_on, new_axes, words

_LABELLED_SHARE = 0.04  # narrower segments carry no number


def plot_causes(shares: pd.DataFrame, *, title: str | None = None, ax: Axes | None = None) -> Axes:
    """A bar for each row, divided by the causes of its labelled keypoints' errors.

    Args:
        shares: of `wbkit.failures.cause_table`: by part, or any other grouping; of causes, or of Ronchi's
            classes.
    """
    places = max(len(shares), 3)  # room for the legend, which stands beside the bars
    ax = new_axes(ax, 9.2, 0.75 + 0.52 * places)
    causes = [name for name in CAUSE_STYLES if name in shares and (shares[name] > 0).any()]
    names = [" · ".join(words(str(n)) for n in np.atleast_1d(key)) for key in shares.index]
    rows = [f"{name}\n{count:,} keypoints" for name, count in zip(names, shares["labelled"], strict=True)]
    left = np.zeros(len(shares))
    for cause in causes:
        color, hatch = CAUSE_STYLES[cause]
        widths = shares[cause].to_numpy()
        style = {"color": color, "hatch": hatch, "edgecolor": HATCH_COLOR, "linewidth": 0.4}
        bars = ax.barh(rows, widths, left=left, label=words(cause), height=0.72, **style)
        _write_shares(ax, bars, color if not hatch else "#FFFFFF")
        left += widths
    ax.set(xlim=(0, 1), ylim=(places - 0.5, -0.5))
    ax.xaxis.set_major_formatter("{x:.0%}")
    ax.tick_params(axis="y", length=0)
    ax.legend(frameon=False, fontsize=9, loc="upper left", bbox_to_anchor=(1.01, 1.03), handleheight=1.1)
    finish(ax, title or "What happens to the labelled keypoints", xlabel="share of labelled keypoints")
    ax.spines["left"].set_visible(False)
    return ax


def _write_shares(ax: Axes, bars: BarContainer, color: str) -> None:
    """Write the share into every segment that is wide enough."""
    box = {"facecolor": color, "edgecolor": "none", "pad": 0.8} if color == "#FFFFFF" else None
    for bar in bars:
        if bar.get_width() >= _LABELLED_SHARE:
            x, y = bar.get_x() + bar.get_width() / 2, bar.get_y() + bar.get_height() / 2
            style = {"ha": "center", "va": "center", "fontsize": 8, "bbox": box}
            ax.text(x, y, f"{100 * bar.get_width():.0f}", color=ink_on(color), **style)


def plot_confusions(
    confusions: pd.DataFrame, *, top: int = 15, title: str | None = None, ax: Axes | None = None
) -> Axes:
    """The most frequent confusions of keypoints as ranked bars.

    Args:
        confusions: of `wbkit.failures.confusion_table`. top: how many are drawn, from the first.
    """
    rows = confusions.head(top)
    ax = new_axes(ax, 7.6, 1.0 + 0.26 * max(len(rows), 3))
    for place, row in enumerate(rows.itertuples()):
        color, hatch = CAUSE_STYLES[row.cause]
        style = {"color": color, "hatch": hatch, "edgecolor": HATCH_COLOR, "linewidth": 0.4}
        label = words(row.cause) if row.cause not in rows["cause"].tolist()[:place] else None
        ax.barh(place, row.count, height=0.72, label=label, **style)
        ax.text(row.count, place, f"  {row.share:.1%} of {row.labelled:,}", va="center", fontsize=8)
    arrow = {"own": "→", "other": "→ another person's"}
    names = [f"{r.keypoint} {arrow[r.whose]} {r.confused_keypoint}" for r in rows.itertuples()]
    ax.set_yticks(range(len(rows)), names, fontsize=8.5)
    ax.invert_yaxis()
    ax.tick_params(axis="y", length=0)
    ax.margins(x=0.22)
    finish(ax, title or "Predicted where another keypoint is", xlabel="labelled keypoints")
    if len(rows):
        ax.legend(frameon=False, fontsize=9, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    else:
        ax.text(0.5, 0.5, "no keypoint lies on another one", transform=ax.transAxes, ha="center")
        ax.set(xticks=[], yticks=[])
    return ax
