"""Pictures of encoding: heatmap pixels over a photo, what rounding costs, biased and unbiased targets."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection

from wbkit.geometry import box_to_center_scale, fix_aspect, invert_warp, warp_matrix, warp_points
from wbkit.heatmaps import HeatmapCodec

TRUE, ROUNDED = "#56B4E9", "#D55E00"  # Okabe-Ito; circles and crosses besides


def show_pixel_grids(
    image_rgb: np.ndarray,
    box_xywh: np.ndarray,
    points: np.ndarray,
    codecs: dict[str, HeatmapCodec],
    *,
    zoom_xywh: Sequence[float],
    padding: float = 1.25,
) -> Sequence[Axes]:
    """The pixels of heatmaps of several sizes over a part of the picture, and keypoints moved into them.

    A circle is the keypoint, a cross the centre of the heatmap pixel in which it lies.

    Args:
        image_rgb: (H, W, 3) uint8.
        box_xywh: (4,) the person's box, image px.
        points: (n, 2) keypoints, image px.
        codecs: name -> codec, a panel each.
        zoom_xywh: what to show, image px.
        padding: of the box.
    """
    x0, y0, width, height = zoom_xywh
    size = (3.4 * len(codecs), 3.4 * height / width + 0.5)
    axes = plt.subplots(1, len(codecs), figsize=size, layout="constrained", squeeze=False)[1][0]
    for ax, (name, codec) in zip(axes, codecs.items(), strict=True):
        center, scale = box_to_center_scale(np.asarray(box_xywh), padding)
        matrix = warp_matrix(center, fix_aspect(scale, codec.input_size), 0.0, codec.input_size)
        step = codec.scale[0] / matrix[0, 0]  # image px a heatmap px
        rounded = np.floor(warp_points(points, matrix) / codec.scale + 0.5) * codec.scale
        places = warp_points(rounded, invert_warp(matrix))
        ax.imshow(image_rgb)
        _draw_grid(ax, codec, matrix)
        ax.add_collection(LineCollection(np.stack([points, places], 1), colors=ROUNDED, lw=1.2))
        ax.plot(*points.T, "o", mfc="none", mec=TRUE, ms=5, mew=1.5, label="keypoint")
        ax.plot(*places.T, "x", color=ROUNDED, ms=5, mew=1.5, label="its heatmap pixel")
        ax.set(xlim=(x0, x0 + width), ylim=(y0 + height, y0), xticks=[], yticks=[])
        ax.set_title(f"{name}: a heatmap px is {step:.1f} image px", fontsize=10)
    axes[0].figure.legend(
        *axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=2, frameon=False
    )
    return list(axes)


def _draw_grid(ax: Axes, codec: HeatmapCodec, matrix: np.ndarray) -> None:
    back = invert_warp(matrix)
    w, h = codec.heatmap_size
    x, y = ((np.arange(n + 1) - 0.5) * s for n, s in zip((w, h), codec.scale, strict=True))
    for xs, ys in (([v, v], [y[0], y[-1]]) for v in x):
        ax.plot(*warp_points(np.stack([xs, ys], -1), back).T, color="white", lw=0.8, alpha=0.7)
    for xs, ys in (([x[0], x[-1]], [v, v]) for v in y):
        ax.plot(*warp_points(np.stack([xs, ys], -1), back).T, color="white", lw=0.8, alpha=0.7)


def rounding_density(distance: np.ndarray) -> np.ndarray:
    """Density of the distance from a place uniform in a unit square to the square's middle.

    2 pi r up to r = 1/2; beyond, the four arcs that leave the square are missing: 2 pi r - 8 r acos(1 / 2r).
    """
    r = np.asarray(distance, np.float64)
    arcs = 8 * r * np.arccos(np.clip(0.5 / np.maximum(r, 0.5), -1, 1))
    return np.where((r >= 0) & (r <= np.sqrt(0.5)), 2 * np.pi * r - arcs, 0.0)


def plot_rounding_error(distances: np.ndarray, *, expected: float, ax: Axes | None = None) -> Axes:
    """Histogram of rounding errors beside the exact density.

    Args:
        distances: (n,) between keypoints and the nearest heatmap pixel, heatmap px.
        expected: their mean as derived, heatmap px.
    """
    ax = ax or plt.subplots(figsize=(5.6, 3.4), layout="constrained")[1]
    label = f"{len(distances):,} keypoints"
    ax.hist(distances, bins=np.linspace(0, 0.72, 37), density=True, color="#BBBBBB", label=label)
    r = np.linspace(0, np.sqrt(0.5), 400)
    ax.plot(r, rounding_density(r), color="#0072B2", lw=2, label="uniform in a square: exact")
    ax.axvline(expected, color="#D55E00", ls="--", lw=1.6, label=f"expected mean {expected:.4f}")
    ax.set(
        xlabel="distance to the nearest pixel (heatmap px)", ylabel="density", xlim=(0, 0.75), ylim=(0, 4.6)
    )
    ax.set_title("What rounding to pixels costs", loc="left", fontsize=11)
    ax.legend(frameon=False, loc="upper left", fontsize=9)
    return ax


def show_encodings(biased: np.ndarray, unbiased: np.ndarray, center: Sequence[float]) -> Sequence[Axes]:
    """A biased target, an unbiased one and their difference, with the true centre: returns three Axes.

    Args:
        biased, unbiased: (h, w) targets of the same keypoint.
        center: (2,) its true place (x, y), heatmap px.
    """
    figure, axes = plt.subplots(1, 3, figsize=(10, 3.5), layout="constrained")
    titles = ("biased: at the nearest pixel", "unbiased: at the true place", "biased less unbiased")
    shown = (biased, unbiased, biased - unbiased)
    for ax, title, values in zip(axes, titles, shown, strict=True):
        last = ax is axes[2]
        limit = float(np.abs(values).max()) if last else 1.0
        limits = {"vmin": -limit, "vmax": limit} if last else {"vmin": 0, "vmax": 1}
        drawn = ax.imshow(values, cmap="PuOr_r" if last else "cividis", **limits)
        peak = np.unravel_index(values.argmax(), values.shape)[::-1]
        if not last:
            ax.plot(*peak, "s", mfc="none", mec="white", ms=13, mew=1.5, label="highest pixel")
        color = "black" if last else "#D55E00"
        ax.plot(*center, "+", color=color, ms=14, mew=2.2, label="true place")
        ax.set(xticks=range(0, values.shape[1], 2), yticks=range(0, values.shape[0], 2))
        ax.set_title(title, loc="left", fontsize=10)
        figure.colorbar(drawn, ax=ax, shrink=0.75)
    axes[0].legend(loc="lower left", fontsize=8, labelcolor="white", frameon=False)
    return list(axes)


def plot_heights(table: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """The error that a map's height implies, and the measured one.

    Args:
        table: a row a bin of maps, with columns implied, measured (heatmap px) and keypoints (how many).
    """
    ax = ax or plt.subplots(figsize=(5.0, 4.2), layout="constrained")[1]
    limit = 1.1 * float(table[["implied", "measured"]].to_numpy().max())
    ax.plot([0, limit], [0, limit], color="#999999", ls=":", lw=1.2, label="equal")
    ax.plot(table["implied"], table["measured"], "-", color="#0072B2", lw=1.4)
    ax.scatter(
        table["implied"], table["measured"], color="#0072B2", zorder=3, label="bins of maps, by height"
    )
    ax.annotate("highest maps", (table["implied"].min(), table.loc[table["implied"].idxmin(), "measured"]),
                xytext=(8, -12), textcoords="offset points", fontsize=9)  # fmt: skip
    ax.annotate("lowest maps", (table["implied"].max(), table.loc[table["implied"].idxmax(), "measured"]),
                xytext=(-2, -38), textcoords="offset points", ha="center", fontsize=9)  # fmt: skip
    ax.set(
        xlabel="spread that the height implies (heatmap px)",
        ylabel="spread of the errors, median / 1.177 (heatmap px)",
    )
    ax.set(xlim=(0, limit), ylim=(0, limit))
    ax.legend(frameon=False, loc="upper left")
    return ax
