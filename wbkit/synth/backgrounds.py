"""Where the people are: rooms, streets, parks, beaches, studios, behind them, and the light there.

A place is built around the origin in the view's frame: y away from the camera, x to the right, z up; the
people stand near the origin and nothing of the background comes closer to the camera than they do.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from wbkit.synth.poses import choose, turn
from wbkit.synth.props import ball, box, cylinder, tube
from wbkit.synth.render import EMISSIVE, TEXTURED, Light, Mesh, join
from wbkit.synth.style import cloth_colour, linear, material

PLACES = {"room": 0.46, "street": 0.22, "nature": 0.2, "studio": 0.05, "yard": 0.07}


@dataclass(eq=False)
class Place:
    """`mesh` of the background; `light` of the place; `kind` of PLACES."""

    mesh: Mesh
    light: Light
    kind: str


class _Builder:
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

    def add(self, *meshes: Mesh) -> None:
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


def _room(b: _Builder) -> None:
    rng = b.rng
    back, wide, tall = b.behind + rng.uniform(0.3, 3.5), rng.uniform(2.2, 5.5), rng.uniform(2.4, 3.4)
    wall = b.colour((0.0, 0.25), (0.45, 0.97)) if rng.uniform() < 0.85 else b.colour((0.3, 0.8), (0.2, 0.7))
    tile = str(
        rng.choice(
            ["plaster", "wallpaper", "bricks", "panels", "planks", "tiles", "concrete"],
            p=[0.4, 0.15, 0.12, 0.1, 0.08, 0.08, 0.07],
        )
    )
    one = b.material(wall, tile, rng.uniform(0.8, 2.2), spread=0.05)
    two = one if rng.uniform() < 0.6 else b.material(b.near(wall, 0.2), "plaster", 1.5, spread=0.05)
    floor = str(rng.choice(["planks", "parquet", "tiles", "carpet", "concrete"]))
    tone = (0.5, 0.36, 0.24) if floor in ("planks", "parquet") else b.colour((0, 0.3), (0.2, 0.8))
    b.ground(
        b.material(
            b.near(tone, 0.15),
            floor,
            rng.uniform(0.9, 2.2),
            gloss=(rng.choice([0, 0.05, 0.15]), 30),
            spread=0.1,
        ),
        14,
    )
    depth = back - b.camera[1] + 4
    wide, tall = max(wide, abs(b.camera[0]) + 0.6), max(tall, b.camera[2] + 0.4)
    b.add(box((2 * wide + 0.2, 0.1, tall), (0, back + 0.05, tall / 2), one, 4))
    for s in (-1, 1):
        b.add(box((0.1, depth, tall), (s * wide, back - depth / 2, tall / 2), two, 12))
    b.add(
        box(
            (2 * wide + 0.2, depth, 0.1),
            (0, back - depth / 2, tall + 0.05),
            b.material((0.9, 0.9, 0.88), "plaster", 2.0),
            12,
        )
    )
    b.add(box((2 * wide, 0.02, 0.1), (0, back - 0.01, 0.05), b.material(b.near((0.8, 0.8, 0.8)))))
    for _ in range(rng.integers(1, 6)):
        _on_wall(b, back, wide)
    for _ in range(rng.integers(1, 6)):
        _furniture(b, rng.uniform(-wide + 0.5, wide - 0.5), back - rng.uniform(0.25, 0.6))


def _on_wall(b: _Builder, back: float, wide: float) -> None:
    """A picture, window, door, curtain, shelf or lamp."""
    rng, kind = b.rng, b.rng.choice(["picture", "window", "door", "curtain", "shelves", "screen", "lamp"])
    x = rng.uniform(-wide + 0.5, wide - 0.5)
    if kind == "window":
        w, h = rng.uniform(0.7, 2), rng.uniform(0.8, 1.5)
        b.add(box((w + 0.12, 0.05, h + 0.12), (x, back - 0.02, 1.6), b.material((0.85, 0.85, 0.83))))
        b.add(
            box((w, 0.06, h), (x, back - 0.03, 1.6), b.material((0.8, 0.88, 0.95), "clouds", 1.5, EMISSIVE))
        )
        b.add(box((0.04, 0.08, h), (x, back - 0.03, 1.6), b.material((0.85, 0.85, 0.83))))
    elif kind == "door":
        b.add(
            box(
                (0.9, 0.06, 2.05),
                (x, back - 0.02, 1.02),
                b.material(b.near((0.5, 0.4, 0.3), 0.25), "panels", 1.0),
            )
        )
    elif kind == "curtain":
        b.add(
            box(
                (rng.uniform(0.6, 1.6), 0.1, 2.2),
                (x, back - 0.06, 1.2),
                b.material(b.colour(), "curtain", 1.0),
            )
        )
    elif kind == "shelves":
        b.add(
            box(
                (rng.uniform(0.8, 2), 0.3, rng.uniform(1.2, 2.2)),
                (x, back - 0.15, 1.1),
                b.material(b.colour((0.2, 0.8)), "shelves", 1.2, spread=0.4),
            )
        )
    else:
        size = (rng.uniform(0.4, 1.4), 0.04, rng.uniform(0.4, 1.0))
        dark = kind == "screen"
        b.add(
            box(
                (size[0] + 0.06, 0.03, size[2] + 0.06),
                (x, back - 0.015, 1.6),
                b.material(b.near((0.2, 0.18, 0.16), 0.2)),
            )
        )
        tile = "poster" if not dark else "clouds"
        b.add(
            box(
                size,
                (x, back - 0.02, 1.6),
                b.material(
                    b.colour((0.1, 0.9)) if not dark else (0.03, 0.03, 0.04),
                    tile,
                    size[0],
                    spread=0.4 if not dark else 0.05,
                ),
            )
        )


def _furniture(b: _Builder, x: float, y: float) -> None:
    """A cabinet, table with things, sofa, plant, lamp or boxes; never nearer than the people."""
    rng, kind = b.rng, b.rng.choice(["cabinet", "table", "sofa", "plant", "lamp", "boxes"])
    wood = b.material(
        b.near((0.45, 0.32, 0.2), 0.2) if rng.uniform() < 0.6 else b.colour(),
        str(rng.choice(["planks", "plain", "panels"])),
        1.0,
    )
    y = max(y, b.behind + 0.3)
    if kind == "cabinet":
        h = rng.uniform(0.6, 2.0)
        b.add(box((rng.uniform(0.5, 1.6), 0.45, h), (x, y, h / 2), wood))
        _things(b, x, y, h)
    elif kind == "table":
        b.add(box((rng.uniform(0.8, 1.6), 0.6, 0.05), (x, y, 0.73), wood))
        b.add(
            *(
                cylinder((x + dx, y + dy, 0), (x + dx, y + dy, 0.72), 0.025, wood)
                for dx in (-0.35, 0.35)
                for dy in (-0.25, 0.25)
            )
        )
        _things(b, x, y, 0.76)
    elif kind == "sofa":
        cover = b.material(
            cloth_colour(rng), str(rng.choice(["plain", "knit", "plaid", "heather", "vertical"])), 0.6
        )
        b.add(
            box((1.8, 0.8, 0.42), (x, y, 0.21), cover),
            box((1.8, 0.2, 0.85), (x, y + 0.3, 0.42), cover),
            *(box((0.2, 0.8, 0.6), (x + s * 0.9, y, 0.3), cover) for s in (-1, 1)),
        )
    elif kind == "plant":
        b.plant(x, y, rng.uniform(0.8, 1.9))
    elif kind == "lamp":
        b.add(
            cylinder((x, y, 0), (x, y, 1.5), 0.015, wood),
            cylinder((x, y, 1.4), (x, y, 1.75), 0.2, b.material((1, 0.9, 0.7), kind=EMISSIVE), 0.6),
        )
    else:
        for i in range(rng.integers(1, 4)):
            b.add(
                box(
                    rng.uniform(0.3, 0.6, 3),
                    (x + rng.normal(0, 0.2), y, 0.25 + 0.4 * i),
                    b.material(b.near((0.6, 0.48, 0.33), 0.15), "concrete"),
                )
            )


def _things(b: _Builder, x: float, y: float, z: float) -> None:
    for _ in range(b.rng.integers(0, 5)):
        m, p = b.material(b.colour((0.1, 0.9)), "plain", 0.3), x + b.rng.uniform(-0.35, 0.35)
        h = b.rng.uniform(0.1, 0.35)
        b.add(
            cylinder((p, y, z), (p, y, z + h), b.rng.uniform(0.03, 0.08), m)
            if b.rng.uniform() < 0.5
            else box((0.2, 0.15, h), (p, y, z + h / 2), m)
        )


def _sky(b: _Builder) -> np.ndarray:
    """A sky of one weather; gives its colour."""
    weather = b.rng.choice(["clear", "cloudy", "grey", "evening"], p=[0.35, 0.35, 0.2, 0.1])
    sky = {
        "clear": (0.42, 0.62, 0.9),
        "cloudy": (0.55, 0.7, 0.9),
        "grey": (0.78, 0.8, 0.83),
        "evening": (0.92, 0.72, 0.6),
    }[weather]
    row = material(EMISSIVE, sky, (0.97, 0.97, 0.98), (0.8, 0.85, 0.9), tile="clouds", size=150, rng=b.rng)
    b.table.append(row)
    b.add(tube([(0, 0, -2), (0, 0, 25), (0, 0, 70), (0, 0, 71)], [110, 110, 70, 0], len(b.table) - 1, 24))
    return np.array(sky)


def _car(b: _Builder, x: float, y: float, along: float) -> Mesh:
    paint = b.material(b.colour((0, 0.9), (0.1, 0.95)), None, gloss=(0.35, 40))
    glass, tyre = b.material((0.06, 0.07, 0.09), None, gloss=(0.5, 60)), b.material((0.05, 0.05, 0.05))
    parts = [
        box((4.2, 1.75, 0.62), (0, 0, 0.62), paint),
        box((2.2, 1.5, 0.5), (-0.2, 0, 1.15), glass),
        box((1.9, 1.45, 0.06), (-0.2, 0, 1.42), paint),
    ]
    parts += [
        cylinder((dx, dy - 0.1, 0.33), (dx, dy + 0.1, 0.33), 0.33, tyre)
        for dx in (-1.3, 1.3)
        for dy in (-0.8, 0.8)
    ]
    parts += [
        box(
            (0.05, 0.3, 0.15),
            (s * 2.1, t * 0.6, 0.7),
            b.material((0.95, 0.9, 0.8) if s > 0 else (0.6, 0.05, 0.05)),
        )
        for s in (-1, 1)
        for t in (-1, 1)
    ]
    return join(parts).moved(turn((0, 0, 1), along), np.array([x, y, 0]))


def _street(b: _Builder) -> np.ndarray:
    rng = b.rng
    b.ground(
        b.material(
            b.near((0.4, 0.4, 0.4), 0.1),
            str(rng.choice(["asphalt", "stones", "concrete", "tiles", "gravel"])),
            rng.uniform(1, 2.5),
        )
    )
    sky = _sky(b)
    across, y = rng.uniform() < 0.5, b.behind + rng.uniform(1.0, 9)
    x = -24.0
    while x < 24:  # fronts of houses, facing the camera or along both sides of the street
        w, h = rng.uniform(4, 10), rng.uniform(3.5, 15)
        front = b.material(
            b.near(
                rng.choice([(0.6, 0.4, 0.3), (0.75, 0.7, 0.6), (0.5, 0.5, 0.52), (0.85, 0.82, 0.76)]), 0.12
            ),
            str(rng.choice(["facade", "windows", "bricks", "plaster", "facade"])),
            rng.uniform(3.5, 7),
            spread=0.3,
        )
        if across:
            b.add(box((w, 6, h), (x + w / 2, y + 3 + rng.uniform(0, 0.6), h / 2), front, 4))
            b.add(
                box(
                    (1.0, 0.1, 2.1),
                    (x + w / 2, y, 1.05),
                    b.material(b.colour((0.1, 0.8), (0.1, 0.7)), "panels", 1.0),
                )
            )
        else:
            for s in (-1, 1):
                b.add(
                    box(
                        (6, w, h),
                        (s * (rng.uniform(3.5, 4.5) + 3), x + 24 + b.behind - 6 + w / 2, h / 2),
                        front,
                        5,
                    )
                )
        x += w
    for _ in range(rng.integers(0, 4)):
        b.add(
            _car(
                b,
                rng.uniform(-8, 8),
                y - 1.2 if across and y > b.behind + 3 else b.behind + rng.uniform(3, 15),
                rng.choice([0, 90, 180]),
            )
        )
    for _ in range(rng.integers(0, 4)):
        px, py = rng.uniform(-6, 6), b.behind + rng.uniform(0.6, 8)
        if rng.uniform() < 0.5:
            b.plant(px, py, rng.uniform(2.5, 6))
        else:
            b.add(
                cylinder(
                    (px, py, 0), (px, py, rng.uniform(2.5, 6)), 0.06, b.material(b.near((0.3, 0.3, 0.3)))
                )
            )
            b.add(box((0.6, 0.03, 0.6), (px, py - 0.05, 2.3), b.material(b.colour((0.5, 1)), "poster", 0.6)))
    return sky


def _nature(b: _Builder) -> np.ndarray:
    rng = b.rng
    ground = str(rng.choice(["grass", "sand", "soil", "gravel", "leaves"], p=[0.5, 0.18, 0.14, 0.08, 0.1]))
    tone = {
        "grass": (0.3, 0.42, 0.16),
        "sand": (0.82, 0.74, 0.6),
        "soil": (0.42, 0.33, 0.25),
        "gravel": (0.55, 0.53, 0.5),
        "leaves": (0.4, 0.3, 0.16),
    }[ground]
    b.ground(b.material(b.near(tone, 0.08), ground, rng.uniform(0.8, 2.5), spread=0.08, shade=1.1), 90)
    sky = _sky(b)
    hill = b.material(b.near((0.25, 0.33, 0.2), 0.1), "leaves", 12)
    for _ in range(rng.integers(1, 5)):
        b.add(
            ball(
                (rng.uniform(-60, 60), rng.uniform(45, 80), -4),
                rng.uniform((15, 8, 6), (40, 14, 18)),
                hill,
                rng,
                0.1,
            )
        )
    if rng.uniform() < 0.25:  # a lake or the sea
        b.add(
            box(
                (160, 40, 0.02),
                (0, b.behind + 26, 0.02),
                b.material((0.25, 0.4, 0.5), "clouds", 9, gloss=(0.3, 30)),
                3,
            )
        )
    for _ in range(rng.integers(2, 14)):
        far = b.behind + rng.uniform(1, 22)
        b.plant(
            rng.uniform(-0.7, 0.7) * (far + 4),
            far,
            rng.uniform(0.5, 7) if far > b.behind + 2 else rng.uniform(0.4, 1.2),
        )
    if rng.uniform() < 0.3:
        rail, y = b.material(b.near((0.5, 0.4, 0.3), 0.15), "planks", 1.0), b.behind + rng.uniform(0.5, 4)
        b.add(
            *(box((20, 0.05, 0.1), (0, y, z), rail) for z in (0.5, 1.0)),
            *(box((0.1, 0.1, 1.2), (x, y, 0.6), rail) for x in range(-10, 11, 2)),
        )
    return sky


def _studio(b: _Builder) -> None:
    tone = b.colour((0, 0.5), (0.15, 0.98))
    b.ground(b.material(tone, "plaster", 3, spread=0.02), 14)
    b.add(
        box(
            (30, 0.1, 8),
            (0, b.behind + b.rng.uniform(0.5, 3), 4),
            b.material(tone, "plaster", 3, spread=0.02),
            6,
        )
    )


def _yard(b: _Builder) -> np.ndarray:
    """Open ground before one wall: a sports hall, a school yard, a garden."""
    rng = b.rng
    sky = _sky(b)
    b.ground(
        b.material(
            b.colour((0.05, 0.5), (0.3, 0.75)),
            str(rng.choice(["concrete", "grass", "planks", "tiles", "sand"])),
            rng.uniform(1, 3),
        )
    )
    wall = b.material(
        b.colour((0, 0.5), (0.3, 0.95)),
        str(rng.choice(["bricks", "planks", "stones", "concrete", "leaves", "panels"])),
        rng.uniform(1.2, 3),
    )
    b.add(box((40, 0.2, rng.uniform(1.2, 5)), (0, b.behind + rng.uniform(0.4, 5), 0.8), wall, 8))
    for _ in range(rng.integers(0, 5)):
        b.plant(rng.uniform(-5, 5), b.behind + rng.uniform(0.3, 4), rng.uniform(0.5, 3))
    return sky


def _temperature(kelvin: float) -> np.ndarray:
    """Linear RGB of a lamp or sky of this colour temperature, mean 1 (a fit good to a few per cent,
    2500-12000 K)."""
    t = np.log(kelvin / 6500)
    rgb = np.array([np.exp(-0.75 * t), np.exp(-0.1 * abs(t)), np.exp(0.95 * t)])
    return rgb / rgb.mean()


def build_place(
    rng: np.random.Generator, table: list[np.ndarray], behind: float, camera: np.ndarray
) -> Place:
    """A random place whose background begins `behind` metres behind the origin; materials go to `table`.

    Args:
        camera: (3,) its position, which the place surrounds.
    """
    kind = choose(rng, PLACES)
    b = _Builder(rng, table, behind, camera)
    sky = {"room": _room, "street": _street, "nature": _nature, "studio": _studio, "yard": _yard}[kind](b)
    return Place(join(b.parts), _light(rng, sky), kind)


def _light(rng: np.random.Generator, sky: np.ndarray | None) -> Light:
    """Sun or lamps; the main light comes from above, mostly from the camera's side."""
    inside = sky is None
    hard = rng.uniform(0.25, 1.0) if inside else rng.choice([rng.uniform(0.05, 0.3), rng.uniform(0.7, 1.5)])
    main = np.array([rng.normal(0, 0.8), rng.normal(-0.5, 0.7), rng.uniform(0.35, 1.3)])
    fill = np.array([rng.normal(0, 1), rng.normal(-0.6, 0.6), rng.uniform(0, 0.8)])
    rows = [
        [
            *(main / np.linalg.norm(main)),
            *(hard * _temperature(rng.uniform(2800, 6500) if inside else rng.uniform(4500, 6500))),
        ]
    ]
    for _ in range(rng.integers(1, 3)):
        rows.append(
            [
                *(fill / np.linalg.norm(fill)),
                *(rng.uniform(0.05, 0.35) * _temperature(rng.uniform(2800, 9000))),
            ]
        )
        fill = fill * [-1, 1, 1] + rng.normal(0, 0.3, 3)
    above = _temperature(rng.uniform(3500, 7000)) if inside else 0.5 + linear(sky)
    ambient = rng.uniform(0.3, 0.7) * np.stack([above, 0.55 * above * [1.05, 1, 0.92]])
    haze = linear((0.75, 0.78, 0.82)) if inside else linear(0.5 * np.asarray(sky) + 0.45)
    density = 0.0 if inside else rng.choice([0.0, 0.004, 0.015])
    return Light(np.array(rows), ambient, np.array([*haze, density]))
