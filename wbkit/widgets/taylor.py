"""DARK's view of one heatmap: the log of the blurred map as cells, the Taylor step, a cross-section."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
import torch

from wbkit.decoders import log_derivatives, log_patches, modulate
from wbkit.plots.poses import SUBPIXEL_BITS, fixed_points
from wbkit.widgets import canvas
from wbkit.widgets.canvas import GREY, INK, PALE, Frame
from wbkit.widgets.decoders import DECODERS, TRUTH_COLOR, TRUTH_MARKER, on_one_thread

SMALLEST_LOG = -8.0
"""Logarithms are drawn down to here: exp(-8) is a three thousandth of a map's height of 1."""
_PROFILE_HEIGHT = 132
_TITLE = 22


@dataclass(frozen=True)
class Patch:
    """A window of one heatmap with what the decoders made of it.

    Attributes:
        heatmap: (H, W), as decoded. kernel_size: of the blur.
        found: decoder -> (2,) heatmap px. truth: (2,) heatmap px or None.
        center: (x, y) integer heatmap px in the window's middle. count: pixels of its side, odd.
        cell: panel px a heatmap pixel.
        logarithm: show the log of the blurred map, which DARK reads; else the map itself.
    """

    heatmap: np.ndarray
    kernel_size: int
    found: dict[str, np.ndarray]
    truth: np.ndarray | None
    center: tuple[int, int]
    count: int = 9
    cell: int = 40
    logarithm: bool = True

    @property
    def side(self) -> int:
        """Width and height of the cells' panel, px."""
        return self.count * self.cell

    @property
    def first(self) -> tuple[int, int]:
        """Heatmap px of the top-left cell."""
        return self.center[0] - self.count // 2, self.center[1] - self.count // 2

    @property
    def frame(self) -> Frame:
        """Of heatmap px in the cells' panel."""
        middle = (self.cell - 1) / 2
        return Frame((middle, middle), self.first, (self.cell, self.cell))

    @property
    def peak(self) -> tuple[int, int] | None:
        """The highest pixel, None for a map without a positive value."""
        x, y = (round(float(v)) for v in self.found["argmax"])
        return (x, y) if x >= 0 else None

    @cached_property
    def logs(self) -> np.ndarray:
        """`log_map` of the heatmap, (H, W)."""
        return log_map(self.heatmap, self.kernel_size)


@on_one_thread
def log_map(heatmap: np.ndarray, kernel_size: int) -> np.ndarray:
    """Natural log of the modulated map, equation 11, floored at `SMALLEST_LOG`: (H, W) -> (H, W)."""
    maps = torch.from_numpy(np.ascontiguousarray(heatmap, np.float32))[None, None]
    smallest = float(np.exp(SMALLEST_LOG))
    return modulate(maps, kernel_size)[0, 0].clamp_min(smallest).log().numpy()


@on_one_thread
def taylor_terms(
    heatmap: np.ndarray, peak: tuple[int, int], kernel_size: int
) -> tuple[np.ndarray, np.ndarray]:
    """Gradient (2,) and Hessian (2, 2) of the log map at the peak, as DARK computes them."""
    maps = torch.from_numpy(np.ascontiguousarray(heatmap, np.float32))[None, None]
    patches = log_patches(maps, torch.tensor([[peak]]), kernel_size)
    gradient, hessian = log_derivatives(patches)
    return gradient[0, 0].numpy(), hessian[0, 0].numpy()


def draw_patch(patch: Patch) -> np.ndarray:
    """The window's cells with all positions, (side, side, 3); over the log DARK's 5x5 and step too."""
    values = patch.logs if patch.logarithm else patch.heatmap
    window, inside = _window(values, patch.first, patch.count)
    high = float(window[inside].max()) if inside.any() else 1.0
    low = float(window[inside].min()) if inside.any() else 0.0
    low = max(low, high - 5) if patch.logarithm else min(low, 0.0)
    colors = canvas.blues(window, low, high)
    colors[~inside] = PALE
    picture = canvas.cells(colors, patch.cell)
    frame = patch.frame
    if patch.truth is not None:
        canvas.marker(picture, frame.to_panel(patch.truth), TRUTH_MARKER, TRUTH_COLOR, radius=11)
    _markers(picture, patch, ("argmax", "quarter"))
    if patch.peak and patch.logarithm:
        _draw_step(picture, patch, frame)
    _markers(picture, patch, ("DARK", "UDP"))  # on the arrow's tip
    return picture


def _draw_step(picture: np.ndarray, patch: Patch, frame: Frame) -> None:
    """The 5x5 pixels that DARK reads, and its step from the peak."""
    corners = frame.to_panel(np.add(patch.peak, [[-2.5, -2.5], [2.5, 2.5]]))
    (left, top), (right, bottom) = np.rint(corners).astype(int).tolist()
    cv2.rectangle(picture, (left, top), (right, bottom), canvas.WHITE, 4)
    cv2.rectangle(picture, (left, top), (right, bottom), INK, 2)
    canvas.arrow(
        picture, frame.to_panel(patch.found["argmax"]), frame.to_panel(patch.found["DARK"]), canvas.WHITE
    )


def _markers(picture: np.ndarray, patch: Patch, names: tuple[str, ...]) -> None:
    for name in names:
        if name in patch.found:
            decoder, place = DECODERS[name], patch.frame.to_panel(patch.found[name])
            canvas.marker(picture, place, decoder.marker, decoder.color, radius=decoder.radius)


def _window(values: np.ndarray, first: tuple[int, int], count: int) -> tuple[np.ndarray, np.ndarray]:
    """Values (count, count) from `first` on, 0 outside the map, and which lie inside it."""
    rows, columns = first[1] + np.arange(count), first[0] + np.arange(count)
    inside = ((rows >= 0) & (rows < values.shape[0]))[:, None] & (columns >= 0) & (columns < values.shape[1])
    at = np.ix_(rows.clip(0, values.shape[0] - 1), columns.clip(0, values.shape[1] - 1))
    return np.where(inside, values[at], 0), inside


def draw_profile(patch: Patch) -> np.ndarray:
    """The log map along the peak's row and the Taylor parabola, (132, side, 3), in line with the cells."""
    picture = canvas.blank(patch.side, _PROFILE_HEIGHT)
    cv2.rectangle(picture, (0, 0), (patch.side - 1, _PROFILE_HEIGHT - 1), PALE, 1)
    if patch.peak is None:
        canvas.text(picture, (patch.side / 2, 50), "no positive value: nothing to decode", anchor="middle")
        return picture
    (x_peak, y_peak), logs = patch.peak, patch.logs
    columns = np.arange(patch.first[0], patch.first[0] + patch.count)
    columns = columns[(columns >= 0) & (columns < logs.shape[1])]
    row = logs[y_peak, columns]
    top = float(row.max())
    span = float(np.clip(top - row.min(), 0.4, 4)) * 1.1
    height_of = lambda value: 14 + (top - value) / span * (_PROFILE_HEIGHT - 30)  # noqa: E731
    x_of = lambda x: patch.frame.to_panel(np.array([x, 0.0]))[0]  # noqa: E731
    _positions(picture, patch, x_of)
    _parabola(picture, patch, (x_peak, float(logs[y_peak, x_peak])), height_of, x_of)
    for x, value in zip(columns, row, strict=True):
        reach = abs(x - x_peak) <= 2
        color = INK if reach else GREY
        canvas.marker(
            picture, np.array([x_of(x), height_of(value)]), "dot", color, radius=4 if reach else 2.5
        )
    return picture


def _positions(picture: np.ndarray, patch: Patch, x_of) -> None:
    """A vertical line for each estimate, its marker at the foot, each at a height of its own."""
    drawn = [(d.marker, d.color, patch.found[name]) for name, d in DECODERS.items() if name in patch.found]
    if patch.truth is not None:
        drawn.append((TRUTH_MARKER, TRUTH_COLOR, patch.truth))
    for order, (kind, color, point) in enumerate(drawn):
        place, foot = x_of(point[0]), _PROFILE_HEIGHT - 10 - 14 * (len(drawn) - 1 - order)
        canvas.line(picture, np.array([place, 4]), np.array([place, foot]), color, 1)
        canvas.marker(picture, np.array([place, foot]), kind, color, radius=4)


def _parabola(picture: np.ndarray, patch: Patch, peak: tuple[int, float], height_of, x_of) -> None:
    """value + g dx + h dx^2 / 2 through the peak: what one Newton step climbs."""
    gradient, hessian = taylor_terms(patch.heatmap, patch.peak, patch.kernel_size)
    offsets = np.linspace(-3.5, 3.5, 71)
    values = peak[1] + gradient[0] * offsets + 0.5 * hessian[0, 0] * offsets**2
    points = np.stack([x_of(0) + patch.cell * (peak[0] + offsets), height_of(values)], 1)
    points = points[(points[:, 1] > 2) & (points[:, 1] < _PROFILE_HEIGHT - 2)]
    if len(points) > 1:
        color = DECODERS["DARK"].color
        cv2.polylines(picture, [fixed_points(points)], False, color, 2, cv2.LINE_AA, SUBPIXEL_BITS)


def draw_column(patch: Patch, title: str, height: int) -> tuple[np.ndarray, Frame]:
    """Title, cells, legend and cross-section, one below the other.

    Returns:
        picture (height, side, 3), and the frame of heatmap px in it.
    """
    picture = canvas.blank(patch.side, height)
    canvas.text(picture, (0, 2), title, bold=True)
    canvas.paste(picture, draw_patch(patch), 0, _TITLE)
    below = _TITLE + patch.side
    draw_legend(picture, patch, below + 6)
    canvas.text(picture, (0, below + 30), "Its row through the peak, and Taylor's parabola", bold=True)
    canvas.paste(picture, draw_profile(patch), 0, below + 30 + _TITLE)
    frame = patch.frame
    return picture, Frame((frame.place[0], frame.place[1] + _TITLE), frame.first, frame.scale)


def column_height(patch_side: int) -> int:
    """Height that `draw_column` needs, px."""
    return _TITLE + patch_side + 30 + _TITLE + _PROFILE_HEIGHT


def draw_legend(picture: np.ndarray, patch: Patch, top: int) -> None:
    """Markers and names in one line."""
    entries = [(d.marker, d.color, name) for name, d in DECODERS.items() if name in patch.found]
    if patch.truth is not None:
        entries.append((TRUTH_MARKER, TRUTH_COLOR, "truth"))
    x = 8.0
    for kind, color, name in entries:
        canvas.marker(picture, np.array([x, top + 8.0]), kind, color, radius=5)
        x += 12 + canvas.text(picture, (x + 11, top), name) + 14
