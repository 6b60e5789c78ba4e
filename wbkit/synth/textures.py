"""Tiles, 256 x 256, that repeat without a seam: cloth, walls, floors, ground, leaves, skin, sky.

A tile has three channels of uint8: how much of a material's second colour, how much of its third, and
shade (128 leaves the colour as it is). Most are computed, some take their shade from
the photographs in data/textures/. The same tiles serve every picture, so they are made once a process.
"""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np

from wbkit.errors import InputError
from wbkit.files import data_folder
from wbkit.synth.cloth_tiles import cloth_tile
from wbkit.synth.patterns import SIZE
from wbkit.synth.surface_tiles import surface_tile

CLOTH = ("plain", "plain2", "knit", "denim", "stripes", "thin_stripes", "wide_stripes", "vertical", "check",
         "plaid", "tartan", "dots", "small_dots", "flowers", "leaves_print", "camouflage", "tie_dye",
         "zigzag",
         "letters", "blocks", "argyle", "heather", "boucle_photo")  # fmt: skip
SURFACES = ("plaster", "bricks", "tiles", "planks", "parquet", "concrete", "carpet", "wallpaper", "asphalt",
            "grass", "soil", "sand", "leaves", "bark", "clouds", "windows", "shelves", "stones", "poster",
            "panels", "skin", "gravel", "curtain", "facade", "brick_photo", "grass_photo", "gravel_photo",
            "rough_photo")  # fmt: skip
TILES = CLOTH + SURFACES
# Tiles from photographs: the file, how strongly it shades, how many times smaller it is repeated.
PHOTOS = {
    "brick_photo": ("brick", 0.9, 1),
    "grass_photo": ("grass", 1.1, 1),
    "gravel_photo": ("gravel", 1.0, 1),
    "rough_photo": ("gravel", 0.35, 2),
    "boucle_photo": ("gravel", 0.5, 4),
}


def tile_index(name: str) -> int:
    """The number of a named texture."""
    return TILES.index(name)


def _photo_tile(name: str) -> tuple[np.ndarray, np.ndarray | float, np.ndarray]:
    """A tile's channels, 0-1, from a photograph: its shade; joints or blades in the second colour."""
    source, strength, finer = PHOTOS[name]
    path = data_folder() / "textures" / f"{source}.jpg"
    content = np.frombuffer(path.read_bytes(), np.uint8) if path.is_file() else np.zeros(0, np.uint8)
    grey = cv2.imdecode(content, cv2.IMREAD_GRAYSCALE) if len(content) else None
    if grey is None or grey.shape != (SIZE, SIZE):
        raise InputError(
            "is no grey tile of 256 x 256 px", "Take the file from the wbkit checkout again", file=path
        )
    grey = np.float32(grey) / 255
    if finer > 1:
        small = cv2.resize(grey, (SIZE // finer, SIZE // finer), interpolation=cv2.INTER_AREA)
        grey = np.tile(small, (finer, finer))
    light = np.clip(2.5 * (grey - 0.62), 0, 1)
    return 0.6 * light, 0.0, 0.5 + strength * (grey - 0.5)


@lru_cache(maxsize=1)
def load_textures() -> np.ndarray:
    """(T, S, 3) uint8: every tile of `TILES` with its pyramid (256, 128, ... 4 px) behind each other.

    Raises:
        InputError: a photograph of data/textures/ is missing or is not the tile.
    """
    v, u = np.mgrid[0:SIZE, 0:SIZE] / SIZE
    out = []
    for number, name in enumerate(TILES):
        rng = np.random.default_rng([7, number])
        if name in PHOTOS:
            channels = _photo_tile(name)
        else:
            channels = (cloth_tile if name in CLOTH else surface_tile)(name, rng, u, v)
        tile = np.stack([np.clip(np.broadcast_to(c, u.shape), 0, 1) for c in channels], 2).astype(np.float32)
        levels = [cv2.resize(tile, (SIZE >> k, SIZE >> k), interpolation=cv2.INTER_AREA) for k in range(7)]
        out.append(np.concatenate([x.reshape(-1, 3) for x in levels]))
    return (np.stack(out) * 255 + 0.5).astype(np.uint8)
