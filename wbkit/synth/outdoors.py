"""Places outside: sky, streets with houses and cars, meadows, beaches, yards. Each gives its sky's colour."""

from __future__ import annotations

import numpy as np

from wbkit.synth.builder import Builder
from wbkit.synth.clutter import add_clutter
from wbkit.synth.props import ball, box, cylinder, tube
from wbkit.synth.render import EMISSIVE, Mesh, join
from wbkit.synth.rig import choose, turn
from wbkit.synth.style import material

SKIES = {"clear": (0.42, 0.62, 0.9), "cloudy": (0.55, 0.7, 0.9), "grey": (0.78, 0.8, 0.83),
         "evening": (0.92, 0.72, 0.6)}  # fmt: skip
LOW_SKIES = {"clear": (0.85, 0.9, 0.95), "cloudy": (0.85, 0.87, 0.9), "grey": (0.9, 0.9, 0.9),
             "evening": (1.0, 0.6, 0.35)}  # fmt: skip
SKY_SHARES = (0.35, 0.35, 0.2, 0.1)
GROUNDS = {  # how often, and its colour
    "grass": (0.25, (0.3, 0.42, 0.16)),
    "grass_photo": (0.25, (0.3, 0.4, 0.17)),
    "sand": (0.18, (0.82, 0.74, 0.6)),
    "soil": (0.14, (0.42, 0.33, 0.25)),
    "gravel": (0.03, (0.55, 0.53, 0.5)),
    "gravel_photo": (0.05, (0.52, 0.49, 0.46)),
    "leaves": (0.1, (0.4, 0.3, 0.16)),
}
FRONTS = ((0.6, 0.4, 0.3), (0.75, 0.7, 0.6), (0.5, 0.5, 0.52), (0.85, 0.82, 0.76))


def _sky(b: Builder) -> np.ndarray:
    """A sky of one weather, of another colour near the ground than above; gives its mean colour."""
    weather = b.rng.choice(list(SKIES), p=SKY_SHARES)
    sky = np.array(SKIES[weather])
    low = 0.5 * sky + 0.5 * np.array(LOW_SKIES[weather])
    low, high = low + b.rng.uniform(0, 1) * (low - sky), sky * b.rng.uniform(0.75, 1.0)
    white, grey, shift = (0.97, 0.97, 0.98), (0.8, 0.85, 0.9), b.rng.uniform(0, 1, 2)
    heights = np.array([-2, *np.linspace(4, 25, 8), *np.linspace(30, 70, 8), 71])
    radii = np.interp(heights, [25, 70, 71], [110, 70, 0])
    for k in range(len(heights) - 1):
        share = np.clip(heights[k] / 60, 0, 1) ** 0.6
        tone = np.clip(low + share * (high - low), 0, 1)
        row = material(EMISSIVE, tone, white, grey, tile="clouds", size=150)
        row[16:18] = shift
        b.table.append(row)
        ring = [(0, 0, heights[k]), (0, 0, heights[k + 1])]
        b.add(tube(ring, radii[k : k + 2], len(b.table) - 1, 24))
    return 0.5 * (low + high)


def _car(b: Builder, x: float, y: float, along: float) -> Mesh:
    """A car at (x, y) turned by `along` degrees."""
    paint = b.material(b.colour((0, 0.9), (0.1, 0.95)), None, gloss=(0.35, 40))
    glass, tyre = b.material((0.06, 0.07, 0.09), None, gloss=(0.5, 60)), b.material((0.05, 0.05, 0.05))
    parts = [
        box((4.2, 1.75, 0.62), (0, 0, 0.62), paint),
        box((2.2, 1.5, 0.5), (-0.2, 0, 1.15), glass),
        box((1.9, 1.45, 0.06), (-0.2, 0, 1.42), paint),
    ]
    for dx, dy in ((-1.3, -0.8), (-1.3, 0.8), (1.3, -0.8), (1.3, 0.8)):
        parts.append(cylinder((dx, dy - 0.1, 0.33), (dx, dy + 0.1, 0.33), 0.33, tyre))
    for s, t in ((-1, -1), (-1, 1), (1, -1), (1, 1)):
        lamp = b.material((0.95, 0.9, 0.8) if s > 0 else (0.6, 0.05, 0.05))
        parts.append(box((0.05, 0.3, 0.15), (s * 2.1, t * 0.6, 0.7), lamp))
    return join(parts).moved(turn((0, 0, 1), along), np.array([x, y, 0]))


def build_street(b: Builder) -> np.ndarray:
    """Houses, facing the camera or along both sides of the street; cars, trees, posts with signs."""
    rng = b.rng
    tone = b.near((0.4, 0.4, 0.4), 0.1)
    tile = str(
        rng.choice(["asphalt", "stones", "concrete", "tiles", "gravel", "gravel_photo", "rough_photo"])
    )
    b.ground(b.material(tone, tile, rng.uniform(1, 2.5)))
    sky = _sky(b)
    across, y = rng.uniform() < 0.5, b.behind + rng.uniform(1.0, 9)
    _houses(b, across, y)
    for _ in range(rng.integers(0, 4)):
        x, front = rng.uniform(-8, 8), across and y > b.behind + 3
        b.add(_car(b, x, y - 1.2 if front else b.behind + rng.uniform(3, 15), rng.choice([0, 90, 180])))
    for _ in range(rng.integers(0, 4)):
        px, py = rng.uniform(-6, 6), b.behind + rng.uniform(0.6, 8)
        if rng.uniform() < 0.5:
            b.plant(px, py, rng.uniform(2.5, 6))
        else:
            top = (px, py, rng.uniform(2.5, 6))
            b.add(cylinder((px, py, 0), top, 0.06, b.material(b.near((0.3, 0.3, 0.3)))))
            b.box((0.6, 0.03, 0.6), (px, py - 0.05, 2.3), b.material(b.colour((0.5, 1)), "poster", 0.6))
    add_clutter(b, 5, 6)
    return sky


def _houses(b: Builder, across: bool, y: float) -> None:
    rng, x = b.rng, -24.0
    while x < 24:
        w, h = rng.uniform(4, 10), rng.uniform(3.5, 15)
        tone = b.near(rng.choice(FRONTS), 0.12)
        tile = str(rng.choice(["facade", "windows", "bricks", "brick_photo", "plaster", "facade"]))
        front = b.material(tone, tile, rng.uniform(3.5, 7), spread=0.3)
        if across:
            b.box((w, 6, h), (x + w / 2, y + 3 + rng.uniform(0, 0.6), h / 2), front, 4)
            door = b.material(b.colour((0.1, 0.8), (0.1, 0.7)), "panels", 1.0)
            b.box((1.0, 0.1, 2.1), (x + w / 2, y, 1.05), door)
        else:
            for s in (-1, 1):
                center = (s * (rng.uniform(3.5, 4.5) + 3), x + 24 + b.behind - 6 + w / 2, h / 2)
                b.box((6, w, h), center, front, 5)
        x += w


def build_nature(b: Builder) -> np.ndarray:
    """Open ground, hills, perhaps water, a fence; bushes and trees."""
    rng = b.rng
    ground = choose(rng, {name: share for name, (share, _) in GROUNDS.items()})
    tone = b.near(GROUNDS[ground][1], 0.08)
    b.ground(b.material(tone, ground, rng.uniform(0.8, 2.5), spread=0.08, shade=1.1), 90)
    sky = _sky(b)
    hill = b.material(b.near((0.25, 0.33, 0.2), 0.1), "leaves", 12)
    for _ in range(rng.integers(1, 5)):
        center = (rng.uniform(-60, 60), rng.uniform(45, 80), -4)
        b.add(ball(center, rng.uniform((15, 8, 6), (40, 14, 18)), hill, rng, 0.1))
    if rng.uniform() < 0.25:  # a lake or the sea
        water = b.material((0.25, 0.4, 0.5), "clouds", 9, gloss=(0.3, 30))
        b.box((160, 40, 0.02), (0, b.behind + 26, 0.02), water, 3)
    for _ in range(rng.integers(2, 14)):
        far = b.behind + rng.uniform(1, 22)
        x = rng.uniform(-0.7, 0.7) * (far + 4)
        b.plant(x, far, rng.uniform(0.5, 7) if far > b.behind + 2 else rng.uniform(0.4, 1.2))
    if rng.uniform() < 0.3:
        rail, y = b.material(b.near((0.5, 0.4, 0.3), 0.15), "planks", 1.0), b.behind + rng.uniform(0.5, 4)
        for z in (0.5, 1.0):
            b.box((20, 0.05, 0.1), (0, y, z), rail)
        for x in range(-10, 11, 2):
            b.box((0.1, 0.1, 1.2), (x, y, 0.6), rail)
    add_clutter(b, 5, 8, {"hedge": 0.5, "posts": 0.35, "figures": 0.15})
    return sky


def build_yard(b: Builder) -> np.ndarray:
    """Open ground before one wall: a sports hall, a school yard, a garden."""
    rng = b.rng
    sky = _sky(b)
    tone = b.colour((0.05, 0.5), (0.3, 0.75))
    tile = str(rng.choice(["concrete", "grass", "grass_photo", "planks", "tiles", "sand"]))
    b.ground(b.material(tone, tile, rng.uniform(1, 3)))
    tone = b.colour((0, 0.5), (0.3, 0.95))
    tile = str(rng.choice(["bricks", "brick_photo", "planks", "stones", "concrete", "leaves", "panels"]))
    wall = b.material(tone, tile, rng.uniform(1.2, 3))
    height, far = rng.uniform(1.2, 5), rng.uniform(0.4, 5)
    b.box((40, 0.2, height), (0, b.behind + far, 0.8), wall, 8)
    add_clutter(b, 4, far - 0.6)
    for _ in range(rng.integers(0, 5)):
        b.plant(rng.uniform(-5, 5), b.behind + rng.uniform(0.3, 4), rng.uniform(0.5, 3))
    return sky
