"""Where the 133 keypoints lie on a person, and how far from them a prediction may be."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import EllipseCollection
from matplotlib.patheffects import withStroke

from wbkit.keypoints import COLORS, PARTS, SIGMAS, SKELETON, side_of
from wbkit.plots.styles import PART_STYLES

_TITLES = {
    "body": "body: 0-16, feet: 17-22",
    "face": "face: 23-90",
    "righthand": "right hand: 112-132",
    "lefthand": "left hand: 91-111",
}
_CIRCLED = {  # so few that their circles can be told apart
    "body": range(17),
    "foot": range(17, 23),
    "face": (23, 31, 39, 40, 44, 45, 49, 53, 59, 62, 65, 68, 71, 77),
    "lefthand": (91, 95, 99, 103, 107, 111),
    "righthand": (112, 116, 120, 124, 128, 132),
}
_CROWDED = {*range(60, 62), 63, 64, 66, 67, 69, 70, *range(84, 87), *range(88, 91)}
"""Points on eyelids and inner lips: their corners have numbers, the others would cover each other."""
_SIDE_BY_SIDE = [["body", "body", "face", "face"], ["body", "body", "righthand", "lefthand"]]


def show_keypoint_map(image_rgb: np.ndarray, keypoints: np.ndarray) -> dict[str, Axes]:
    """One person with the numbers of its keypoints: body and feet to the left, face and hands enlarged.

    Left limbs orange, right ones blue, face purple; hidden points (v = 1) are hollow, points without a
    label are left out. Of eyelids and inner lips only the corners have numbers.

    Args:
        image_rgb: (H, W, 3) uint8.
        keypoints: (133, 3): x, y in image px, COCO's v.

    Returns:
        The Axes by part: body (with the feet), face, righthand, lefthand.
    """
    figure, axes = plt.subplot_mosaic(_SIDE_BY_SIDE, figsize=(10, 7.2), layout="constrained")
    figure.get_layout_engine().set(w_pad=0.02, h_pad=0.02)
    for part, ax in axes.items():
        points = np.arange(23) if part == "body" else np.arange(133)[PARTS[part]]
        _show_around(ax, image_rgb, keypoints[points], margin=0.12)
        _draw_links(ax, keypoints, points)
        _draw_points(ax, keypoints, points, size=5 if part == "body" else 4)
        _number(ax, keypoints, points, fontsize=7 if part == "face" else 8)
        ax.set_title(_TITLES[part])
    return axes


def show_tolerance(
    image_rgb: np.ndarray,
    keypoints: np.ndarray,
    area: float,
    parts: Sequence[str] = ("body", "face", "righthand"),
    similarity: float = 0.5,
) -> Sequence[Axes]:
    """Around labelled keypoints the circle on which a prediction would count `similarity`.

    Of face and hands a few points have circles, where all would hide each other; a dot marks every point,
    and the titles state the median of all.

    Args:
        image_rgb: (H, W, 3) uint8.
        keypoints: (133, 3): x, y in image px, COCO's v.
        area: the person's, px^2.
        parts: one panel for each.
        similarity: exp(-d^2 / (2 area (2 sigma)^2)) of the circles, between 0 and 1.
    """
    figure, axes = plt.subplots(
        1, len(parts), figsize=(3.4 * len(parts), 4.2), layout="constrained", squeeze=False
    )
    figure.suptitle(f"On these circles a prediction counts {similarity:g}")
    radii = np.sqrt(-2 * area * np.log(similarity)) * 2 * SIGMAS  # (133,) px
    for ax, part in zip(axes[0], parts, strict=True):
        every = np.arange(133)[PARTS[part]]
        every = every[keypoints[every, 2] > 0]
        _show_around(ax, image_rgb, keypoints[every], margin=0.25)
        circled = [k for k in _CIRCLED[part] if k in every]
        diameters, centres = 2 * radii[circled], keypoints[circled, :2]
        for width, edge in ((3, "white"), (1.5, PART_STYLES[part][0])):
            circles = EllipseCollection(
                diameters, diameters, 0 * diameters, units="xy", offsets=centres,
                transOffset=ax.transData, facecolors="none", edgecolors=edge, linewidths=width,
            )  # fmt: skip
            ax.add_collection(circles)
        ax.plot(*keypoints[every, :2].T, "o", color="white", ms=3, mec="black", mew=0.5)
        median = f"median {np.median(radii[every]):.1f} px" if len(every) else "no label"
        ax.set_title(f"{part}: {median}")
    return list(axes[0])


def _show_around(ax: Axes, image_rgb: np.ndarray, keypoints: np.ndarray, margin: float) -> None:
    """The picture, cut to the labelled points and a margin (a share of their extent)."""
    ax.imshow(image_rgb)
    ax.set(xticks=[], yticks=[])
    ax.spines[:].set_visible(False)
    labelled = keypoints[keypoints[:, 2] > 0, :2]
    if not len(labelled):
        return
    low, high = labelled.min(0), labelled.max(0)
    room = margin * max(*(high - low), 8)
    height, width = image_rgb.shape[:2]
    ax.set_xlim(max(low[0] - room, -0.5), min(high[0] + room, width - 0.5))
    ax.set_ylim(min(high[1] + room, height - 0.5), max(low[1] - room, -0.5))


def _color(keypoint: int) -> tuple[float, ...]:
    return tuple(channel / 255 for channel in COLORS[side_of(keypoint)])


def _draw_links(ax: Axes, keypoints: np.ndarray, points: np.ndarray) -> None:
    inside = set(points.tolist())
    for a, b in SKELETON:
        if {a, b} <= inside and (keypoints[[a, b], 2] > 0).all():
            color = _color(a) if side_of(a) == side_of(b) else _color(0)
            ax.plot(*keypoints[[a, b], :2].T, color=color, lw=1.5)


def _draw_points(ax: Axes, keypoints: np.ndarray, points: np.ndarray, size: float) -> None:
    for k in points:
        x, y, v = keypoints[k]
        if v > 0:
            face = _color(k) if v > 1 else "white"
            ax.plot(x, y, "o", ms=size, mfc=face, mec=_color(k) if v < 2 else "white", mew=0.8)


def _number(ax: Axes, keypoints: np.ndarray, points: np.ndarray, fontsize: float) -> None:
    """The numbers, pushed away from the middle of the points."""
    labelled = points[keypoints[points, 2] > 0]
    if not len(labelled):
        return
    middle = keypoints[labelled, :2].mean(0)
    for k in labelled:
        if k in _CROWDED:
            continue
        away = keypoints[k, :2] - middle
        away = away / max(float(np.hypot(*away)), 1e-6) * (8, -8)  # points of print; y upwards
        ax.annotate(
            str(k), keypoints[k, :2], away, textcoords="offset points", ha="center", va="center",
            fontsize=fontsize, color="black", path_effects=[withStroke(linewidth=2, foreground="white")],
        )  # fmt: skip
