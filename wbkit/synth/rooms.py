"""Places inside: rooms with what hangs on their walls and stands in them, studios."""

from __future__ import annotations

from wbkit.synth.builder import Builder
from wbkit.synth.clutter import add_clutter
from wbkit.synth.props import cylinder
from wbkit.synth.render import EMISSIVE
from wbkit.synth.style import cloth_colour

WALLS = {"plaster": 0.4, "wallpaper": 0.15, "bricks": 0.06, "brick_photo": 0.06, "panels": 0.1,
         "planks": 0.08, "tiles": 0.08, "concrete": 0.04, "rough_photo": 0.03}  # fmt: skip


def build_room(b: Builder) -> None:
    """Three walls, floor, ceiling; 1-5 things on the back wall and as many before it."""
    rng = b.rng
    back, wide, tall = b.behind + rng.uniform(0.3, 3.5), rng.uniform(2.2, 5.5), rng.uniform(2.4, 3.4)
    wall = b.colour((0.0, 0.25), (0.45, 0.97)) if rng.uniform() < 0.85 else b.colour((0.3, 0.8), (0.2, 0.7))
    tile = str(rng.choice(list(WALLS), p=list(WALLS.values())))
    one = b.material(wall, tile, rng.uniform(0.8, 2.2), spread=0.05)
    two = one if rng.uniform() < 0.6 else b.material(b.near(wall, 0.2), "plaster", 1.5, spread=0.05)
    _floor(b)
    depth = back - b.camera[1] + 4
    wide, tall = max(wide, abs(b.camera[0]) + 0.6), max(tall, b.camera[2] + 0.4)
    b.box((2 * wide + 0.2, 0.1, tall), (0, back + 0.05, tall / 2), one, 4)
    for s in (-1, 1):
        b.box((0.1, depth, tall), (s * wide, back - depth / 2, tall / 2), two, 12)
    ceiling = b.material((0.9, 0.9, 0.88), "plaster", 2.0)
    b.box((2 * wide + 0.2, depth, 0.1), (0, back - depth / 2, tall + 0.05), ceiling, 12)
    b.box((2 * wide, 0.02, 0.1), (0, back - 0.01, 0.05), b.material(b.near((0.8, 0.8, 0.8))))
    for k in range(rng.integers(1, 6)):
        _on_wall(b, back - 0.012 * k, wide)  # where two meet, one lies clearly before the other
    for _ in range(rng.integers(1, 6)):
        _furniture(b, rng.uniform(-wide + 0.5, wide - 0.5), back - rng.uniform(0.25, 0.6))
    add_clutter(b, wide - 0.6, back - b.behind - 0.7, {"heap": 0.4, "shelf": 0.35, "figures": 0.25})


def _floor(b: Builder) -> None:
    rng, floor = b.rng, str(b.rng.choice(["planks", "parquet", "tiles", "carpet", "concrete", "rough_photo"]))
    tone = (0.5, 0.36, 0.24) if floor in ("planks", "parquet") else b.colour((0, 0.3), (0.2, 0.8))
    tone, size = b.near(tone, 0.15), rng.uniform(0.9, 2.2)
    b.ground(b.material(tone, floor, size, gloss=(rng.choice([0, 0.05, 0.15]), 30), spread=0.1), 14)


def _on_wall(b: Builder, back: float, wide: float) -> None:
    """A picture, window, door, curtain, shelf or screen."""
    rng, kind = b.rng, b.rng.choice(["picture", "window", "door", "curtain", "shelves", "screen", "lamp"])
    x = rng.uniform(-wide + 0.5, wide - 0.5)
    if kind == "window":
        _window(b, x, back)
    elif kind == "door":
        wood = b.material(b.near((0.5, 0.4, 0.3), 0.25), "panels", 1.0)
        b.box((0.9, 0.06, 2.05), (x, back - 0.02, 1.02), wood)
    elif kind == "curtain":
        width = rng.uniform(0.6, 1.6)
        b.box((width, 0.1, 2.2), (x, back - 0.06, 1.2), b.material(b.colour(), "curtain", 1.0))
    elif kind == "shelves":
        size = (rng.uniform(0.8, 2), 0.3, rng.uniform(1.2, 2.2))
        books = b.material(b.colour((0.2, 0.8)), "shelves", 1.2, spread=0.4)
        b.box(size, (x, back - 0.15, 1.1), books)
    else:
        _framed(b, x, back, dark=kind == "screen")


def _window(b: Builder, x: float, back: float) -> None:
    w, h = b.rng.uniform(0.7, 2), b.rng.uniform(0.8, 1.5)
    b.box((w + 0.12, 0.05, h + 0.12), (x, back - 0.02, 1.6), b.material((0.85, 0.85, 0.83)))
    b.box((w, 0.06, h), (x, back - 0.03, 1.6), b.material((0.8, 0.88, 0.95), "clouds", 1.5, EMISSIVE))
    b.box((0.04, 0.08, h), (x, back - 0.03, 1.6), b.material((0.85, 0.85, 0.83)))


def _framed(b: Builder, x: float, back: float, dark: bool) -> None:
    """A picture, or a dark screen, in its frame."""
    w, h = b.rng.uniform(0.4, 1.4), b.rng.uniform(0.4, 1.0)
    frame = b.material(b.near((0.2, 0.18, 0.16), 0.2))
    b.box((w + 0.06, 0.03, h + 0.06), (x, back - 0.015, 1.6), frame)
    if dark:
        inside = b.material((0.03, 0.03, 0.04), "clouds", w, spread=0.05)
    else:
        inside = b.material(b.colour((0.1, 0.9)), "poster", w, spread=0.4)
    b.box((w, 0.04, h), (x, back - 0.02, 1.6), inside)


def _furniture(b: Builder, x: float, y: float) -> None:
    """A cabinet, table with things, sofa, plant, lamp or boxes; never nearer than the people."""
    rng, kind = b.rng, b.rng.choice(["cabinet", "table", "sofa", "plant", "lamp", "boxes"])
    tone = b.near((0.45, 0.32, 0.2), 0.2) if rng.uniform() < 0.6 else b.colour()
    wood = b.material(tone, str(rng.choice(["planks", "plain", "panels"])), 1.0)
    y = max(y, b.behind + 0.3)
    if kind == "cabinet":
        h = rng.uniform(0.6, 2.0)
        b.box((rng.uniform(0.5, 1.6), 0.45, h), (x, y, h / 2), wood)
        _things(b, x, y, h)
    elif kind == "table":
        b.box((rng.uniform(0.8, 1.6), 0.6, 0.05), (x, y, 0.73), wood)
        for dx, dy in ((-0.35, -0.25), (-0.35, 0.25), (0.35, -0.25), (0.35, 0.25)):
            b.add(cylinder((x + dx, y + dy, 0), (x + dx, y + dy, 0.72), 0.025, wood))
        _things(b, x, y, 0.76)
    elif kind == "sofa":
        _sofa(b, x, y)
    elif kind == "plant":
        b.plant(x, y, rng.uniform(0.8, 1.9))
    elif kind == "lamp":
        b.add(cylinder((x, y, 0), (x, y, 1.5), 0.015, wood))
        b.add(cylinder((x, y, 1.4), (x, y, 1.75), 0.2, b.material((1, 0.9, 0.7), kind=EMISSIVE), 0.6))
    else:
        for i in range(rng.integers(1, 4)):
            size, center = rng.uniform(0.3, 0.6, 3), (x + rng.normal(0, 0.2), y, 0.25 + 0.4 * i)
            b.box(size, center, b.material(b.near((0.6, 0.48, 0.33), 0.15), "concrete"))


def _sofa(b: Builder, x: float, y: float) -> None:
    tone = cloth_colour(b.rng)
    cover = b.material(tone, str(b.rng.choice(["plain", "knit", "plaid", "heather", "vertical"])), 0.6)
    b.box((1.8, 0.8, 0.42), (x, y, 0.21), cover)
    b.box((1.8, 0.2, 0.85), (x, y + 0.3, 0.42), cover)
    for s in (-1, 1):
        b.box((0.2, 0.8, 0.6), (x + s * 0.9, y, 0.3), cover)


def _things(b: Builder, x: float, y: float, z: float) -> None:
    """Up to four small things standing at height `z` m."""
    for _ in range(b.rng.integers(0, 5)):
        m, p = b.material(b.colour((0.1, 0.9)), "plain", 0.3), x + b.rng.uniform(-0.35, 0.35)
        h = b.rng.uniform(0.1, 0.35)
        if b.rng.uniform() < 0.5:
            b.add(cylinder((p, y, z), (p, y, z + h), b.rng.uniform(0.03, 0.08), m))
        else:
            b.box((0.2, 0.15, h), (p, y, z + h / 2), m)


def build_studio(b: Builder) -> None:
    """One even colour on floor and wall."""
    tone = b.colour((0, 0.5), (0.15, 0.98))
    b.ground(b.material(tone, "plaster", 3, spread=0.02), 14)
    center = (0, b.behind + b.rng.uniform(0.5, 3), 4)
    b.box((30, 0.1, 8), center, b.material(tone, "plaster", 3, spread=0.02), 6)
