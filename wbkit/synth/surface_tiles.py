"""Tiles of walls, floors, ground, plants, sky and skin."""

from __future__ import annotations

import cv2
import numpy as np

from wbkit.synth.patterns import SIZE, grid, noise, stamp, wave

# Bricks a tile across and up, shift of every second row, width of the joints.
GRIDS = {"bricks": (4, 12, 0.5, 0.1), "tiles": (4, 4, 0.0, 0.04), "stones": (3, 4, 0.37, 0.08),
         "planks": (1, 8, 0.4, 0.04), "parquet": (6, 14, 0.5, 0.03), "panels": (3, 2, 0.0, 0.02)}  # fmt: skip
# How strongly the shade of rough and of smooth ground varies.
ROUGH = {"carpet": 0.1, "gravel": 0.22, "asphalt": 0.13}
SMOOTH = {"soil": 0.16, "sand": 0.07, "concrete": 0.06, "plaster": 0.03}


def surface_tile(name: str, rng: np.random.Generator, u: np.ndarray, v: np.ndarray) -> tuple:
    """A surface's channels on tile coordinates u, v (256, 256) 0-1: second colour, third colour, shade."""
    fine, coarse = noise(rng, 1.5, 0.7), noise(rng, 6, 1.4)
    if name in GRIDS:
        return _bricks(name, rng, u, v, fine)
    if name in ROUGH or name in SMOOTH or name in ("grass", "leaves", "bark"):
        return _ground(name, rng, fine, coarse)
    if name == "clouds":
        return np.clip(0.1 + 0.6 * noise(rng, 5, 1.8), 0, 1), 0.0, 0.5
    if name == "skin":
        a, b = np.clip(0.5 + 0.2 * coarse, 0, 1), np.clip(0.35 * noise(rng, 4, 0.3) - 0.6, 0, 1)
        return a, b, 0.5 + 0.03 * fine + 0.035 * coarse
    return _furnishing(name, rng, u, v, fine, coarse)


def _bricks(name: str, rng: np.random.Generator, u: np.ndarray, v: np.ndarray, fine: np.ndarray) -> tuple:
    joint, brick = grid(u, v, *GRIDS[name])
    if name in ("bricks", "stones", "tiles"):
        grain = noise(rng, 2, 1.0)
    else:  # wood: the same along the plank
        grain = np.repeat(noise(rng, 1, 0.8)[:, :1], SIZE, 1)
    return brick * 0.8, joint, 0.5 + 0.06 * grain + 0.14 * (brick - 0.5) + 0.03 * fine


def _ground(name: str, rng: np.random.Generator, fine: np.ndarray, coarse: np.ndarray) -> tuple:
    """What lies or grows."""
    if name in ROUGH:
        a, b = np.clip(0.4 + 0.3 * coarse, 0, 1), np.clip(0.5 * noise(rng, 1.2, 0), 0, 1)
        return a, b, 0.5 + ROUGH[name] * noise(rng, 1.2, 0.1)
    if name in SMOOTH:
        a = np.clip(0.5 + (0.12 if name == "plaster" else 0.25) * noise(rng, 4, 1.3), 0, 1)
        return a, 0.0, 0.5 + SMOOTH[name] * noise(rng, 1.3, 0.6)
    if name == "grass":
        white = rng.normal(size=(SIZE, SIZE)).astype(np.float32)
        blades = cv2.blur(white, (1, 7), borderType=cv2.BORDER_REFLECT)
        a, b = np.clip(0.5 + 0.4 * coarse, 0, 1), np.clip(0.3 * noise(rng, 3, 0.5), 0, 1)
        return a, b, 0.45 + 0.45 * blades
    if name == "leaves":
        n = noise(rng, 3, 0.7)
        a, b = np.clip(0.5 + 0.5 * n, 0, 1), np.clip(n - 0.9, 0, 1)
        return a, b, 0.45 + 0.22 * noise(rng, 4, 0.6)
    ridges = cv2.resize(noise(rng, 2, 0.8)[:32], (SIZE, SIZE))
    return np.clip(0.5 + 0.3 * ridges, 0, 1), 0.0, 0.5 + 0.14 * ridges + 0.04 * fine


def _furnishing(name, rng, u: np.ndarray, v: np.ndarray, fine: np.ndarray, coarse: np.ndarray) -> tuple:
    """What people make: wallpaper, windows, shelves, posters, curtains."""
    a, b, shade = np.clip(0.5 + 0.3 * coarse, 0, 1) * 0.5, 0.0, 0.5 + 0.05 * fine + 0.04 * coarse
    if name == "wallpaper":
        a, b = 0.6 * stamp(rng, 12, 16, ("petals", "leaf")), 0.4 * wave(u * 8, 0.08)
    elif name in ("windows", "facade"):
        k = 3 if name == "windows" else 2
        pane = np.minimum(wave(u * k + 0.8, 0.6), wave(v * k + 0.8, 0.65))
        frame = np.minimum(wave(u * k + 0.84, 0.68), wave(v * k + 0.84, 0.73)) - pane
        a, b, shade = np.clip(pane, 0, 1), np.clip(frame, 0, 1), shade + 0.1 * pane * coarse
    elif name == "shelves":
        joint, book = grid(u, v, 26, 4, 0.0, 0.05)
        lying = wave(v * 4, 0.1)
        a, b, shade = book, np.maximum(lying, book > 0.93), 0.35 + 0.4 * ((book * 17) % 1) - 0.2 * joint
    elif name == "poster":
        a, b = (noise(rng, 18, 1.6) > 0.4) * 1.0, stamp(rng, 6, 34)
    elif name == "curtain":
        shade = 0.5 + 0.16 * np.sin(2 * np.pi * (9 * u + 0.5 * np.sin(4 * np.pi * u))) + 0.03 * fine
    return a, b, shade
