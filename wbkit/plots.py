"""Pictures that explain: poses over photos, heatmaps over crops, precision-recall and training curves.

Plots draw on the Axes they are given (or new ones) and return them; colours are Okabe-Ito's.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes

from wbkit.evaluate import RECALLS, precision_recall
from wbkit.keypoints import COLORS, KEYPOINTS, PART_OF_KEYPOINT, PARTS, SKELETON, side_of
from wbkit.matching import OKS_THRESHOLDS, Matches

_SMALL_PARTS = ("face", "lefthand", "righthand")
PART_STYLES = {
    "body": ("#0072B2", "-"),
    "foot": ("#E69F00", "--"),
    "face": ("#CC79A7", "-"),
    "lefthand": ("#009E73", "-."),
    "righthand": ("#56B4E9", "--"),
    "wholebody": ("#000000", "-"),
}
"""Colour and line style of each part: a second cue for readers who cannot tell the colours apart."""


def draw_pose(
    image_rgb: np.ndarray,
    keypoints: np.ndarray,
    scores: np.ndarray | None = None,
    *,
    threshold: float = 0.2,
    thickness: float | None = None,
) -> np.ndarray:
    """Skeletons over a picture: left orange, right blue, midline green, face purple.

    Args:
        image_rgb: (H, W, 3) uint8; not changed.
        keypoints: (N, 133, 2) or (133, 2) image px.
        scores: (N, 133) or (133,); points at or below `threshold`, and their links, are left out.
            None: draw all.
        thickness: line width, px; None: by the picture's size, thinner for small people.

    Returns:
        a new (H, W, 3) uint8 picture.
    """
    picture = np.ascontiguousarray(image_rgb).copy()
    keypoints = np.asarray(keypoints, np.float64).reshape(-1, len(KEYPOINTS), 2)
    shown = np.isfinite(keypoints).all(-1)  # (N, 133)
    if scores is not None:
        shown &= np.asarray(scores).reshape(shown.shape) > threshold
    for points, visible in zip(keypoints, shown, strict=True):
        extent = float(np.ptp(points[visible], axis=0).max()) if visible.any() else 0.0
        width = thickness or min(max(image_rgb.shape[:2]) / 320, max(extent / 120, 0.5))
        _draw_links(picture, points, visible, width)
        _draw_points(picture, points, visible, width)
    return picture


_SUBPIXEL_BITS = 4  # OpenCV draws at sixteenths of a pixel


def _fixed(point: np.ndarray) -> tuple[int, int]:
    limit = 2**14  # px; far points are cut off before OpenCV's integers overflow
    x, y = np.clip(point, -limit, limit) * 2**_SUBPIXEL_BITS
    return round(float(x)), round(float(y))


def _draw_links(picture: np.ndarray, points: np.ndarray, visible: np.ndarray, thickness: float) -> None:
    for a, b in SKELETON:
        if visible[a] and visible[b]:
            fine = PART_OF_KEYPOINT[b] in _SMALL_PARTS
            width = max(1, round(thickness * (0.5 if fine else 1)))
            color = COLORS[side_of(a) if side_of(a) == side_of(b) else "middle"]
            cv2.line(picture, _fixed(points[a]), _fixed(points[b]), color, width, cv2.LINE_AA, _SUBPIXEL_BITS)


def _draw_points(picture: np.ndarray, points: np.ndarray, visible: np.ndarray, thickness: float) -> None:
    for k in np.flatnonzero(visible):
        radius = thickness * (0.7 if PART_OF_KEYPOINT[k] in _SMALL_PARTS else 1.6)
        size = max(1, round(radius * 2**_SUBPIXEL_BITS))
        place = _fixed(points[k])
        if radius > 2:
            cv2.circle(picture, place, size + 12, (255, 255, 255), -1, cv2.LINE_AA, _SUBPIXEL_BITS)
        cv2.circle(picture, place, size, COLORS[side_of(int(k))], -1, cv2.LINE_AA, _SUBPIXEL_BITS)


def show_heatmap(
    crop_rgb: np.ndarray,
    heatmap: np.ndarray,
    point: np.ndarray | None = None,
    *,
    scale: tuple[float, float] | None = None,
    title: str | None = None,
    ax: Axes | None = None,
) -> Axes:
    """A heatmap over its crop, with the decoded keypoint as a cross.

    Args:
        crop_rgb: (H, W, 3) uint8 network input.
        heatmap: (h, w).
        point: (2,) input px, or None.
        scale: input px per heatmap px, (x, y): the codec's `scale`; None: W / w and H / h.
    """
    ax = ax or plt.subplots()[1]
    height, width = crop_rgb.shape[:2]
    h, w = heatmap.shape
    step_x, step_y = scale or (width / w, height / h)
    extent = (-step_x / 2, (w - 0.5) * step_x, (h - 0.5) * step_y, -step_y / 2)
    ax.imshow(cv2.cvtColor(cv2.cvtColor(crop_rgb, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB))
    strength = np.clip(heatmap / max(float(heatmap.max()), 1e-6), 0, 1)
    ax.imshow(heatmap, extent=extent, cmap="inferno", alpha=0.15 + 0.75 * strength, interpolation="bilinear")
    if point is not None:
        ax.plot(*point, marker="+", color="#56B4E9", markersize=12, markeredgewidth=2)
    ax.set(xlim=(-0.5, width - 0.5), ylim=(height - 0.5, -0.5), xticks=[], yticks=[])
    ax.set_title(title or "", fontsize=9)
    return ax


def plot_precision_recall(
    matches: dict[str, Matches], *, threshold: float | None = None, ax: Axes | None = None
) -> Axes:
    """Precision over recall, a line a part; the legend states the area below it.

    Args:
        matches: part -> its matches (`wbkit.matching.match`).
        threshold: one of .50, .55 ... .95; None: the mean over all of them, whose area is the AP.
    """
    ax = ax or plt.subplots(figsize=(5.2, 4.2), layout="constrained")[1]
    rows = slice(None) if threshold is None else [int(np.argmin(np.abs(OKS_THRESHOLDS - threshold)))]
    for part, found in matches.items():
        precision = precision_recall(found)[0][rows].mean(0)  # (101,)
        if np.isnan(precision).any():
            continue  # nobody has labels for this part: there is no curve
        color, style = PART_STYLES[part]
        label = f"{part}  {precision.mean():.3f}"
        ax.plot(RECALLS, precision, style, color=color, label=label, lw=2.4 if part == "wholebody" else 1.6)
    over = "mean over OKS .50 to .95" if threshold is None else f"OKS > {threshold:.2f}"
    ax.set(xlabel="recall", ylabel="precision", xlim=(0, 1.01), ylim=(0, 1.03))
    ax.set_title(f"Precision and recall by part, {over}", loc="left", fontsize=11)
    ax.legend(title="part  AP", frameon=False, loc="lower left", alignment="left")
    sns.despine(ax=ax)
    return ax


def show_poses(pictures: Sequence[np.ndarray], titles: Sequence[str], *, columns: int = 3) -> Sequence[Axes]:
    """Pictures side by side, each in its own aspect ratio: returns one Axes a picture."""
    columns = min(columns, len(pictures))
    rows = -(-len(pictures) // columns)
    aspect = float(np.mean([picture.shape[1] / picture.shape[0] for picture in pictures]))
    size = (3.6 * aspect * columns, 3.8 * rows)  # inches
    figure, axes = plt.subplots(rows, columns, figsize=size, layout="constrained", squeeze=False)
    for ax in axes.flat[len(pictures) :]:
        figure.delaxes(ax)
    for ax, picture, title in zip(axes.flat, pictures, titles, strict=False):
        ax.imshow(picture)
        ax.set_title(title, fontsize=9)
        ax.axis("off")
    return list(axes.flat[: len(pictures)])


def show_part_heatmaps(
    crop_rgb: np.ndarray,
    heatmaps: np.ndarray,
    points: np.ndarray,
    scale: tuple[float, float] | None = None,
) -> Sequence[Axes]:
    """Eight views of one person's 133 heatmaps: single keypoints above, the sum of each part below.

    Args:
        crop_rgb: (H, W, 3) uint8 network input.
        heatmaps: (133, h, w).
        points: (133, 2) decoded, input px.
        scale: input px per heatmap px, the codec's `scale`.
    """
    single = ("nose", "left_wrist", "right_ankle", "left_hand_root")
    summed = ("body", "foot", "face", "lefthand")
    figure, axes = plt.subplots(2, 4, figsize=(9, 6.4), layout="constrained")
    for ax, name in zip(axes[0], single, strict=True):
        k = KEYPOINTS.index(name)
        title = f"{name}  {heatmaps[k].max():.2f}"
        show_heatmap(crop_rgb, heatmaps[k], points[k], scale=scale, title=title, ax=ax)
    for ax, part in zip(axes[1], summed, strict=True):
        title = f"{part}: all its maps"
        show_heatmap(crop_rgb, heatmaps[PARTS[part]].max(0), scale=scale, title=title, ax=ax)
    figure.suptitle("Predicted heatmaps over the crop; the cross is the decoded keypoint", fontsize=11)
    return list(axes.flat)


def training_curves(metrics: str | Path | pd.DataFrame) -> Sequence[Axes]:
    """Loss and AP by part over the updates of a run: returns the two Axes.

    Args:
        metrics: a run's metrics.csv, or its table (columns: `wbkit.runs.COLUMNS` and `AP_COLUMNS`).
    """
    table = metrics if isinstance(metrics, pd.DataFrame) else pd.read_csv(metrics)
    steps, tests = table.dropna(subset="loss"), table.dropna(subset="body")
    axes = plt.subplots(1, 2, figsize=(9.6, 3.8), layout="constrained")[1]
    smooth = steps.loss.ewm(span=15).mean()
    axes[0].plot(steps.step, steps.loss, color="#BBBBBB", lw=0.8, label="of one batch")
    axes[0].plot(steps.step, smooth, color="#0072B2", lw=1.8, label="running mean")
    rate = steps.learning_rate  # dropped where it was constant before: neither a line to 0 nor a new stage
    drops = (rate < 0.5 * rate.shift()) & (rate.shift() == rate.shift(2))
    for step in steps.step[drops]:
        axes[0].axvline(step, color="#999999", lw=0.8, ls=":")
    axes[0].set(yscale="log", xlabel="update", ylabel="heatmap loss")
    axes[0].set_title(
        "Loss; dotted: the learning rate drops" if drops.any() else "Loss", loc="left", fontsize=11
    )
    axes[0].legend(frameon=False)
    for part, (color, style) in PART_STYLES.items():
        width = 2.4 if part == "wholebody" else 1.6
        axes[1].plot(tests.step, tests[part], style, color=color, lw=width, marker="o", ms=3, label=part)
    axes[1].set(xlabel="update", ylabel="AP", ylim=(0, None))
    axes[1].set_title("AP by part on the validation people", loc="left", fontsize=11)
    axes[1].legend(frameon=False, fontsize=9, loc="upper left", bbox_to_anchor=(1, 1))
    for ax in axes:
        sns.despine(ax=ax)
    return list(axes)
