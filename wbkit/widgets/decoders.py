"""The decoders that the explorers compare, each with a marker and a colour that tell it apart.

All mathematics is that of `wbkit.heatmaps`; here it is only applied to the same map side by side.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps

import numpy as np
import torch
from torch import Tensor

from wbkit.decoders import argmax2d, refine_dark, refine_quarter, refine_udp


@dataclass(frozen=True)
class Decoder:
    """How one decoder is named, drawn and computed.

    Attributes:
        name: for people.
        refine: (heatmaps (B, K, H, W), peaks (B, K, 2), kernel size) -> (B, K, 2) heatmap px.
        marker: a shape of `canvas.marker`; sign: the same as a letter, for tables.
        color: RGB, of the Okabe-Ito palette. radius: of the marker, px: DARK's and UDP's differ, since they
            often fall together.
    """

    name: str
    refine: Callable[[Tensor, Tensor, int], Tensor]
    marker: str
    sign: str
    color: tuple[int, int, int]
    radius: float = 6


DECODERS: dict[str, Decoder] = {
    d.name: d
    for d in (
        Decoder("argmax", lambda maps, peaks, _: peaks.float(), "square", "□", (0, 0, 0), 5),
        Decoder("quarter", lambda maps, peaks, _: refine_quarter(maps, peaks), "diamond", "◇", (230, 159, 0)),
        Decoder("DARK", refine_dark, "plus", "+", (213, 94, 0), 10),
        Decoder("UDP", refine_udp, "cross", "×", (0, 158, 115), 5),
    )
}  # fmt: skip
"""By name, in the order in which they came about."""
TRUTH_MARKER, TRUTH_SIGN, TRUTH_COLOR = "ring", "○", (204, 60, 160)


def on_one_thread(function: Callable) -> Callable:
    """The function with torch on one thread.

    One small map gains nothing from a second one, and beside a browser that needs the same processor the
    threads spend most of their time waiting for each other. The setting holds for the whole process.
    """

    @wraps(function)
    def alone(*arguments, **options):
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            return function(*arguments, **options)
        finally:
            torch.set_num_threads(threads)

    return alone


@on_one_thread
def estimates(
    maps: np.ndarray, kernel_size: int, names: tuple[str, ...] = tuple(DECODERS)
) -> dict[str, np.ndarray]:
    """Where each decoder finds the keypoints of K maps.

    Args:
        maps: (K, H, W) float32.
        kernel_size: of the blur, odd.
        names: keys of `DECODERS`.

    Returns:
        name -> (K, 2) float64 heatmap px; (-1, -1) (or near it) where a map has no positive value.
    """
    heatmaps = torch.from_numpy(np.ascontiguousarray(maps, np.float32))[None]  # (1, K, H, W)
    peaks, _ = argmax2d(heatmaps)
    found = {name: DECODERS[name].refine(heatmaps, peaks, kernel_size) for name in names}
    return {name: points[0].numpy().astype(np.float64) for name, points in found.items()}


def hex_color(color: tuple[int, int, int]) -> str:
    """(r, g, b) -> "#rrggbb"."""
    return "#{:02x}{:02x}{:02x}".format(*color)
