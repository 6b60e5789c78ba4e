"""HRNet's data flow as a picture, and what its branches see."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

_BRANCH_COLORS = ("#0072B2", "#009E73", "#E69F00", "#CC79A7")  # strides 4, 8, 16, 32; earlier maps are grey
_BEFORE = "#8C8C8C"
_WAYS = {  # colour, line style, words
    "same": ("#555555", "-", "keeps the resolution"),
    "down": ("#222222", "--", "3x3 convolutions, stride 2"),
    "up": ("#D55E00", ":", "1x1 convolution, enlarged"),
}
_WIDTHS = {"image": 0.62, "stem": 0.62, "blocks": 0.62, "fused": 0.24, "hidden": 0.62, "heatmaps": 0.62}


def draw_network(maps: pd.DataFrame, paths: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Every feature map and every way between them: time to the right, resolution halved a row down.

    A box is a map that some blocks made; a circle is a sum of all ways that end there. Boxes are as
    high as the square root of their map's height.

    Args:
        maps, paths: `wbkit.study.flow.Flow`'s.
    """
    ax = ax or plt.subplots(figsize=(11, 4.9), layout="constrained")[1]
    x, y = _places(maps)
    for path in paths.itertuples():
        color, style, _ = _WAYS[path.kind]
        gap = [72 * 0.5 * _WIDTHS[maps.kind[end]] * 0.46 for end in (path.source, path.target)]
        arrow = FancyArrowPatch(
            (x[path.source], y[path.source]), (x[path.target], y[path.target]),
            shrinkA=gap[0], shrinkB=gap[1], lw=1.1, ls=style, color=color, zorder=1,
            arrowstyle="-|>,head_length=3,head_width=1.6",
        )  # fmt: skip
        ax.add_patch(arrow)
    tallest = maps.height.max()
    for name, row in maps.iterrows():
        _draw_map(ax, x[name], y[name], row, 0.86 * np.sqrt(row.height / tallest))
    _label_rows(ax, maps, x, y)
    _label_stages(ax, maps, x)
    ax.set(xlim=(-1.25, max(x.values()) + 1.0), ylim=(-max(-v for v in y.values()) - 0.6, 1.25))
    ax.axis("off")
    handles = [Line2D([], [], color=c, ls=s, label=label) for c, s, label in _WAYS.values()]
    handles += [
        Line2D([], [], marker="o", mfc="white", mec="#333333", ls="", ms=9, label="sum of all that arrives")
    ]
    ax.legend(
        handles=handles,
        loc="lower left",
        bbox_to_anchor=(0.09, -0.03),
        fontsize=9,
        title="numbers below boxes: channels",
        alignment="left",
    )
    return ax


def _places(maps: pd.DataFrame) -> tuple[dict[str, float], dict[str, float]]:
    """Centre of every map, x by its column, y by its stride."""
    column_width = maps.groupby("column").kind.first().map(lambda kind: 0.85 if kind == "fused" else 1.0)
    centers = (column_width.cumsum() - column_width / 2).to_dict()
    return (
        {name: centers[column] for name, column in maps.column.items()},
        {name: -float(np.log2(stride)) for name, stride in maps.stride.items()},
    )


def _color(stride: int, kind: str) -> str:
    branch = int(np.log2(stride)) - 2
    return _BEFORE if branch < 0 or kind in ("image", "stem") else _BRANCH_COLORS[branch]


def _draw_map(ax: Axes, x: float, y: float, row: pd.Series, height: float) -> None:
    color, width = _color(row.stride, row.kind), _WIDTHS[row.kind]
    if row.kind == "fused":
        ax.plot(x, y, "o", ms=10, mfc="white", mec=color, mew=1.6, zorder=2)
        ax.plot(x, y, "+", ms=5, mec=color, mew=1.4, zorder=3)
        return
    box = FancyBboxPatch(
        (x - width / 2, y - height / 2), width, height, boxstyle="round,pad=0,rounding_size=0.06",
        fc=color, ec="white", lw=0.8, zorder=2,
    )  # fmt: skip
    ax.add_patch(box)
    if row.kind in ("image", "heatmaps"):
        ax.text(x, y + height / 2 + 0.06, row.kind, ha="center", va="bottom", color="#333333", fontsize=9)


def _label_rows(ax: Axes, maps: pd.DataFrame, x: dict[str, float], y: dict[str, float]) -> None:
    """Resolution of each row on the left; channels below the first box that has so many."""
    for stride, row in maps.drop_duplicates("stride").set_index("stride").iterrows():
        text = f"1/{stride}\n{row.height} x {row.width}"
        ax.text(-1.2, -np.log2(stride), text, ha="left", va="center", fontsize=9, color="#333333")
    shown = maps[maps.kind != "fused"].drop_duplicates(["stride", "channels", "kind"])
    for name, row in shown.iterrows():
        below = y[name] - 0.43 * np.sqrt(row.height / maps.height.max()) - 0.05
        color = _color(row.stride, row.kind)
        ax.text(x[name], below, row.channels, ha="center", va="top", fontsize=9, color=color)


def _label_stages(ax: Axes, maps: pd.DataFrame, x: dict[str, float]) -> None:
    for stage, members in maps.groupby("stage", sort=False):
        places = [x[name] for name in members.index]
        left, right = min(places) - 0.42, max(places) + 0.42
        ax.plot([left, right], [0.9, 0.9], color="#333333", lw=1)
        ax.text((left + right) / 2, 0.96, stage, ha="center", va="bottom", fontsize=10)


def show_branch_features(crop_rgb: np.ndarray, features: Mapping[str, np.ndarray]) -> Sequence[Axes]:
    """How strongly each branch responds where (above), and what it tells apart (below).

    Above: the mean over channels of the deviation from the channel's median, in units of its mean deviation,
    up to 3. Below: the three main directions of the same numbers (PCA) as red, green and blue: places of
    one colour look alike to the branch. Colours of different branches have nothing to do with each other.

    Args:
        crop_rgb: (H, W, 3) uint8 network input.
        features: title -> (C, h, w), C >= 3, such as the outputs of stage 4's four branches.

    Returns:
        the Axes, row by row: first the crop, then a column for each entry.
    """
    count = len(features) + 1
    height, width = crop_rgb.shape[:2]
    size = (1.9 * count, 2 * 1.9 * height / width + 0.5)
    axes = plt.subplots(2, count, figsize=size, layout="constrained", squeeze=False)[1]
    axes[0, 0].imshow(crop_rgb)
    axes[0, 0].set_title("crop", fontsize=9)
    words = (
        "above: how strongly\nthe branch responds\n\nbelow: what it tells\napart; one colour,\none response"
    )
    axes[1, 0].text(0.02, 0.98, words, transform=axes[1, 0].transAxes, va="top", fontsize=9)
    extent = (-0.5, width - 0.5, height - 0.5, -0.5)
    for column, (title, maps) in enumerate(features.items(), 1):
        deviation = _deviations(maps)
        strength = np.abs(deviation).mean(0)
        low, high = np.percentile(strength, [2, 97])
        axes[0, column].imshow(strength, extent=extent, cmap="inferno", vmin=low, vmax=max(high, low + 1e-6))
        axes[1, column].imshow(_main_directions(deviation), extent=extent)
        axes[0, column].set_title(f"{title}\n{' x '.join(map(str, maps.shape))}", fontsize=9)
    for ax in axes.flat:
        ax.set(xticks=[], yticks=[])
        ax.spines[:].set_visible(False)
    return list(axes.flat)


def _deviations(maps: np.ndarray, limit: float = 3.0) -> np.ndarray:
    """(C, h, w) from the median of each channel, in units of its mean deviation.

    Cut off at `limit`, since a few places (corners, where padding meets padding) may outshine all others.
    """
    from_median = maps - np.median(maps, (1, 2), keepdims=True)
    usual = np.abs(from_median).mean((1, 2), keepdims=True)
    return np.clip(from_median / np.maximum(usual, 1e-6), -limit, limit)


def _main_directions(deviation: np.ndarray) -> np.ndarray:
    """(C, h, w) -> (h, w, 3): the first three principal components, each stretched to 0 ... 1."""
    channels, height, width = deviation.shape
    points = deviation.reshape(channels, -1).T  # (h * w, C)
    points = points - points.mean(0)
    directions = np.linalg.svd(points, full_matrices=False)[2][:3]  # (3, C)
    colors = points @ directions.T
    low, high = np.percentile(colors, [3, 97], axis=0)
    return np.clip((colors - low) / np.maximum(high - low, 1e-6), 0, 1).reshape(height, width, 3)
