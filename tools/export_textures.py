"""Make data/textures/ from the photographs inside scikit-image's wheel that are CC0.

    pip download --no-deps scikit-image==0.26.0
    python tools/export_textures.py scikit_image-0.26.0-*.whl --out data/textures

Each becomes a grey tile of 256 x 256 px without a seam: light and shade of the surface around a mean of
128, the unevenness of the photograph's light taken out. Licences: data/textures/README.md.
"""

from __future__ import annotations

import argparse
import zipfile
from pathlib import Path

import cv2
import numpy as np

SIZE, OVERLAP = 256, 64
CONTRAST = 34  # standard deviation of every tile, grey levels
QUALITY = 82  # of the JPEG


def without_shading(grey: np.ndarray) -> np.ndarray:
    """Grey levels (H, W) relative to their wide surroundings, mean 0, standard deviation 1."""
    flat = grey.astype(np.float32)
    flat -= cv2.GaussianBlur(flat, (0, 0), SIZE / 6)
    return (flat - flat.mean()) / flat.std()


def closed(grey: np.ndarray) -> np.ndarray:
    """Cross-fade the last `OVERLAP` columns (mean 0) into the first: (H, W + OVERLAP) -> (H, W), periodic.

    The squares of the two weights sum to one, so that the contrast stays even.
    """
    share = np.linspace(0, 1, OVERLAP, dtype=np.float32)
    out = grey[:, :-OVERLAP].copy()
    out[:, :OVERLAP] = np.sqrt(share) * grey[:, :OVERLAP] + np.sqrt(1 - share) * grey[:, -OVERLAP:]
    return out


def tile(grey: np.ndarray) -> np.ndarray:
    """A photograph of at least 320 x 320 px -> (256, 256) uint8 that repeats without a seam."""
    whole = without_shading(grey)[: SIZE + OVERLAP, : SIZE + OVERLAP]
    whole = closed(closed(whole).T).T
    return np.clip(128 + CONTRAST * whole / whole.std(), 0, 255).astype(np.uint8)


def mirrored(grey: np.ndarray) -> np.ndarray:
    """A tile of a regular pattern, which a cross-fade would show twice: mirror images of one quarter.

    Takes the lower left quarter of 512 x 512 px at half its size, turned so that its rows lie.
    """
    quarter = cv2.resize(np.rot90(grey[256:, :256]), (128, 128), interpolation=cv2.INTER_AREA)
    flat = without_shading(quarter)
    whole = np.block([[flat, flat[:, ::-1]], [flat[::-1], flat[::-1, ::-1]]])
    return np.clip(128 + CONTRAST * whole, 0, 255).astype(np.uint8)


TILES = {"brick": mirrored, "grass": tile, "gravel": tile}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("wheel", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(options.wheel) as wheel:
        for name, make in TILES.items():
            content = np.frombuffer(wheel.read(f"skimage/data/{name}.png"), np.uint8)
            made = make(cv2.imdecode(content, cv2.IMREAD_GRAYSCALE))
            cv2.imwrite(str(options.out / f"{name}.jpg"), made, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])


if __name__ == "__main__":
    main()
