"""Reliability diagrams: do scores say how often, or how well, a model is right."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
from matplotlib.axes import Axes

from wbkit.failures.calibration import expected_calibration_error
from wbkit.plots.styles import LOSS, PART_STYLES, finish, panels, words

_PERSON_COLOR = "#0072B2"


def plot_calibration(
    reliability: pd.DataFrame, *, parts: Sequence[str] | None = None, columns: int = 3, ylabel: str = ""
) -> list[Axes]:
    """Reliability diagrams with the ECE in words, and a histogram of the scores below each.

    Bars reach to what is right at each score, the hatched piece is the gap to the diagonal: above the bar it
    means overconfidence, inside it the opposite. Persons' bins hold equally many each, so their histogram
    shows density.

    Args:
        reliability: of `keypoint_calibration` or `instance_calibration`.
        parts: which to draw; None: all.
        ylabel: what "right" means here; "" for the share that is right (keypoints) or mean OKS (persons).

    Returns:
        The diagrams' Axes, one a part ("person" for instance scores); each one's histogram is
        `ax.child_axes[0]`.
    """
    persons = "part" not in reliability
    errors = expected_calibration_error(reliability)
    parts = ["person"] if persons else [p for p in parts or reliability["part"].cat.categories if p in errors]
    axes = panels(len(parts), columns=columns, width=3.1, height=3.9)
    for ax, part in zip(axes, parts, strict=True):
        rows = reliability if persons else reliability[reliability["part"] == part]
        color = _PERSON_COLOR if persons else PART_STYLES[part][0]
        _diagram(ax, rows, color)
        span = min(0, rows["low"].min()), max(1, rows["high"].max())
        said = f"ECE {errors[part]:.3f}" if span == (0, 1) else "scores beyond 0 to 1"
        finish(ax, f"{words(part)}: {said}", xlim=span, ylim=(0, 1.02))
        _histogram(ax, rows, color, dense=persons)
        ax.set_xticklabels([])
    figure = axes[0].figure
    figure.get_layout_engine().set(hspace=0.12)
    figure.suptitle("Hatched above a bar: overconfident; inside it: underconfident", fontsize=10)
    axes[0].set_ylabel(ylabel or ("mean OKS" if persons else "share that is right"))
    return axes


def _diagram(ax: Axes, rows: pd.DataFrame, color: str) -> None:
    """Bars of what is right, the gap to the mean score, and the diagonal."""
    width = (rows["high"] - rows["low"]).clip(lower=0.004)
    place = {"x": rows["low"], "width": width, "align": "edge", "linewidth": 0.6}
    ax.bar(height=rows["right"], color=color, alpha=0.75, edgecolor="white", **place)
    gap = {"height": rows["gap"], "bottom": rows["right"], "facecolor": "none", "hatch": "////"}
    ax.bar(edgecolor=LOSS, **gap, **place)
    ax.plot([0, 1], [0, 1], color="black", lw=1, ls="--")
    ax.plot(rows["score"], rows["right"], "o", color="black", ms=3.5)


def _histogram(ax: Axes, rows: pd.DataFrame, color: str, dense: bool) -> None:
    """Share of the scores in each bin, below the diagram; dense: a bar's area is the share."""
    below = ax.inset_axes([0, -0.34, 1, 0.26])
    width = (rows["high"] - rows["low"]).clip(lower=0.004)
    height = rows["count"] / rows["count"].sum() / (width if dense else 1)
    below.bar(rows["low"], height, width=width, align="edge", color=color, edgecolor="white", linewidth=0.6)
    below.set_ylim(0, max(1.15 * height.max(), 0.01))
    finish(below, "", xlim=ax.get_xlim(), xlabel=f"score ({rows['count'].sum():,})")
    below.yaxis.set_major_formatter("{x:.3g}" if dense else "{x:.0%}")
    below.set_ylabel("density" if dense else "", fontsize=8)
    below.tick_params(labelsize=8)
