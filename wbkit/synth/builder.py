"""What a place is built with: colours that people choose, materials, the ground, plants."""

from __future__ import annotations

import cv2
import numpy as np

from wbkit.synth.props import ball, box, cylinder
from wbkit.synth.render import TEXTURED, Mesh
from wbkit.synth.style import material


class Builder:
    """Collects the meshes of a place; materials go to the scene's table.

    Args:
        behind: m behind the origin from where on the background may stand. camera: (3,) its position.
    """

    def __init__(self, rng: np.random.Generator, table: list[np.ndarray], behind: float, camera: np.ndarray):
        self.rng, self.table, self.behind, self.camera, self.parts = rng, table, behind, camera, []

    def colour(self, saturation=(0.0, 0.5), value=(0.25, 0.95)) -> np.ndarray:
        """sRGB 0-1; the hues of what people build: mostly warm, some blue and green, few others."""
        hues = [
            self.rng.normal(35, 16),
            self.rng.normal(212, 22),
            self.rng.normal(115, 35),
            self.rng.uniform(0, 360),
        ]
        hue = hues[self.rng.choice(4, p=[0.5, 0.2, 0.14, 0.16])] % 360
        hsv = np.float32([[[hue, self.rng.uniform(*saturation), self.rng.uniform(*value)]]])
        return cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB)[0, 0]

    def near(self, rgb, spread=0.12) -> np.ndarray:
        """A colour of about the same hue, lighter or darker."""
        rgb = np.asarray(rgb) * self.rng.lognormal(0, 2 * spread)
        return np.clip(rgb + self.rng.normal(0, 0.25 * spread, 3), 0.02, 0.97)

    def material(
        self, rgb, tile=None, size=1.0, kind=TEXTURED, shade=0.8, gloss=(0.0, 8.0), spread=0.12
    ) -> int:
        """A new material of about this colour (sRGB 0-1) and a tile `size` m wide; gives its number."""
        row = material(
            kind,
            rgb,
            self.near(rgb, spread),
            self.near(rgb, 2 * spread),
            tile=tile,
            size=size,
            shade=shade,
            gloss=gloss,
            rng=self.rng,
        )
        self.table.append(row)
        return len(self.table) - 1

    def box(self, size, center, number: int, parts: int = 1) -> None:
        """Add a box of that size (3,) around `center` (3,), m, each side of parts x parts squares."""
        self.add(box(size, center, number, parts))

    def add(self, *meshes: Mesh) -> None:
        """Add meshes to the place."""
        self.parts += meshes

    def ground(self, number: int, reach: float = 40.0) -> None:
        """The floor at z = 0, in cells small enough near the camera that none is lost behind it."""
        ways = np.linspace(-1, 1, 41)
        side = np.sign(ways) * np.abs(ways) ** 3 * (reach + np.linalg.norm(self.camera))
        x, y = (g.ravel() for g in np.meshgrid(side + self.camera[0], side + self.camera[1], indexing="ij"))
        i = np.arange(41 * 41).reshape(41, 41)
        quads = np.stack([i[:-1, :-1], i[1:, :-1], i[1:, 1:], i[:-1, 1:]], -1).reshape(-1, 4)
        flat = box((1, 1, 1), (0, 0, 0), number)
        faces = np.concatenate([quads[:, :3], quads[:, [0, 2, 3]]]).astype(np.int32)
        one, v = np.ones(len(faces), np.int16), np.stack([x, y, 0 * x], 1).astype(np.float32)
        up = np.tile(np.float32([0, 0, 1]), (len(v), 1))
        self.add(
            Mesh(
                v,
                up,
                v,
                np.zeros((len(v), 2), np.float32),
                np.ones(len(v), np.float32),
                faces,
                one * np.int16(number),
                one * flat.frame[-1],
                -one,
                one * flat.region[0],
            )
        )

    def plant(self, x: float, y: float, height: float) -> None:
        """A stem with balls of leaves, `height` m tall."""
        leaf = self.material(
            self.rng.choice([(0.16, 0.32, 0.1), (0.25, 0.36, 0.12), (0.12, 0.24, 0.1)]),
            "leaves",
            0.5 * height,
        )
        stem = self.material((0.3, 0.22, 0.15), "bark", 0.5)
        self.add(cylinder((x, y, 0), (x, y, 0.5 * height), 0.035 * height, stem, 0.7))
        for _ in range(self.rng.integers(5, 11)):
            place = (
                x + self.rng.normal(0, 0.17) * height,
                y + abs(self.rng.normal(0, 0.1)) * height,
                height * self.rng.uniform(0.5, 0.9),
            )
            self.add(ball(place, height * self.rng.uniform(0.08, 0.22, 3), leaf, self.rng, 0.3))
