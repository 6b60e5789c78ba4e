"""What `dark_explorer` shows: a Gaussian whose centre is known, and what three decoders make of it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
import torch

from wbkit.heatmaps import HeatmapCodec
from wbkit.widgets import canvas
from wbkit.widgets.canvas import GREY, PALE, Frame
from wbkit.widgets.decoders import DECODERS, estimates, on_one_thread
from wbkit.widgets.taylor import Patch, column_height, draw_column, draw_patch

NAMES = ("argmax", "quarter", "DARK")
SIZES = ((96, 128), (192, 256), (288, 384))
"""Network inputs (W, H) of the paper's ablation; heatmaps have a quarter of their sides."""
STRIDE = 4
FARTHEST = 3.0
"""The true centre stays within so many heatmap px of the middle pixel."""
PERSON_PX, PADDING = 300, 1.25
"""Errors are also told in the photo, for a person this tall whose box is padded as the recipes do."""
DRAWS = 256
"""Random centres behind the mean errors."""
_SMALL_MAP = 31  # px; holds a Gaussian of sigma 4 and its blur, whatever the input size
_GAP, _TITLE = 20, 22


@dataclass(frozen=True)
class DarkState:
    """What is chosen.

    Attributes:
        dx, dy: true centre from the middle pixel of the map, heatmap px.
        sigma: of the Gaussian, heatmap px. noise: standard deviation, as a share of its height.
        size: network input (W, H). unbiased: centre as it is (DARK), or rounded to a pixel.
        kernel: of DARK's blur, odd. seed: of the noise.
    """

    dx: float = 0.3
    dy: float = -0.2
    sigma: float = 2.0
    noise: float = 0.0
    size: tuple[int, int] = (192, 256)
    unbiased: bool = True
    kernel: int = 11
    seed: int = 0

    def moved_to(self, dx: float, dy: float) -> DarkState:
        """The same with another centre, kept within reach and to hundredths."""
        dx, dy = (round(float(np.clip(v, -FARTHEST, FARTHEST)), 2) for v in (dx, dy))
        return replace(self, dx=dx, dy=dy)

    @property
    def map_size(self) -> tuple[int, int]:
        """(W, H) of the heatmap."""
        return self.size[0] // STRIDE, self.size[1] // STRIDE

    @property
    def middle(self) -> tuple[int, int]:
        """The map's middle pixel."""
        return self.map_size[0] // 2, self.map_size[1] // 2

    @property
    def center(self) -> np.ndarray:
        """True centre, heatmap px (2,)."""
        return np.add(self.middle, [self.dx, self.dy])

    @property
    def photo_px(self) -> float:
        """Photo px per heatmap px, for a person of `PERSON_PX` height."""
        return PERSON_PX * PADDING / self.map_size[1]


@lru_cache(maxsize=16)
def heatmap(state: DarkState) -> np.ndarray:
    """The target of the true centre with its noise, (H, W) float32."""
    target = _encode(state, state.size, state.map_size, state.center[None])[0]
    draws = np.random.default_rng(state.seed).standard_normal(target.shape)
    return (target + state.noise * draws).astype(np.float32)


@on_one_thread
def _encode(state: DarkState, size, map_size, centers: np.ndarray) -> np.ndarray:
    """Targets (K, H, W) of centres (K, 2) heatmap px, as training makes them."""
    codec = HeatmapCodec(size, map_size, sigma=state.sigma, unbiased=state.unbiased)
    points = torch.from_numpy(centers * codec.scale)[None]
    return codec.encode(points, torch.ones(1, len(centers)))[0][0].numpy()


@lru_cache(maxsize=16)
def decoded(state: DarkState) -> dict[str, np.ndarray]:
    """Decoder -> (2,) heatmap px."""
    found = estimates(heatmap(state)[None], state.kernel, NAMES)
    return {name: points[0] for name, points in found.items()}


def errors(state: DarkState) -> dict[str, float]:
    """Decoder -> distance from the true centre, heatmap px."""
    return {name: float(np.hypot(*(point - state.center))) for name, point in decoded(state).items()}


@lru_cache(maxsize=4)
def _draws(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Random centres (DRAWS, 2) within a pixel of the middle, and noise for their maps."""
    rng = np.random.default_rng([seed, 1])
    centers = _SMALL_MAP // 2 + rng.uniform(-0.5, 0.5, (DRAWS, 2))
    return centers, rng.standard_normal((DRAWS, _SMALL_MAP, _SMALL_MAP)).astype(np.float32)


def mean_errors(state: DarkState) -> dict[str, float]:
    """Decoder -> mean error over `DRAWS` random centres with this sigma, noise, encoding and blur."""
    return _mean_errors(replace(state, dx=0.0, dy=0.0, size=SIZES[0]))


@lru_cache(maxsize=16)
def _mean_errors(state: DarkState) -> dict[str, float]:
    centers, draws = _draws(state.seed)
    side = _SMALL_MAP * STRIDE
    maps = _encode(state, (side, side), (_SMALL_MAP, _SMALL_MAP), centers) + state.noise * draws
    found = estimates(maps, state.kernel, NAMES)
    return {name: float(np.hypot(*(points - centers).T).mean()) for name, points in found.items()}


# --- drawing ------------------------------------------------------------------------------------------


def patch_of(state: DarkState, logarithm: bool = True) -> Patch:
    """The window round the map's middle pixel."""
    return Patch(
        heatmap(state), state.kernel, decoded(state), state.center, state.middle, logarithm=logarithm
    )


def frames(state: DarkState) -> tuple[Frame, Frame]:
    """Of heatmap px in the picture: in the map on the left, and in the log-map on the right."""
    patch = patch_of(state)
    (x, y), side = patch.frame.place, patch.side
    at = lambda left: Frame((x + left, y + _TITLE), patch.first, patch.frame.scale)  # noqa: E731
    return at(0), at(side + _GAP)


def center_at(state: DarkState, x: float, y: float) -> tuple[float, float] | None:
    """(dx, dy) of a place of the picture, in its px; None outside the two maps."""
    side = Patch.count * Patch.cell
    if not _TITLE <= y < _TITLE + side or side <= x < side + _GAP or not 0 <= x < 2 * side + _GAP:
        return None
    frame = frames(state)[0 if x < side else 1]
    dx, dy = frame.to_map(np.array([x, y])) - state.middle
    return float(dx), float(dy)


def draw(state: DarkState) -> np.ndarray:
    """The whole picture: map and mean errors on the left, log-map and cross-section on the right."""
    patch = patch_of(state)
    side, height = patch.side, column_height(patch.side)
    picture = canvas.blank(2 * side + _GAP, height)
    (w, h), kind = state.map_size, "true centre" if state.unbiased else "centre rounded to a pixel"
    canvas.text(picture, (0, 2), f"Heatmap of {h}x{w}, {kind}", bold=True)
    canvas.paste(picture, draw_patch(patch_of(state, logarithm=False)), 0, _TITLE)
    canvas.paste(picture, draw_errors(state, side, height - _TITLE - side - 8), 0, _TITLE + side + 8)
    title = f"Log of it, blurred with {state.kernel} px; DARK reads the frame"
    column, _ = draw_column(patch, title, height)
    canvas.paste(picture, column, side + _GAP, 0)
    return picture


def draw_errors(state: DarkState, width: int, height: int) -> np.ndarray:
    """Bars: each decoder's error at this centre (full) and its mean over random centres (outline)."""
    picture = canvas.blank(width, height)
    here, mean = errors(state), mean_errors(state)
    canvas.text(picture, (0, 0), "Error, heatmap px (black line: mean error)", bold=True)
    largest = max(0.5, *here.values(), *mean.values())
    left, right = 74, width - 62
    step = (height - 48) / len(NAMES)
    for row, name in enumerate(NAMES):
        decoder, top = DECODERS[name], round(26 + row * step)
        middle, x_of = top + 11, lambda value: left + value / largest * (right - left)
        canvas.marker(picture, np.array([8.0, middle]), decoder.marker, decoder.color, radius=5)
        canvas.text(picture, (19, top + 3), name)
        picture[top + 4 : top + 19, left : right + 1] = (244, 244, 244)
        picture[top + 4 : top + 19, left : round(x_of(here[name])) + 1] = decoder.color
        mark = round(x_of(mean[name]))
        picture[top : top + 23, mark - 1 : mark + 2] = canvas.INK
        canvas.text(picture, (right + 8, top + 3), f"{here[name]:.3f}")
    picture[26:-20, left] = GREY
    picture[-20:-19, left:right] = PALE
    canvas.text(picture, (left, height - 17), "0", size=11, color=GREY, anchor="middle")
    canvas.text(picture, (right, height - 17), f"{largest:.2f}", size=11, color=GREY, anchor="middle")
    return picture
