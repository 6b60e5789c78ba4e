"""From a picture to the network's crop: where it is cut, and which picture position each crop pixel shows."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Polygon, Rectangle

from wbkit.geometry import crop_image, invert_warp, warp_points
from wbkit.plots.poses import draw_pose

_BOX, _REGION = "#E69F00", "#0072B2"


def show_crop(
    image_rgb: np.ndarray,
    box_xywh: np.ndarray,
    matrices: Sequence[np.ndarray],
    input_size: tuple[int, int],
    keypoints: np.ndarray | None = None,
    titles: Sequence[str] = (),
) -> Sequence[Axes]:
    """A picture with a person's box (dashed) and the regions that are cut out; beside it their crops.

    The dot marks each region's corner that becomes the crop's top left.

    Args:
        image_rgb: (H, W, 3) uint8.
        box_xywh: (4,) image px.
        matrices: (2, 3) each, image px -> crop px.
        input_size: (W, H) of the crops.
        keypoints: (133, 3) x, y in image px and v, drawn into the crops through the same maps; or None.
        titles: of the crops.

    Returns:
        The Axes, the picture's first.
    """
    ratios = [1.5 * image_rgb.shape[1] / image_rgb.shape[0]]
    ratios += [1.5 * input_size[0] / input_size[1]] * len(matrices)
    size = (3.2 * sum(ratios), 4.6)
    axes = plt.subplots(1, len(ratios), figsize=size, width_ratios=ratios, layout="constrained")[1]
    axes[0].imshow(image_rgb)
    x, y, w, h = box_xywh
    axes[0].add_patch(Rectangle((x, y), w, h, fill=False, ec="white", lw=3.5))
    axes[0].add_patch(Rectangle((x, y), w, h, fill=False, ec=_BOX, lw=2, ls="--"))
    axes[0].set_title("picture: box dashed")
    for n, (ax, matrix) in enumerate(zip(axes[1:], matrices, strict=True)):
        _outline(axes[0], matrix, input_size, "-" if n == 0 else ":")
        crop = crop_image(image_rgb, matrix, input_size)
        if keypoints is not None:
            crop = draw_pose(crop, warp_points(keypoints[:, :2], matrix), keypoints[:, 2], threshold=0)
        ax.imshow(crop)
        ax.set_title(titles[n] if titles else f"crop {input_size[0]} x {input_size[1]}")
    for ax in axes:
        ax.set(xticks=[], yticks=[])
        ax.spines[:].set_visible(False)
    return list(axes)


def _outline(ax: Axes, matrix: np.ndarray, input_size: tuple[int, int], style: str) -> None:
    """The crop's frame where it lies in the picture; it may reach beyond."""
    width, height = input_size
    corners = warp_points([(0, 0), (width, 0), (width, height), (0, height)], invert_warp(matrix))  # (4, 2)
    ax.add_patch(Polygon(corners, fill=False, ec="white", lw=3.5, ls=style, clip_on=False))
    ax.add_patch(Polygon(corners, fill=False, ec=_REGION, lw=2, ls=style, clip_on=False))
    ax.plot(*corners[0], "o", color=_REGION, mec="white", ms=8, clip_on=False)


def show_pixel_conventions(width: int = 9, region: tuple[float, float] = (1.0, 7.0), pixels: int = 4) -> Axes:
    """One row of a picture, and where each pixel of a small crop looks, by three conventions.

    Args:
        width: of the picture's row, px.
        region: (start, width) of what is cut out, image px.
        pixels: of the crop.
    """
    start, extent = region
    u = np.arange(pixels)
    looks = {
        f"the published systems: x = {start:g} + u w / W": start + u * extent / pixels,
        f"UDP: x = {start:g} + u w / (W - 1)": start + u * extent / (pixels - 1),
        f"pixels as areas: x + ½ = {start:g} + (u + ½) w / W": start + (u + 0.5) * extent / pixels - 0.5,
    }
    ax = plt.subplots(figsize=(8.4, 3.4), layout="constrained")[1]
    for row, (name, places) in enumerate(looks.items()):
        y = -1.5 * row
        for x in range(width):
            ax.add_patch(Rectangle((x - 0.5, y - 0.3), 1, 0.6, fc="#EEEEEE", ec="#999999", lw=0.8))
        ax.plot(places, np.full(pixels, y), "o", color=_REGION, mec="white", ms=10, zorder=3)
        for n, x in enumerate(places):
            ax.annotate(f"{n}", (x, y), ha="center", va="center", color="white", fontsize=7, zorder=4)
        ax.text(-0.5, y + 0.48, name, fontsize=9, va="bottom")
        less = 0.5 if row == 2 else 0  # there the first pixel's area begins at 0, its centre is at 1/2
        ax.vlines([start - less, start - less + extent], y - 0.45, y + 0.45, color=_BOX, ls="--", lw=2)
    ax.set(xlim=(-0.7, width - 0.3), ylim=(-3.5, 0.95), yticks=[], xticks=range(width))
    ax.set(xlabel="image px; grey: the picture's pixels, dashed: the region's edges")
    ax.spines[["left", "bottom"]].set_visible(False)
    ax.set_title(f"Where the {pixels} pixels of a crop look")
    return ax
