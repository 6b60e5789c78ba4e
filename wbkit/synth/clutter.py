"""Things that fill real pictures and are nobody: heaps of objects, shelves, hedges, figures like dummies.

They stand behind the people, in the colours and textures of cloth, skin and plants too, so that neither
colour nor upright shape alone tells a person.
"""

from __future__ import annotations

import numpy as np

from wbkit.synth.builder import Builder
from wbkit.synth.props import ball, cylinder
from wbkit.synth.rig import choose
from wbkit.synth.style import SKIN_TONES, cloth_colour
from wbkit.synth.textures import TILES

KINDS = {"heap": 0.3, "shelf": 0.2, "hedge": 0.16, "figures": 0.2, "posts": 0.14}
NOT_ON_THINGS = {"skin", "clouds", "curtain"}


def add_clutter(b: Builder, reach: float, far: float, kinds: dict[str, float] = KINDS) -> None:
    """None to three groups of things, x within `reach` m, up to `far` m behind the people."""
    builders = {"heap": _heap, "shelf": _shelf, "hedge": _hedge, "figures": _figures, "posts": _posts}
    for _ in range(b.rng.choice(4, p=[0.3, 0.35, 0.25, 0.1])):
        x, y = b.rng.uniform(-reach, reach), b.behind + b.rng.uniform(0.5, max(far, 0.6))
        builders[choose(b.rng, kinds)](b, x, y)


def _any_material(b: Builder, size: float) -> int:
    """Any colour and tile, as wide as the thing it covers."""
    tone = cloth_colour(b.rng) if b.rng.uniform() < 0.5 else b.colour((0, 1), (0.1, 0.98))
    tile = str(b.rng.choice([name for name in TILES if name not in NOT_ON_THINGS]))
    gloss = (b.rng.choice([0, 0, 0.1, 0.3]), 30)
    return b.material(tone, tile, size * b.rng.uniform(0.4, 1.2), gloss=gloss, spread=b.rng.uniform(0.1, 0.5))


def _heap(b: Builder, x: float, y: float) -> None:
    """3-8 boxes, balls and tins on and beside each other."""
    rng, low = b.rng, 0.0
    for _ in range(rng.integers(3, 9)):
        size = rng.uniform(0.12, 0.6, 3)
        at = np.array([x + rng.normal(0, 0.4), y + 0.5 * size[1], low + 0.5 * size[2]])
        number, kind = _any_material(b, size.max()), rng.integers(3)
        if kind == 0:
            b.box(size, at, number)
        elif kind == 1:
            b.add(ball(at, 0.5 * size, number, rng, rng.uniform(0, 0.2)))
        else:
            foot, top = (*at[:2], low), (*at[:2], low + size[2])
            b.add(cylinder(foot, top, 0.4 * size[0], number, rng.uniform(0.5, 1.2)))
        low = rng.choice([0.0, at[2] + 0.5 * size[2]]) if low < 1.5 else 0.0


def _shelf(b: Builder, x: float, y: float) -> None:
    """Boards one above the other with things on them."""
    rng, wide = b.rng, b.rng.uniform(0.8, 2.2)
    wood = _any_material(b, 1.0)
    levels = np.arange(0.3, rng.uniform(1.0, 2.4), rng.uniform(0.3, 0.5))
    colours = [_any_material(b, 0.3) for _ in range(5)]
    for z in levels:
        b.box((wide, 0.3, 0.03), (x, y + 0.15, z), wood)
        at = x - 0.5 * wide
        while at < x + 0.45 * wide:
            w, h = rng.uniform(0.03, 0.22), rng.uniform(0.08, 0.28)
            b.box((w, 0.2, h), (at + 0.5 * w, y + 0.15, z + 0.5 * h), colours[rng.integers(5)])
            at += w + rng.choice([0.005, 0.15])
    for s in (-1, 1):
        b.box((0.03, 0.3, levels[-1] + 0.2), (x + 0.5 * s * wide, y + 0.15, 0.5 * levels[-1] + 0.1), wood)


def _hedge(b: Builder, x: float, y: float) -> None:
    """A row of bushes that touch."""
    rng, height = b.rng, b.rng.uniform(0.5, 2.2)
    leaf = b.material(b.near((0.18, 0.32, 0.1), 0.15), str(rng.choice(["leaves", "grass_photo"])), height)
    for k in range(rng.integers(4, 9)):
        radii = height * rng.uniform(0.35, 0.6, 3)
        center = (x + 0.6 * height * (k - 3), y + radii[1] + rng.uniform(0, 0.3), 0.5 * height)
        b.add(ball(center, radii, leaf, rng, 0.35))


def _figures(b: Builder, x: float, y: float) -> None:
    """1-3 upright things with a head, in the colours of skin and cloth, that are no people."""
    rng = b.rng
    for k in range(rng.integers(1, 4)):
        height, at = rng.uniform(0.8, 1.9), x + 0.6 * k
        skin = SKIN_TONES[rng.integers(len(SKIN_TONES))] if rng.uniform() < 0.6 else cloth_colour(rng)
        body, head = b.material(cloth_colour(rng), "plain", 0.3), b.material(skin, "plain", 0.3, spread=0.04)
        width, foot = height * rng.uniform(0.07, 0.16), (at, y + 0.3, 0.0)
        b.add(cylinder(foot, (at, y + 0.3, 0.82 * height), width, body, rng.uniform(0.4, 1.3)))
        b.add(ball((at, y + 0.3, 0.91 * height), height * rng.uniform(0.05, 0.1, 3), head))


def _posts(b: Builder, x: float, y: float) -> None:
    """Posts or trunks of the width of limbs, some leaning."""
    rng = b.rng
    number = (
        _any_material(b, 0.5) if rng.uniform() < 0.5 else b.material(b.near((0.35, 0.27, 0.2)), "bark", 0.5)
    )
    for _ in range(rng.integers(2, 7)):
        at = x + rng.normal(0, 0.9)
        top = (at + rng.normal(0, 0.2), y + 0.2, rng.uniform(0.6, 3.0))
        b.add(cylinder((at, y + 0.2, 0), top, rng.uniform(0.02, 0.09), number, rng.uniform(0.6, 1)))
