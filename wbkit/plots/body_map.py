"""The 133 keypoints on a figure, coloured by any number they have, such as their error."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.patches import Circle

from wbkit.keypoints import KEYPOINTS, PART_OF_KEYPOINT, PARTS, SKELETON
from wbkit.plots.body_figure import HEAD, HEIGHT, WIDTH, figure_points
from wbkit.plots.styles import new_axes

_DOTS = {"body": 95.0, "foot": 75.0, "face": 26.0, "lefthand": 46.0, "righthand": 46.0}  # pt^2
_LINE = "#C9CED3"


def plot_body_map(
    values: pd.Series,
    *,
    label: str = "",
    title: str = "",
    high_is_bad: bool = True,
    named: int = 8,
    limits: tuple[float, float] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """A figure facing the reader, with face, hands and feet enlarged; bad keypoints are dark and large.

    Args:
        values: a number for each of the 133 keypoints, indexed by their names, such as a column of
            `wbkit.failures.keypoint_summary`. NaN: a hollow dot.
        label: what the numbers are, for the colour bar.
        high_is_bad: False: low numbers are dark and large.
        named: how many of the worst are listed by name; their dots carry the place in that list.
        limits: of the colours; None: all values but the outermost 2 %, which get the end colours.
    """
    ax = new_axes(ax, 8.4, 6.4)
    values = values.reindex(list(KEYPOINTS)).astype(float)
    known = values.dropna()
    low, high = limits or (known.quantile([0.02, 0.98]) if len(known) else (0.0, 1.0))
    high = high if high > low else low + 1e-9
    points = figure_points()
    _draw_figure(ax, points)
    badness = np.clip((values.to_numpy() - low) / (high - low), 0, 1)
    badness = badness if high_is_bad else 1 - badness
    sizes = np.array([_DOTS[part] for part in PART_OF_KEYPOINT]) * (0.45 + 1.1 * np.nan_to_num(badness))
    style = {"cmap": "cividis_r" if high_is_bad else "cividis", "vmin": low, "vmax": high, "zorder": 3}
    hollow = values.isna().to_numpy()
    shown = ~hollow
    style |= {"edgecolors": "white", "linewidths": 0.5}
    dots = ax.scatter(*points[shown].T, c=values[shown], s=sizes[shown], **style)
    ax.scatter(*points[hollow].T, s=14, facecolors="none", edgecolors="#9AA1A8", linewidths=0.8, zorder=2)
    _name_worst(ax, known.sort_values(ascending=not high_is_bad, kind="stable").head(named), points)
    ax.set(xlim=(-0.1, WIDTH + 0.1), ylim=(HEIGHT + 0.25, 0), aspect="equal")
    ax.axis("off")
    ax.set_title(title, loc="left", fontsize=11)
    beyond = [bool((known < low).any()), bool((known > high).any())]
    extend = {(True, True): "both", (True, False): "min", (False, True): "max"}.get(tuple(beyond), "neither")
    bar = ax.figure.colorbar(dots, ax=ax, shrink=0.55, aspect=22, pad=0.01, label=label, extend=extend)
    bar.outline.set_visible(False)
    return ax


def _draw_figure(ax: Axes, points: np.ndarray) -> None:
    """Limbs, the outline of the head, and words that say which part is enlarged where."""
    feet = PARTS["foot"]
    links = [[a, b] for a, b in SKELETON if not (a < feet.start <= b)]  # an enlarged foot is not at the ankle
    links += [[17, 18, 19, 17], [20, 21, 22, 20]]
    lines = LineCollection([points[link] for link in links], colors=_LINE, linewidths=1.6, zorder=1)
    ax.add_collection(lines)
    ax.add_patch(Circle(HEAD[0], HEAD[1], facecolor="none", edgecolor=_LINE, lw=1.4, zorder=0))
    small = {"fontsize": 8, "color": "#57606A", "ha": "center"}
    for text, part in (("right hand", "righthand"), ("left hand", "lefthand"), ("face", "face")):
        ax.text(points[PARTS[part], 0].mean(), points[PARTS[part], 1].max() + 0.4, text, **small)
    for side, part in (("right", slice(20, 23)), ("left", slice(17, 20))):
        ax.text(points[part, 0].mean(), points[part, 1].max() + 0.42, f"{side} foot", **small)
    tie = {"color": _LINE, "lw": 0.8, "ls": ":", "zorder": 0}
    for body, root in ((9, 91), (10, 112), (15, 19), (16, 22)):
        ax.plot(*points[[body, root]].T, **tie)
    ax.plot([HEAD[0][0] - HEAD[1], points[39, 0]], [HEAD[0][1], points[39, 1]], **tie)


def _name_worst(ax: Axes, worst: pd.Series, points: np.ndarray) -> None:
    """Number the worst dots, and list their names in the free corner."""
    for place, name in enumerate(worst.index, start=1):
        x, y = points[KEYPOINTS.index(name)]
        box = {"boxstyle": "round,pad=0.12", "facecolor": "white", "edgecolor": "#57606A", "linewidth": 0.5}
        ax.annotate(
            str(place), (x, y), xytext=(6, 6), textcoords="offset points", fontsize=7, bbox=box, zorder=4
        )
    lines = [f"{i}  {name}  {value:.3g}" for i, (name, value) in enumerate(worst.items(), start=1)]
    ax.text(
        8.35, 0.15, "\n".join(["the worst", *lines] if lines else []), fontsize=8, va="top", linespacing=1.4
    )
