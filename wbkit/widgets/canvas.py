"""Drawing for the explorers: text, markers, enlarged maps; NumPy pictures in, JPEG or PNG bytes out.

OpenCV draws and encodes in a few milliseconds, so that a slider and its picture move together. Pictures
are RGB uint8 (H, W, 3) and are drawn into in place; points are (x, y) panel px.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import cv2
import matplotlib
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from wbkit.plots.poses import SUBPIXEL_BITS, fixed_points

INK, GREY, PALE, WHITE = (34, 34, 34), (120, 120, 120), (214, 214, 214), (255, 255, 255)
_BLUES = np.array([(250, 251, 252), (198, 219, 239), (107, 174, 214), (33, 113, 181), (8, 48, 107)], float)


def blank(width: int, height: int) -> np.ndarray:
    """A white picture (H, W, 3)."""
    return np.full((height, width, 3), 255, np.uint8)


def paste(picture: np.ndarray, part: np.ndarray, left: int, top: int) -> None:
    """Put a smaller picture into a larger one."""
    picture[top : top + part.shape[0], left : left + part.shape[1]] = part


def encode(picture_rgb: np.ndarray, kind: str = "jpeg") -> bytes:
    """JPEG (for photos; or "rough", a light one for what moves) or PNG (for flat colours) of a picture."""
    options = {
        "rough": (".jpg", [cv2.IMWRITE_JPEG_QUALITY, 75]),
        # Colour at full resolution: markers are thin and coloured.
        "jpeg": (".jpg", [cv2.IMWRITE_JPEG_QUALITY, 92, cv2.IMWRITE_JPEG_SAMPLING_FACTOR,
                          cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444]),
        # Flat colours need no filter, whose choice would take most of the time.
        "png": (".png", [cv2.IMWRITE_PNG_COMPRESSION, 1, cv2.IMWRITE_PNG_FILTER, cv2.IMWRITE_PNG_FILTER_NONE,
                         cv2.IMWRITE_PNG_STRATEGY, cv2.IMWRITE_PNG_STRATEGY_DEFAULT]),
    }  # fmt: skip
    suffix, settings = options[kind]
    return cv2.imencode(suffix, cv2.cvtColor(picture_rgb, cv2.COLOR_RGB2BGR), settings)[1].tobytes()


def data_url(picture_rgb: np.ndarray, kind: str = "jpeg") -> bytes:
    """A picture as the address that holds it, `data:image/...`; kinds as in `encode`."""
    media = b"png" if kind == "png" else b"jpeg"
    return b"data:image/%b;base64,%b" % (media, base64.b64encode(encode(picture_rgb, kind)))


# --- text ---------------------------------------------------------------------------------------------


@lru_cache(maxsize=32)
def _font(size: int, bold: bool) -> ImageFont.FreeTypeFont:
    """DejaVu Sans, which comes with matplotlib: OpenCV's own letters are hard to read."""
    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    return ImageFont.truetype(str(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / name), size)


@lru_cache(maxsize=4096)
def _letters(words: str, size: int, bold: bool) -> np.ndarray:
    """Opacity of a line of text, (h, w) float32 in 0 ... 1."""
    font = _font(size, bold)
    ascent, descent = font.getmetrics()
    mask = Image.new("L", (max(1, round(font.getlength(words))) + 1, ascent + descent))
    ImageDraw.Draw(mask).text((0, 0), words, font=font, fill=255)
    return np.asarray(mask, np.float32) / 255


def text(
    picture: np.ndarray,
    xy: tuple[float, float],
    words: str,
    *,
    size: int = 12,
    color: tuple[int, int, int] = INK,
    bold: bool = False,
    anchor: str = "left",
) -> int:
    """Write one line; returns its width in px.

    Args:
        picture: changed in place.
        xy: left, middle or right end (as `anchor` says) of the line's upper edge.
        size: px.
    """
    letters = _letters(words, size, bold)
    height, width = letters.shape
    x = round(xy[0] - {"left": 0, "middle": width / 2, "right": width}[anchor])
    y = round(xy[1])
    left, top, right, bottom = max(x, 0), max(y, 0), min(x + width, picture.shape[1]), y + height
    bottom = min(bottom, picture.shape[0])
    if left < right and top < bottom:
        opacity = letters[top - y : bottom - y, left - x : right - x, None]
        under = picture[top:bottom, left:right]
        under[:] = (under * (1 - opacity) + np.array(color, np.float32) * opacity + 0.5).astype(np.uint8)
    return width


# --- markers ------------------------------------------------------------------------------------------


_SHAPES = {  # strokes, in units of the marker's radius: each (strokes, points, 2)
    "square": np.array([[(-0.9, -0.9), (0.9, -0.9), (0.9, 0.9), (-0.9, 0.9), (-0.9, -0.9)]]),
    "diamond": np.array([[(0, -1.25), (1.25, 0), (0, 1.25), (-1.25, 0), (0, -1.25)]]),
    "plus": np.array([[(-1.2, 0), (1.2, 0)], [(0, -1.2), (0, 1.2)]]),
    "cross": np.array([[(-0.9, -0.9), (0.9, 0.9)], [(-0.9, 0.9), (0.9, -0.9)]]),
}


def marker(
    picture: np.ndarray,
    xy: np.ndarray,
    kind: str,
    color: tuple[int, int, int],
    *,
    radius: float = 7,
    thickness: int = 2,
) -> None:
    """A "square", "diamond", "plus", "cross", "ring" or "dot" with a white seam; nothing where xy is NaN."""
    if not np.isfinite(xy).all():
        return
    for tint, width in ((WHITE, thickness + 2), (color, thickness)):
        if tint is WHITE and kind == "ring" and radius < 6:
            continue  # the seam would fill a small ring
        if kind in ("ring", "dot"):
            filled = -1 if kind == "dot" else width
            grown = radius + (1 if kind == "dot" and tint is WHITE else 0)
            size = round(grown * 2**SUBPIXEL_BITS)
            cv2.circle(picture, fixed_points(xy).tolist(), size, tint, filled, cv2.LINE_AA, SUBPIXEL_BITS)
            continue
        strokes = list(fixed_points(xy + radius * _SHAPES[kind]))
        cv2.polylines(picture, strokes, False, tint, width, cv2.LINE_AA, SUBPIXEL_BITS)


def line(
    picture: np.ndarray, a: np.ndarray, b: np.ndarray, color: tuple[int, int, int], thickness: int = 1
) -> None:
    """A straight line; nothing where an end is NaN."""
    if np.isfinite([a, b]).all():
        cv2.line(picture, *fixed_points([a, b]).tolist(), color, thickness, cv2.LINE_AA, SUBPIXEL_BITS)


def arrow(picture: np.ndarray, start: np.ndarray, end: np.ndarray, color: tuple[int, int, int]) -> None:
    """An arrow with a dark seam; nothing if it is shorter than 3 px."""
    start, end = np.asarray(start, float), np.asarray(end, float)
    length = float(np.hypot(*(end - start)))
    if not length > 3:
        return
    along = (end - start) / length
    beside = np.array([-along[1], along[0]])
    size = min(9.0, 0.7 * length)
    neck = end - size * along
    head = [end, neck + 0.5 * size * beside, neck - 0.5 * size * beside]
    line(picture, start, neck, INK, 5)
    line(picture, start, neck, color, 2)
    points = fixed_points(head)
    cv2.polylines(picture, [points], True, INK, 4, cv2.LINE_AA, SUBPIXEL_BITS)
    cv2.fillPoly(picture, [points], color, cv2.LINE_AA, SUBPIXEL_BITS)


# --- maps ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Frame:
    """Where the pixels of a map lie in a panel: the centre of pixel `first` is at panel px `place`.

    Attributes:
        place: (x, y) panel px. first: (x, y) map px. scale: panel px per map px, (x, y).
    """

    place: tuple[float, float]
    first: tuple[float, float]
    scale: tuple[float, float]

    def to_panel(self, points: np.ndarray) -> np.ndarray:
        """Map px (..., 2) -> panel px."""
        return (np.asarray(points, float) - self.first) * self.scale + self.place

    def to_map(self, points: np.ndarray) -> np.ndarray:
        """Panel px (..., 2) -> map px."""
        return (np.asarray(points, float) - self.place) / self.scale + self.first


def blues(values: np.ndarray, low: float, high: float) -> np.ndarray:
    """Values (..., ) -> RGB (..., 3) uint8 from white at `low` to dark blue at `high`."""
    share = np.clip((values - low) / max(high - low, 1e-12), 0, 1) * (len(_BLUES) - 1)
    lower = np.minimum(share.astype(int), len(_BLUES) - 2)
    rest = (share - lower)[..., None]
    return (_BLUES[lower] * (1 - rest) + _BLUES[lower + 1] * rest).astype(np.uint8)


def cells(colors: np.ndarray, cell: int) -> np.ndarray:
    """Enlarge (h, w, 3) so that every pixel is a visible square of `cell` px, with thin lines between."""
    big = colors.repeat(cell, 0).repeat(cell, 1)
    big[::cell] = (0.88 * big[::cell] + 0.12 * 60).astype(np.uint8)
    big[:, ::cell] = (0.88 * big[:, ::cell] + 0.12 * 60).astype(np.uint8)
    return big


def enlarge(picture: np.ndarray, size_wh: tuple[int, int]) -> np.ndarray:
    """Resize so that pixel (x, y) lies at ((x + .5) s - .5), as `crop_frame` says."""
    smaller = size_wh[0] < picture.shape[1]
    return cv2.resize(picture, size_wh, interpolation=cv2.INTER_AREA if smaller else cv2.INTER_CUBIC)


def crop_frame(crop_wh: tuple[int, int], panel_wh: tuple[int, int], left: int = 0, top: int = 0) -> Frame:
    """Frame of a crop that `enlarge` fills a panel with."""
    scale = panel_wh[0] / crop_wh[0], panel_wh[1] / crop_wh[1]
    return Frame((left + (scale[0] - 1) / 2, top + (scale[1] - 1) / 2), (0, 0), scale)


def overlay_heatmap(
    panel: np.ndarray, heatmap: np.ndarray, frame: Frame, scale: tuple[float, float], gain: float = 0.0
) -> np.ndarray:
    """A heatmap in colour over a greyed crop.

    Args:
        panel: (H, W, 3) the crop, enlarged.
        heatmap: (h, w).
        frame: of crop px in the panel.
        scale: crop px per heatmap px, the codec's.
        gain: the value that gets the full colour; 0: the map's maximum.
    """
    step = np.multiply(scale, frame.scale)
    matrix = np.array([[step[0], 0, frame.place[0]], [0, step[1], frame.place[1]]])
    large = cv2.warpAffine(heatmap.astype(np.float32), matrix, panel.shape[1::-1], flags=cv2.INTER_LINEAR)
    top = max(gain or float(heatmap.max()), 1e-6)
    level = cv2.convertScaleAbs(np.clip(large, 0, top), alpha=255 / top)  # (H, W) uint8
    under, glow = _overlay_tables()
    grey = cv2.LUT(level, under) * cv2.cvtColor(panel, cv2.COLOR_RGB2GRAY)  # (H, W)
    return (cv2.merge([grey] * 3) + cv2.LUT(cv2.merge([level] * 3), glow)).astype(np.uint8)


@lru_cache(maxsize=1)
def _overlay_tables() -> tuple[np.ndarray, np.ndarray]:
    """For levels 0 ... 255 of a map: the share of the picture (1, 256), and the colour added (1, 256, 3)."""
    levels = np.arange(256, dtype=np.uint8)[None]
    opacity = 0.9 * (levels / np.float32(255)) ** 0.8  # nothing at 0: no edge where the map ends
    colors = cv2.applyColorMap(levels, cv2.COLORMAP_INFERNO)[..., ::-1]
    return (1 - opacity).astype(np.float32), (colors * opacity[..., None]).astype(np.float32)
