"""Footwear as closed shells around the foot: sneakers, low shoes, boots, sandals; and socks' places.

Shells are built in the foot's own frame (axes as in the template: toes towards -y, z up) around the convex
outline of the foot, so that no toe shows; sole and upper meet along a ring of vertices, a smooth line.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from wbkit.synth.body import Body, Posed
from wbkit.synth.fields import load_fields, region
from wbkit.synth.props import tube
from wbkit.synth.raster import vertex_normals
from wbkit.synth.render import Mesh

RING = 44  # vertices around the foot
LEVELS = 9  # rings from the sole to the ridge


@dataclass(frozen=True, eq=False)
class Last:
    """What a shoe is built around, in the foot's frame, m: `outline` (RING, 2) x, y around the foot, no toe
    sticking out of it; `floor`: the skin's lowest z; `crest` (2, N): y and height of the foot's upper side.
    `turn` (3, 3), `place` (3,): frame -> world."""

    outline: np.ndarray
    floor: float
    crest: np.ndarray
    turn: np.ndarray
    place: np.ndarray

    def to_world(self, points: np.ndarray) -> np.ndarray:
        """Points (N, 3) of the foot's frame -> world."""
        return points @ self.turn.T + self.place


def make_last(body: Body, posed: Posed, side: str, gap: float = 0.008) -> Last:
    """Measure one foot ("L" or "R"); the outline keeps `gap` metres from the skin."""
    bone = body.bone(f"foot.{side}")
    turn, place = posed.turns[bone], posed.joints[bone]
    fields = load_fields()
    skin = posed.vertices[(fields.region == region(f"foot.{side}")) & fields.is_skin]
    local = (skin - place) @ turn
    floor = float(local[:, 2].min())
    low = local[local[:, 2] < floor + 0.055]
    y = np.linspace(local[:, 1].min(), local[:, 1].max(), 13)
    crest = [local[np.abs(local[:, 1] - at) < 0.018, 2].max() for at in y]
    crest = np.maximum.accumulate(np.array(crest))
    crest[1:-1] = 0.25 * crest[:-2] + 0.5 * crest[1:-1] + 0.25 * crest[2:]
    return Last(_outline(low[:, :2], gap), floor, np.stack([y, crest]), turn, place)


def _outline(points: np.ndarray, gap: float) -> np.ndarray:
    """Convex outline (RING, 2) of points (N, 2), `gap` outside them, evenly spaced from the toe on."""
    hull = cv2.convexHull(np.float32(points * 1000))[:, 0] / 1000
    angle = np.linspace(0, 2 * np.pi, 180, endpoint=False)
    way = np.stack([np.cos(angle), np.sin(angle)], 1)
    corners = hull[(hull @ way.T).argmax(0)] + gap * way
    corners = np.concatenate([corners, corners[:1]])
    length = np.r_[0, np.cumsum(np.linalg.norm(np.diff(corners, axis=0), axis=1))]
    at = np.linspace(0, length[-1], RING, endpoint=False)
    out = np.stack([np.interp(at, length, corners[:, i]) for i in range(2)], 1)
    for _ in range(2):
        out = 0.5 * out + 0.25 * (np.roll(out, 1, 0) + np.roll(out, -1, 0))
    return out


def shoe(last: Last, rim: float, sole: float, numbers: dict[str, int], person: int, side: str) -> Mesh:
    """A closed shoe; the leg leaves it through its upper side.

    Args:
        rim: height of the upper at the ankle over the foot's lowest point, m. sole: its thickness, m.
        numbers: materials of "upper", "sole", "cap" (front of the upper) and "laces".
    """
    outline, floor = last.outline, last.floor
    toe, heel = outline[:, 1].min(), outline[:, 1].max()
    middle = outline.mean(0)
    axis = np.stack([np.interp(outline[:, 1], [toe, heel], _axis_x(outline, toe, heel)),
                     np.clip(outline[:, 1], toe + 0.062, heel - 0.042)], 1)  # fmt: skip
    rings = [
        _ring(middle + 0.93 * (outline - middle), floor - sole),
        _ring(middle + 0.99 * (outline - middle), floor - 0.8 * sole),
        _ring(middle + 1.02 * (outline - middle), floor + 0.006),
        _ring(middle + 0.985 * (outline - middle), floor + 0.010),
    ]
    low = floor + 0.010
    # round over the toes; upright at the ankle, where the leg comes out of a flat top
    bend = np.interp(outline[:, 1], [heel - 0.15, heel - 0.1], [0.55, 0.17])
    for q in np.linspace(0, 1, LEVELS - 3)[1:]:
        across, up = np.cos(q * np.pi / 2) ** bend, np.sin(q * np.pi / 2) ** 0.75
        flat = axis + 0.985 * across[:, None] * (outline - axis)
        top = np.minimum(np.interp(flat[:, 1], *last.crest) + 0.009, floor + rim)
        top = np.maximum(top, floor + 0.042)
        rings.append(np.column_stack([flat, low + up * (top - low)]))
    return _stack(last, np.array(rings), numbers, person, side)


def sole_only(last: Last, sole: float, number: int, person: int, side: str) -> Mesh:
    """The flat sole of a sandal, the foot bare on it."""
    middle = last.outline.mean(0)
    rings = [_ring(last.outline, last.floor - sole), _ring(last.outline, last.floor + 0.002),
             _ring(middle + 0 * last.outline, last.floor + 0.002)]  # fmt: skip
    return _stack(
        last, np.array(rings), dict.fromkeys(("upper", "sole", "cap", "laces"), number), person, side
    )


def straps(posed: Posed, last: Last, number: int, person: int, side: str) -> list[Mesh]:
    """Two bands over a foot."""
    fields = load_fields()
    skin = posed.vertices[(fields.region == region(f"foot.{side}")) & fields.is_skin]
    local = (skin - last.place) @ last.turn
    out = []
    for y in (last.outline[:, 1].min() + 0.07, last.outline[:, 1].min() + 0.14):
        slab = local[np.abs(local[:, 1] - y) < 0.012][:, [0, 2]]
        middle = np.array([slab[:, 0].mean(), last.floor])
        angle = np.linspace(0, np.pi, 15)
        way = np.stack([np.cos(angle), np.sin(angle)], 1)
        edge = slab[((slab - middle) @ way.T).argmax(0)] + 0.002 * way
        for _ in range(2):
            edge[1:-1] = 0.25 * edge[:-2] + 0.5 * edge[1:-1] + 0.25 * edge[2:]
        for shift in (-0.006, 0.0, 0.006):  # three cords side by side make a band
            points = np.column_stack([edge[:, 0], np.full(15, y + shift), edge[:, 1]])
            out.append(
                tube(last.to_world(points), 0.0042, number, 6, person=person, region=region(f"foot.{side}"))
            )
    return out


def _axis_x(outline: np.ndarray, toe: float, heel: float) -> list[float]:
    """x of the shoe's middle at the toe and at the heel."""
    ends = (outline[:, 1] < toe + 0.06, outline[:, 1] > heel - 0.06)
    return [float(outline[end, 0].min() + outline[end, 0].max()) / 2 for end in ends]


def _ring(flat: np.ndarray, z: float) -> np.ndarray:
    return np.column_stack([flat, np.full(len(flat), z)])


def _stack(last: Last, rings: np.ndarray, numbers: dict[str, int], person: int, side: str) -> Mesh:
    """Rings (L, RING, 3) in the foot's frame, from below -> mesh in the world, closed below."""
    levels, count = rings.shape[:2]
    i, j = (g.ravel() for g in np.meshgrid(np.arange(levels - 1), np.arange(count), indexing="ij"))
    n = (j + 1) % count
    quads = np.stack([i * count + j, i * count + n, (i + 1) * count + n, (i + 1) * count + j], 1)
    k = np.arange(1, count - 1)
    below = np.stack([0 * k, k + 1, k], 1)
    faces = np.concatenate([quads[:, :3], quads[:, [0, 2, 3]], below]).astype(np.int32)
    number = np.r_[_parts(rings, numbers).ravel(), _parts(rings, numbers).ravel(), 0 * k + numbers["sole"]]
    local = rings.reshape(-1, 3)
    one = np.full(len(faces), region(f"foot.{side}"), np.int16)
    world = last.to_world(local).astype(np.float32)
    return Mesh(
        vertices=world, normals=vertex_normals(world, faces), coords=local.astype(np.float32),
        paint=np.zeros((len(local), 2), np.float32), clip=np.ones(len(local), np.float32), faces=faces,
        material=number.astype(np.int16), frame=one, person=np.full(len(faces), person, np.int16), region=one,
    )  # fmt: skip


def _parts(rings: np.ndarray, numbers: dict[str, int]) -> np.ndarray:
    """Material (L - 1, RING) of each quad: bounded by rings and by columns, so that every seam is a line."""
    y = rings[2, :, 1]
    y = (y + np.roll(y, -1)) / 2 - y.min()
    out = np.full((len(rings) - 1, len(y)), numbers["upper"])
    out[:, y < 0.062] = numbers["cap"]
    out[-3:, (y > 0.075) & (y < 0.135)] = numbers["laces"]
    out[:3] = numbers["sole"]
    return out
