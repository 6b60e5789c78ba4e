"""Poses over photos, heatmaps over crops."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes

from wbkit.errors import InputError
from wbkit.keypoints import COLORS, KEYPOINTS, PART_OF_KEYPOINT, PARTS, SKELETON, side_of

_SMALL_PARTS = ("face", "lefthand", "righthand")
SUBPIXEL_BITS = 4  # OpenCV draws at sixteenths of a pixel


def draw_pose(
    image_rgb: np.ndarray,
    keypoints: np.ndarray,
    scores: np.ndarray | None = None,
    *,
    threshold: float = 0.2,
    thickness: float | None = None,
    parts: Sequence[str] | None = None,
) -> np.ndarray:
    """Skeletons over a picture: left orange, right blue, midline green, face purple.

    Args:
        image_rgb: (H, W, 3) uint8; not changed.
        keypoints: (N, 133, 2) or (133, 2) image px.
        scores: (N, 133) or (133,); points at or below `threshold`, and their links, are left out.
            None: draw all.
        thickness: line width, px; None: by the picture's size, thinner for small people.
        parts: draw only these, such as ("lefthand", "righthand"); None: all.

    Returns:
        a new (H, W, 3) uint8 picture.

    Raises:
        InputError: `keypoints` have another shape.
    """
    picture = np.ascontiguousarray(image_rgb).copy()
    keypoints = np.asarray(keypoints, np.float64)
    if keypoints.size and (keypoints.shape[-2:] != (len(KEYPOINTS), 2) or keypoints.ndim > 3):
        remedy = "Give all 133, (N, 133, 2); parts=(...) draws some of them"
        raise InputError(f"keypoints to draw have shape {keypoints.shape}", remedy)
    keypoints = keypoints.reshape(-1, len(KEYPOINTS), 2)
    shown = np.isfinite(keypoints).all(-1)  # (N, 133)
    if parts is not None:
        if unknown := set(parts) - set(PART_OF_KEYPOINT):
            raise InputError(f"there is no part {min(unknown)!r}", f"Take from {', '.join(PARTS)[:-11]}")
        shown &= np.isin(PART_OF_KEYPOINT, list(parts))
    if scores is not None:
        shown &= np.asarray(scores).reshape(shown.shape) > threshold
    for points, visible in zip(keypoints, shown, strict=True):
        extent = float(np.ptp(points[visible], axis=0).max()) if visible.any() else 0.0
        width = thickness or min(max(image_rgb.shape[:2]) / 320, max(extent / 120, 0.5))
        places = fixed_points(np.where(visible[:, None], points, 0)).tolist()
        _draw_links(picture, places, visible, width)
        _draw_points(picture, places, visible, width)
    return picture


def _draw_links(picture: np.ndarray, places: list, visible: np.ndarray, thickness: float) -> None:
    for a, b in SKELETON:
        if visible[a] and visible[b]:
            fine = PART_OF_KEYPOINT[b] in _SMALL_PARTS
            width = max(1, round(thickness * (0.5 if fine else 1)))
            color = COLORS[side_of(a) if side_of(a) == side_of(b) else "middle"]
            cv2.line(picture, places[a], places[b], color, width, cv2.LINE_AA, SUBPIXEL_BITS)


def _draw_points(picture: np.ndarray, places: list, visible: np.ndarray, thickness: float) -> None:
    """Those of a face or hand small enough for its size to stay apart, the others with a white rim."""
    radii = np.full(len(KEYPOINTS), thickness * 1.6)  # px
    for part in _SMALL_PARTS:
        shown = np.array(places)[PARTS[part]][visible[PARTS[part]]]
        extent = np.ptp(shown, axis=0).max() / 2**SUBPIXEL_BITS if len(shown) else 0.0
        radii[PARTS[part]] = np.clip(extent / 45, 0.5, thickness * 0.7)
    for k in np.flatnonzero(visible):
        size = max(1, round(radii[k] * 2**SUBPIXEL_BITS))
        if radii[k] > 2 and PART_OF_KEYPOINT[k] not in _SMALL_PARTS:
            cv2.circle(picture, places[k], size + 12, (255, 255, 255), -1, cv2.LINE_AA, SUBPIXEL_BITS)
        cv2.circle(picture, places[k], size, COLORS[side_of(int(k))], -1, cv2.LINE_AA, SUBPIXEL_BITS)


def fixed_points(points: np.ndarray) -> np.ndarray:
    """Finite places (..., 2), picture px, in sixteenths of a px as OpenCV draws with SUBPIXEL_BITS, int32."""
    limit = 2**15  # px; far points are cut off before OpenCV's integers overflow
    return np.rint(np.maximum(np.minimum(points, limit), -limit) * 2**SUBPIXEL_BITS).astype(np.int32)


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


def show_poses(pictures: Sequence[np.ndarray], titles: Sequence[str], *, columns: int = 3) -> Sequence[Axes]:
    """Pictures side by side, each in its own aspect ratio: returns one Axes a picture."""
    if not len(pictures):
        raise InputError("there is nothing to draw", "Give at least one picture")
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
