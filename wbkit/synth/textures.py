"""Procedural tiles, 256 x 256, that repeat without a seam: cloth, walls, floors, ground, leaves, skin, sky.

A tile has three channels of uint8: how much of a material's second colour, how much of its third, and
shade (128 leaves the colour as it is). The same tiles serve every picture, so they are made once a process.
"""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np

SIZE = 256
CLOTH = ("plain", "plain2", "knit", "denim", "stripes", "thin_stripes", "wide_stripes", "vertical", "check",
         "plaid", "tartan", "dots", "small_dots", "flowers", "leaves_print", "camouflage", "tie_dye",
         "zigzag",
         "letters", "blocks", "argyle", "heather")  # fmt: skip
SURFACES = ("plaster", "bricks", "tiles", "planks", "parquet", "concrete", "carpet", "wallpaper", "asphalt",
            "grass", "soil", "sand", "leaves", "bark", "clouds", "windows", "shelves", "stones", "poster",
            "panels", "skin", "gravel", "curtain", "facade")  # fmt: skip
TILES = CLOTH + SURFACES


def tile_index(name: str) -> int:
    """The number of a named texture."""
    return TILES.index(name)


def noise(rng: np.random.Generator, smallest: float, slope: float = 1.0) -> np.ndarray:
    """Periodic noise (256, 256), mean 0, variance 1: power falls with frequency, nothing finer than
    `smallest` px."""
    f = np.hypot(np.fft.fftfreq(SIZE)[:, None], np.fft.rfftfreq(SIZE)[None])
    amplitude = np.where(f > 0, 1 / np.maximum(f, 1 / SIZE) ** slope, 0) * np.exp(-((f * smallest) ** 2))
    spectrum = np.fft.rfft2(rng.normal(size=(SIZE, SIZE))) * amplitude
    out = np.fft.irfft2(spectrum, (SIZE, SIZE))
    return ((out - out.mean()) / out.std()).astype(np.float32)


def _wave(x: np.ndarray, share: float = 0.5) -> np.ndarray:
    """1 over the first `share` of every unit of x, soft edges."""
    phase = x % 1
    return np.clip(np.minimum(phase, share - phase) * 40 + 0.5, 0, 1)


def _stamp(rng, count, radius, kinds=("circle",)) -> np.ndarray:
    """Shapes scattered over a periodic tile: (256, 256) 0-1."""
    big = np.zeros((SIZE, SIZE), np.uint8)
    for _ in range(count):
        x, y, r = *rng.integers(0, SIZE, 2), int(rng.uniform(0.6, 1.3) * radius)
        kind = rng.choice(kinds)
        for dx in (-SIZE, 0, SIZE):
            for dy in (-SIZE, 0, SIZE):
                c = (int(x) + dx, int(y) + dy)
                if kind == "circle":
                    cv2.circle(big, c, r, 255, -1, cv2.LINE_AA)
                elif kind == "petals":
                    for a in range(0, 360, 72):
                        p = (int(c[0] + r * np.cos(np.radians(a))), int(c[1] + r * np.sin(np.radians(a))))
                        cv2.circle(big, p, max(2, r // 2), 255, -1, cv2.LINE_AA)
                else:
                    cv2.ellipse(big, c, (r, max(2, r // 3)), x % 180, 0, 360, 255, -1, cv2.LINE_AA)
    return big / 255


def _grid(u, v, width, height, shift=0.5, gap=0.06):
    """Bricks: joint mask and a number per brick."""
    row = np.floor(v * height)
    uu = u * width + shift * (row % 2)
    column = np.floor(uu) % width
    joint = 1 - np.minimum(_wave(uu - gap / 2, 1 - gap), _wave(v * height - gap / 2, 1 - gap))
    return joint, (row * 7919 + column * 104729) % 101 / 101


def _cloth(name: str, rng: np.random.Generator, u: np.ndarray, v: np.ndarray):
    weave = 0.5 + 0.05 * noise(rng, 1.5, 0.6) + 0.03 * np.sin(2 * np.pi * 64 * u) * np.sin(2 * np.pi * 64 * v)
    folds = 0.045 * noise(rng, 14, 1.0)
    zero = np.zeros_like(u)
    a, b, shade = zero, zero, weave + folds
    if name == "knit":
        shade = shade + 0.14 * np.sin(2 * np.pi * (32 * v + 0.6 * np.abs((u * 24) % 1 - 0.5)))
    elif name == "denim":
        a, shade = (
            np.clip(0.35 + 0.25 * noise(rng, 2, 0.5), 0, 1),
            shade + 0.05 * np.sin(2 * np.pi * 48 * (u + v)),
        )
    elif name in ("stripes", "thin_stripes", "wide_stripes"):
        k = {"stripes": 6, "thin_stripes": 14, "wide_stripes": 2}[name]
        a = _wave(v * k, 0.35 if name == "thin_stripes" else 0.5)
        b = _wave(v * k + 0.3, 0.1) if name == "wide_stripes" else zero
    elif name == "vertical":
        a, b = _wave(u * 8, 0.3), _wave(u * 8 + 0.4, 0.06)
    elif name == "check":
        a = np.abs(_wave(u * 4) - _wave(v * 4))
    elif name == "plaid":
        a, b = (
            0.5 * _wave(u * 4) + 0.5 * _wave(v * 4),
            np.maximum(_wave(u * 4 + 0.23, 0.06), _wave(v * 4 + 0.23, 0.06)),
        )
    elif name == "tartan":
        a = 0.5 * _wave(u * 2, 0.4) + 0.5 * _wave(v * 2, 0.4)
        b = 0.6 * np.maximum(_wave(u * 6, 0.1), _wave(v * 6, 0.1))
    elif name in ("dots", "small_dots"):
        k, r = (6, 0.3) if name == "dots" else (14, 0.25)
        row = np.floor(v * k)
        a = np.clip((r - np.hypot((u * k + 0.5 * (row % 2)) % 1 - 0.5, (v * k) % 1 - 0.5)) * 12 + 0.5, 0, 1)
    elif name == "flowers":
        a, b = _stamp(rng, 14, 14, ("petals",)), _stamp(rng, 30, 6)
    elif name == "leaves_print":
        a, b = _stamp(rng, 26, 24, ("leaf",)), _stamp(rng, 18, 18, ("leaf",))
    elif name == "camouflage":
        a, b = (noise(rng, 10, 1.3) > 0.3) * 1.0, (noise(rng, 10, 1.3) > 0.8) * 1.0
    elif name == "tie_dye":
        a, b = np.clip(0.5 + noise(rng, 6, 1.6), 0, 1), np.clip(noise(rng, 6, 1.6) - 0.5, 0, 1)
    elif name == "zigzag":
        a = _wave(v * 6 + np.abs((u * 6) % 1 - 0.5), 0.45)
    elif name == "letters":
        tile = np.zeros((SIZE, SIZE), np.uint8)
        words = ("POSE", "1987", "OCEAN", "NORTH", "COCO", "RUN")
        cv2.putText(
            tile, str(rng.choice(words)), (24, 110), cv2.FONT_HERSHEY_DUPLEX, 2.4, 255, 9, cv2.LINE_AA
        )
        cv2.circle(tile, (128, 190), 34, 200, 10, cv2.LINE_AA)
        a = tile[::-1] / 255
    elif name == "blocks":
        a, b = _wave(v, 0.45), _wave(v + 0.2, 0.12)
    elif name == "argyle":
        a = (((u * 4 + v * 3) % 1 < 0.5) == ((u * 4 - v * 3) % 1 < 0.5)) * 1.0
    elif name == "heather":
        a, b = np.clip(0.4 + 0.4 * noise(rng, 1.5, 0.2), 0, 1), np.clip(0.3 * noise(rng, 1.5, 0.2), 0, 1)
    return a, b, shade


def _surface(name: str, rng: np.random.Generator, u: np.ndarray, v: np.ndarray):
    fine, coarse = noise(rng, 1.5, 0.7), noise(rng, 6, 1.4)
    zero = np.zeros_like(u)
    a, b, shade = np.clip(0.5 + 0.3 * coarse, 0, 1) * 0.5, zero, 0.5 + 0.05 * fine + 0.04 * coarse
    grids = {"bricks": (4, 12, 0.5, 0.1), "tiles": (4, 4, 0.0, 0.04), "stones": (3, 4, 0.37, 0.08),
             "planks": (1, 8, 0.4, 0.04), "parquet": (6, 14, 0.5, 0.03),
             "panels": (3, 2, 0.0, 0.02)}  # fmt: skip
    if name in grids:
        joint, brick = _grid(u, v, *grids[name])
        grain = (
            noise(rng, 2, 1.0)
            if name in ("bricks", "stones", "tiles")
            else np.repeat(noise(rng, 1, 0.8)[:, :1], SIZE, 1)
        )
        a, b, shade = brick * 0.8, joint, 0.5 + 0.06 * grain + 0.14 * (brick - 0.5) + 0.03 * fine
    elif name in ("carpet", "gravel", "asphalt"):
        k = {"carpet": 0.1, "gravel": 0.22, "asphalt": 0.13}[name]
        a, b, shade = (
            np.clip(0.4 + 0.3 * coarse, 0, 1),
            np.clip(0.5 * noise(rng, 1.2, 0), 0, 1),
            0.5 + k * noise(rng, 1.2, 0.1),
        )
    elif name == "grass":
        blades = cv2.blur(
            rng.normal(size=(SIZE, SIZE)).astype(np.float32), (1, 7), borderType=cv2.BORDER_REFLECT
        )
        a, b, shade = (
            np.clip(0.5 + 0.4 * coarse, 0, 1),
            np.clip(0.3 * noise(rng, 3, 0.5), 0, 1),
            0.45 + 0.45 * blades,
        )
    elif name == "leaves":
        n = noise(rng, 3, 0.7)
        a, b, shade = np.clip(0.5 + 0.5 * n, 0, 1), np.clip(n - 0.9, 0, 1), 0.45 + 0.22 * noise(rng, 4, 0.6)
    elif name == "bark":
        ridges = cv2.resize(noise(rng, 2, 0.8)[:32], (SIZE, SIZE))
        a, shade = np.clip(0.5 + 0.3 * ridges, 0, 1), 0.5 + 0.14 * ridges + 0.04 * fine
    elif name in ("soil", "sand", "concrete", "plaster"):
        k = {"soil": 0.16, "sand": 0.07, "concrete": 0.06, "plaster": 0.03}[name]
        a, shade = (
            np.clip(0.5 + (0.12 if name == "plaster" else 0.25) * noise(rng, 4, 1.3), 0, 1),
            0.5 + k * noise(rng, 1.3, 0.6),
        )
    elif name == "clouds":
        a, shade = np.clip(0.1 + 0.6 * noise(rng, 5, 1.8), 0, 1), zero + 0.5
    elif name == "wallpaper":
        a, b = 0.6 * _stamp(rng, 12, 16, ("petals", "leaf")), 0.4 * _wave(u * 8, 0.08)
    elif name in ("windows", "facade"):
        k = 3 if name == "windows" else 2
        pane = np.minimum(_wave(u * k + 0.8, 0.6), _wave(v * k + 0.8, 0.65))
        frame = np.minimum(_wave(u * k + 0.84, 0.68), _wave(v * k + 0.84, 0.73)) - pane
        a, b, shade = np.clip(pane, 0, 1), np.clip(frame, 0, 1), shade + 0.1 * pane * coarse
    elif name == "shelves":
        joint, book = _grid(u, v, 26, 4, 0.0, 0.05)
        lying = _wave(v * 4, 0.1)
        a, b, shade = book, np.maximum(lying, book > 0.93), 0.35 + 0.4 * ((book * 17) % 1) - 0.2 * joint
    elif name == "poster":
        a, b = (noise(rng, 18, 1.6) > 0.4) * 1.0, _stamp(rng, 6, 34)
    elif name == "curtain":
        shade = 0.5 + 0.16 * np.sin(2 * np.pi * (9 * u + 0.5 * np.sin(4 * np.pi * u))) + 0.03 * fine
    elif name == "skin":
        a, b = np.clip(0.5 + 0.2 * coarse, 0, 1), np.clip(0.35 * noise(rng, 4, 0.3) - 0.6, 0, 1)
        shade = 0.5 + 0.03 * fine + 0.035 * coarse
    return a, b, shade


@lru_cache(maxsize=1)
def load_textures() -> np.ndarray:
    """(T, S, 3) uint8: every tile of `TILES` with its pyramid (256, 128, ... 4 px) behind each other."""
    v, u = np.mgrid[0:SIZE, 0:SIZE] / SIZE
    out = []
    for number, name in enumerate(TILES):
        rng = np.random.default_rng([7, number])
        channels = (_cloth if name in CLOTH else _surface)(name, rng, u, v)
        tile = np.stack([np.clip(np.broadcast_to(c, u.shape), 0, 1) for c in channels], 2).astype(np.float32)
        levels = [cv2.resize(tile, (SIZE >> k, SIZE >> k), interpolation=cv2.INTER_AREA) for k in range(7)]
        out.append(np.concatenate([x.reshape(-1, 3) for x in levels]))
    return (np.stack(out) * 255 + 0.5).astype(np.uint8)
