"""Clouds of errors: where predictions of a keypoint lie around its label."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.patches import Circle

from wbkit.failures.classes import GOOD_SIMILARITY, NEAR_SIMILARITY
from wbkit.failures.summary import cloud_table, error_vectors
from wbkit.plots.styles import panels

CLOUD_KEYPOINTS = (
    "nose",
    "left_wrist",
    "right_hip",
    "left_big_toe",
    "face-8",
    "face-36",
    "left_hand_root",
    "right_forefinger4",
)
"""One or two keypoints of every part: chin and the outer corner of the right eye for the face."""
_REACH = 2.2  # half a panel's width, in radii of ks .5


def plot_jitter_clouds(
    table: pd.DataFrame, keypoints: Sequence[str] = CLOUD_KEYPOINTS, *, columns: int = 4
) -> list[Axes]:
    """A panel for each keypoint: its error vectors by the square root of the person's area, y down.

    Full circle: ks .85, within it a point is good; dashed: ks .5, within it it counts as near. The cross is
    the median. Points beyond the panel are counted in words. The numbers are those of
    `wbkit.failures.cloud_table`.

    Args:
        table: of `wbkit.failures.keypoint_table`.
    """
    clouds = cloud_table(table, keypoints)
    used = table[(table["v"] > 0) & table["error_px"].notna() & (table["person_area"] > 0)]
    axes = panels(len(clouds), columns=columns, width=2.35, height=3.0)
    for ax, (name, cloud) in zip(axes, clouds.iterrows(), strict=True):
        vectors = error_vectors(used[used["keypoint"] == name])  # (n, 2)
        reach = _REACH * cloud["near_radius"]
        outside = int((np.abs(vectors) > reach).any(1).sum())
        alpha = float(np.clip(40 / max(len(vectors), 1), 0.08, 0.55))
        look = {"s": 9, "color": "#0072B2", "alpha": alpha, "linewidths": 0, "rasterized": True}
        ax.scatter(*vectors.T, label="predictions", **look)
        for radius, style, ks in (("good", "-", GOOD_SIMILARITY), ("near", "--", NEAR_SIMILARITY)):
            circle = Circle((0, 0), cloud[f"{radius}_radius"], fill=False, ls=style, lw=1.2, label=f"ks {ks}")
            ax.add_patch(circle)
        if cloud["count"]:
            style = {"marker": "+", "color": "#D55E00", "markersize": 11, "mew": 2}
            ax.plot(cloud["median_x"], cloud["median_y"], **style)
        ax.set(xlim=(-reach, reach), ylim=(reach, -reach), aspect="equal")
        ax.set_title(name, fontsize=9.5, loc="left")
        share = "no predictions" if not cloud["count"] else f"{cloud['within_good']:.0%} in the full circle"
        ax.set_xlabel(f"{share}\n{outside} of {cloud['count']:.0f} beyond the panel", fontsize=8)
        ax.tick_params(labelsize=7, length=2)
        ax.locator_params(nbins=3)
    axes[0].figure.suptitle("Error vectors by √area; circles: ks .85 (full) and .5 (dashed)", fontsize=11)
    return axes
