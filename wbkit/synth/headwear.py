"""Hats, glasses and face masks."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from wbkit.keypoints import PARTS
from wbkit.synth.dresser import Dresser, HeadFrame
from wbkit.synth.fields import REGIONS, region
from wbkit.synth.props import ball, tube
from wbkit.synth.raster import vertex_normals
from wbkit.synth.render import TEXTURED, Mesh
from wbkit.synth.style import Outfit, cloth, cloth_colour, material

_COVER = region("cover")


def wear_on_head(d: Dresser, outfit: Outfit) -> None:
    """Add the outfit's hat, glasses and face mask."""
    head = HeadFrame(d)
    if outfit.hat:
        number = d.add(cloth(d.rng, plain=0.7))
        low = {"cap": 0.0, "beanie": 0.02, "brim": 0.0, "helmet": 0.025}[outfit.hat]
        thick = {"cap": 0.02, "beanie": 0.024, "brim": 0.028, "helmet": 0.04}[outfit.hat]
        d.layer(d.fields.hat + low, thick, number, rounds=10, over=_COVER)
        if outfit.hat in ("cap", "brim"):
            d.add_mesh(_brim(head, outfit.hat == "brim", number, d.person, d.rng))
    if outfit.mask:
        for part in _mask(d, head):
            d.add_mesh(part)
    if outfit.glasses:
        for part in _glasses(d, head, outfit.glasses == "sun"):
            d.add_mesh(part)


def _sheet(grid: np.ndarray, number: int, person: int) -> Mesh:
    """Points (A, B, 3) of a bent sheet -> mesh of region "cover"."""
    a, b = grid.shape[:2]
    i, j = (g.ravel() for g in np.meshgrid(np.arange(a - 1), np.arange(b - 1), indexing="ij"))
    quads = np.stack([i * b + j, i * b + j + 1, (i + 1) * b + j + 1, (i + 1) * b + j], 1)
    faces = np.concatenate([quads[:, :3], quads[:, [0, 2, 3]]]).astype(np.int32)
    v = grid.reshape(-1, 3).astype(np.float32)
    one = np.ones(len(faces), np.int16)
    return Mesh(
        vertices=v, normals=vertex_normals(v, faces), coords=v - v.mean(0),
        paint=np.zeros((len(v), 2), np.float32), clip=np.ones(len(v), np.float32), faces=faces,
        material=one * np.int16(number), frame=one * np.int16(len(REGIONS) + 2),
        person=one * np.int16(person), region=one * np.int16(_COVER),
    )  # fmt: skip


def _mask(d: Dresser, head: HeadFrame) -> list[Mesh]:
    """A face mask from the nose's bridge to under the chin, stretched over nose and chin, and its loops."""
    colour = d.rng.choice([(0.93, 0.94, 0.95), (0.55, 0.75, 0.85), (0.05, 0.05, 0.06)])
    number = d.add(material(TEXTURED, *[colour] * 3, tile="plain", size=0.1))
    face = head.local(d.posed.keypoints[PARTS["face"]])
    chin, bridge = face[8], face[28]
    angle, share = np.linspace(-1.2, 1.2, 25), np.linspace(0, 1, 15)
    bent = np.abs(angle / 1.2)[None] ** 2
    top, low = bridge[2] - 0.026 * bent, chin[2] - 0.012 + 0.034 * bent
    z = low + (top - low) * share[:, None]
    skin = head.local(d.posed.vertices[(d.fields.region == region("head")) & d.fields.is_skin])
    rows = np.linspace(chin[2] - 0.015, bridge[2] + 0.005, 18)
    radius = _taut(skin[skin[:, 1] < -0.03], rows, angle) + 0.003
    at = (z - rows[0]) / (rows[1] - rows[0])
    k = np.clip(at.astype(int), 0, len(rows) - 2)
    column = np.arange(len(angle))[None]
    r = radius[k, column] * (1 - at + k) + radius[k + 1, column] * (at - k)
    r = r + 0.0012 * np.sin(share[:, None] * 14) * (1 - bent)  # pleats
    x, y = r * np.sin(angle), -0.05 - r * np.cos(angle)
    grid = head.many(np.stack([x, y, z], 2).reshape(-1, 3)).reshape(*z.shape, 3)
    out = [_sheet(grid, number, d.person)]
    for column, ear in ((0, 4), (-1, 3)):
        for row in (1, -2):
            ends = [grid[row, column], d.posed.keypoints[ear]]
            out.append(tube(ends, 0.0012, number, 5, person=d.person, region=_COVER))
    return out


def _taut(points: np.ndarray, rows: np.ndarray, angle: np.ndarray) -> np.ndarray:
    """Distance (Z, A) from the vertical axis at y = -5 cm of a sheet stretched over points (N, 3): convex
    around the axis in every row, then from row to row."""
    way = np.stack([np.sin(angle), -np.cos(angle)], 1)
    flat = points[:, :2] - [0, -0.05]
    support = np.stack([(flat[np.abs(points[:, 2] - z) < 0.008] @ way.T).max(0, initial=0.03) for z in rows])
    slope = np.cos(angle[:, None] - angle[None])
    ray = np.where(slope > 0.2, support[:, :, None] / np.maximum(slope, 0.2), np.inf).min(1)
    for _ in range(60):
        ray[1:-1] = np.maximum(ray[1:-1], (ray[:-2] + ray[2:]) / 2)
    return ray


def _brim(head: HeadFrame, around: bool, number: int, person: int, rng) -> Mesh:
    angle = np.linspace(-1.15, 1.15, 15) if not around else np.linspace(-np.pi, np.pi, 33)
    wide = rng.uniform(0.05, 0.09) if around else 0.065
    z = 0.772 + 0.25 * np.clip(-0.14 + 0.085 * np.cos(angle) + 0.2, 0, 0.02)
    reach = wide * (1 if around else np.clip(np.cos(angle * 1.2), 0.05, 1)) * np.ones(len(angle))
    widths = (0 * reach, 0.5 * reach, reach)
    rows = [
        np.stack([(0.088 + r) * np.sin(angle), -0.045 - (0.108 + r) * np.cos(angle), z - 0.12 * r], 1)
        for r in widths
    ]
    grid = np.stack(rows)
    return _sheet(head.many(grid.reshape(-1, 3)).reshape(grid.shape), number, person)


def _glasses(d: Dresser, head: HeadFrame, dark: bool) -> list[Mesh]:
    """Frames around both eyes, a bridge and temples; sunglasses have dark lenses."""
    number = d.add(material(TEXTURED, cloth_colour(d.rng) * 0.5, gloss=(0.4, 40)))
    radius, tall = d.rng.uniform(0.02, 0.027), d.rng.uniform(0.75, 1.0)
    angle, out = np.linspace(0, 2 * np.pi, 20, endpoint=False), []
    z, y = 0.726, -0.152
    more = {"person": d.person, "region": region("head")}
    for x in (-1, 1):
        across = x * 0.034 + radius * np.cos(angle)
        rim = np.stack([across, y + 0.25 * np.abs(across) ** 1.4, z + tall * radius * np.sin(angle)], 1)
        out.append(tube(head.many(rim), 0.0016, number, 6, closed=True, **more))
        temple = [
            (x * (0.034 + radius), y + 0.012, z + 0.006),
            (x * 0.078, -0.06, z),
            (x * 0.08, -0.035, z - 0.002),
        ]
        out.append(tube(head.many(np.array(temple)), 0.0018, number, 6, **more))
        if dark:
            out.append(_lens(d, head, (x * 0.034, y + 0.003, z), (radius, 0.003, tall * radius)))
    bridge = [(-0.034 + radius, y, z + 0.004), (0, y - 0.004, z + 0.007), (0.034 - radius, y, z + 0.004)]
    out.append(tube(head.many(np.array(bridge)), 0.0016, number, 6, **more))
    return out


def _lens(d: Dresser, head: HeadFrame, at: tuple, radii: tuple) -> Mesh:
    number = d.add(material(TEXTURED, (0.04, 0.04, 0.05), gloss=(0.6, 60)))
    lens = ball((0, 0, 0), radii, number, person=d.person, region=_COVER)
    vertices = head.many(lens.vertices + np.array(at))
    normals = lens.normals @ head.turn.T
    return replace(lens, vertices=vertices.astype(np.float32), normals=normals.astype(np.float32))
