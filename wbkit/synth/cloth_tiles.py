"""Tiles of cloth: a weave with faint folds, under the pattern that a name stands for."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from wbkit.synth.patterns import SIZE, noise, stamp, wave

Coverage = tuple[np.ndarray | float, np.ndarray | float]  # of a material's second and third colour, 0-1


def cloth_tile(name: str, rng: np.random.Generator, u: np.ndarray, v: np.ndarray) -> tuple:
    """A cloth's channels on tile coordinates u, v (256, 256) 0-1: second colour, third colour, shade; 0-1."""
    weave = 0.5 + 0.05 * noise(rng, 1.5, 0.6) + 0.03 * np.sin(2 * np.pi * 64 * u) * np.sin(2 * np.pi * 64 * v)
    shade = weave + 0.045 * noise(rng, 14, 1.0)
    a, b = _PATTERNS[name](rng, u, v) if name in _PATTERNS else (0.0, 0.0)
    if name == "knit":
        shade = shade + 0.14 * np.sin(2 * np.pi * (32 * v + 0.6 * np.abs((u * 24) % 1 - 0.5)))
    elif name == "denim":
        shade = shade + 0.05 * np.sin(2 * np.pi * 48 * (u + v))
    return a, b, shade


def _wide_stripes(rng, u, v) -> Coverage:
    return wave(v * 2, 0.5), wave(v * 2 + 0.3, 0.1)


def _vertical(rng, u, v) -> Coverage:
    return wave(u * 8, 0.3), wave(u * 8 + 0.4, 0.06)


def _plaid(rng, u, v) -> Coverage:
    lines = np.maximum(wave(u * 4 + 0.23, 0.06), wave(v * 4 + 0.23, 0.06))
    return 0.5 * wave(u * 4) + 0.5 * wave(v * 4), lines


def _tartan(rng, u, v) -> Coverage:
    lines = 0.6 * np.maximum(wave(u * 6, 0.1), wave(v * 6, 0.1))
    return 0.5 * wave(u * 2, 0.4) + 0.5 * wave(v * 2, 0.4), lines


def _dots(u, v, count: int, radius: float) -> Coverage:
    row = np.floor(v * count)
    away = np.hypot((u * count + 0.5 * (row % 2)) % 1 - 0.5, (v * count) % 1 - 0.5)
    return np.clip((radius - away) * 12 + 0.5, 0, 1), 0.0


def _flowers(rng, u, v) -> Coverage:
    return stamp(rng, 14, 14, ("petals",)), stamp(rng, 30, 6)


def _leaves(rng, u, v) -> Coverage:
    return stamp(rng, 26, 24, ("leaf",)), stamp(rng, 18, 18, ("leaf",))


def _camouflage(rng, u, v) -> Coverage:
    return (noise(rng, 10, 1.3) > 0.3) * 1.0, (noise(rng, 10, 1.3) > 0.8) * 1.0


def _tie_dye(rng, u, v) -> Coverage:
    return np.clip(0.5 + noise(rng, 6, 1.6), 0, 1), np.clip(noise(rng, 6, 1.6) - 0.5, 0, 1)


def _letters(rng, u, v) -> Coverage:
    tile = np.zeros((SIZE, SIZE), np.uint8)
    word = str(rng.choice(("POSE", "1987", "OCEAN", "NORTH", "COCO", "RUN")))
    cv2.putText(tile, word, (24, 110), cv2.FONT_HERSHEY_DUPLEX, 2.4, 255, 9, cv2.LINE_AA)
    cv2.circle(tile, (128, 190), 34, 200, 10, cv2.LINE_AA)
    return tile[::-1] / 255, 0.0


def _argyle(rng, u, v) -> Coverage:
    return (((u * 4 + v * 3) % 1 < 0.5) == ((u * 4 - v * 3) % 1 < 0.5)) * 1.0, 0.0


def _heather(rng, u, v) -> Coverage:
    return np.clip(0.4 + 0.4 * noise(rng, 1.5, 0.2), 0, 1), np.clip(0.3 * noise(rng, 1.5, 0.2), 0, 1)


_PATTERNS: dict[str, Callable[..., Coverage]] = {
    "denim": lambda rng, u, v: (np.clip(0.35 + 0.25 * noise(rng, 2, 0.5), 0, 1), 0.0),
    "stripes": lambda rng, u, v: (wave(v * 6, 0.5), 0.0),
    "thin_stripes": lambda rng, u, v: (wave(v * 14, 0.35), 0.0),
    "wide_stripes": _wide_stripes,
    "vertical": _vertical,
    "check": lambda rng, u, v: (np.abs(wave(u * 4) - wave(v * 4)), 0.0),
    "plaid": _plaid,
    "tartan": _tartan,
    "dots": lambda rng, u, v: _dots(u, v, 6, 0.3),
    "small_dots": lambda rng, u, v: _dots(u, v, 14, 0.25),
    "flowers": _flowers,
    "leaves_print": _leaves,
    "camouflage": _camouflage,
    "tie_dye": _tie_dye,
    "zigzag": lambda rng, u, v: (wave(v * 6 + np.abs((u * 6) % 1 - 0.5), 0.45), 0.0),
    "letters": _letters,
    "blocks": lambda rng, u, v: (wave(v, 0.45), wave(v + 0.2, 0.12)),
    "argyle": _argyle,
    "heather": _heather,
}
