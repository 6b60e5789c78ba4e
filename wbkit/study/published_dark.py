"""What DARK's authors and MMPose published: input sizes, and AP without and with DARK."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from wbkit.heatmaps import HeatmapCodec


@dataclass(frozen=True)
class Size:
    """One of DARK's input sizes.

    Attributes:
        codec: with DARK's unbiased encoding.
        published: AP on COCO val2017 of HRNet-W32 and -W48 without and with DARK, in points; Zhang et al.,
            CVPR 2020, and the table in the README of the authors' code (github.com/ilovepose/DarkPose).
    """

    codec: HeatmapCodec
    published: dict[str, tuple[float, float]]


def _size(width: int, height: int, sigma: float, kernel: int, **published: tuple[float, float]) -> Size:
    codec = HeatmapCodec((width, height), (width // 4, height // 4), sigma, blur_kernel_size=kernel)
    return Size(codec, published)


SIZES: dict[str, Size] = {
    "128x96": _size(96, 128, 1.0, 3, W32=(66.9, 70.7), W48=(68.0, 71.9)),
    "256x192": _size(192, 256, 2.0, 11, W32=(74.4, 75.6)),
    "384x288": _size(288, 384, 3.0, 11, W32=(75.8, 76.6), W48=(76.3, 76.8)),
}
"""Input sizes (named height x width, as in the paper), with the sigma and the blur kernel of the authors'
configuration files (experiments/coco/hrnet/w32_*.yaml in their repository)."""


PUBLISHED_PARTS: dict[str, tuple[float, float]] = {
    "body": (67.8, 69.3),
    "foot": (54.3, 56.4),
    "face": (63.0, 73.7),
    "hand": (46.7, 50.3),
    "wholebody": (53.6, 58.2),
}
"""AP of HRNet-W32 at 256x192 without and with DARK, COCO-WholeBody v1.0 val, in points; MMPose 1.x's zoo
(configs/wholebody_2d_keypoint/topdown_heatmap/coco-wholebody/, hrnet_ and hrnet_dark_coco-wholebody.md)."""

PUBLISHED_PARTS_0X: dict[str, tuple[float, float]] = {
    "body": (70.0, 69.4),
    "foot": (56.7, 56.5),
    "face": (63.7, 73.6),
    "hand": (47.3, 50.3),
    "wholebody": (55.3, 58.2),
}
"""The same two checkpoints on MMPose 0.x's pages (configs/wholebody/2d_kpt_sview_rgb_img/topdown_heatmap/
coco-wholebody/); "with" is what `RECIPES["w32_dark_256x192"].published` holds."""


def published_table() -> pd.DataFrame:
    """The published AP without and with DARK: rows are sizes and networks; columns without, with, gain."""
    rows = [
        {"size": name, "network": network, "without": before, "with": after, "gain": round(after - before, 1)}
        for name, size in SIZES.items()
        for network, (before, after) in size.published.items()
    ]
    return pd.DataFrame(rows).set_index(["size", "network"])
