"""Procedural tiles, 256 x 256, that repeat without a seam: cloth, walls, floors, ground, leaves, skin, sky.

A tile has three channels of uint8: how much of a material's second colour, how much of its third, and
shade (128 leaves the colour as it is). The same tiles serve every picture, so they are made once a process.
"""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np

from wbkit.synth.cloth_tiles import cloth_tile
from wbkit.synth.patterns import SIZE
from wbkit.synth.surface_tiles import surface_tile

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


@lru_cache(maxsize=1)
def load_textures() -> np.ndarray:
    """(T, S, 3) uint8: every tile of `TILES` with its pyramid (256, 128, ... 4 px) behind each other."""
    v, u = np.mgrid[0:SIZE, 0:SIZE] / SIZE
    out = []
    for number, name in enumerate(TILES):
        rng = np.random.default_rng([7, number])
        channels = (cloth_tile if name in CLOTH else surface_tile)(name, rng, u, v)
        tile = np.stack([np.clip(np.broadcast_to(c, u.shape), 0, 1) for c in channels], 2).astype(np.float32)
        levels = [cv2.resize(tile, (SIZE >> k, SIZE >> k), interpolation=cv2.INTER_AREA) for k in range(7)]
        out.append(np.concatenate([x.reshape(-1, 3) for x in levels]))
    return (np.stack(out) * 255 + 0.5).astype(np.uint8)
