"""Simple solids: boxes, tubes, balls, and the things made of them: furniture, held objects."""

from __future__ import annotations

import numpy as np

from wbkit.synth.fields import REGIONS
from wbkit.synth.raster import vertex_normals
from wbkit.synth.render import Mesh, join

PLANAR = len(REGIONS)  # first of three pattern frames: on x, on y, on z; a fourth goes around z
FRAMES = np.array([
    [0, 0, 0, 0, 0, 0, 1, 0, 1, 0, 0, 0, 0, 1],
    [0, 0, 0, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0, 1],
    [0, 0, 0, 0, 0, 1, 0, 1, 0, 0, 0, 0, 0, 1],
    [1, 0, 0, 0, 0, 0, 1, 1, 0, 0, 0, -1, 0, 0.15],
], np.float32)  # fmt: skip
_OBJECT = REGIONS.index("object")


def solid(
    vertices, faces, normals, material: int, frame, coords=None, person: int = -1, region: int = _OBJECT
) -> Mesh:
    """A mesh from plain arrays; pattern coordinates default to the vertices."""
    v = np.asarray(vertices, np.float32)
    f = np.asarray(faces, np.int32)
    one = np.ones(len(f), np.int16)
    return Mesh(
        vertices=v, normals=np.asarray(normals, np.float32), coords=v.copy() if coords is None else coords,
        paint=np.zeros((len(v), 2), np.float32), clip=np.ones(len(v), np.float32), faces=f,
        material=one * np.int16(material), frame=one * np.asarray(frame, np.int16),
        person=one * np.int16(person), region=one * np.int16(region),
    )  # fmt: skip


def box(size, center, material: int, parts: int = 1, person: int = -1) -> Mesh:
    """A box with its sides along x, y, z; its pattern starts at its centre."""
    size, center = np.asarray(size, float), np.asarray(center, float)
    corner, faces, normals, frames = [], [], [], []
    grid = np.linspace(-0.5, 0.5, parts + 1)
    a, b = (g.ravel() for g in np.meshgrid(grid, grid, indexing="ij"))
    i = np.arange((parts + 1) ** 2).reshape(parts + 1, parts + 1)
    quads = np.stack([i[:-1, :-1], i[1:, :-1], i[1:, 1:], i[:-1, 1:]], -1).reshape(-1, 4)
    for axis in range(3):
        for sign in (-0.5, 0.5):
            side = np.zeros((len(a), 3))
            side[:, axis], side[:, (axis + 1) % 3], side[:, (axis + 2) % 3] = sign, a, b
            q = quads + sum(map(len, corner))
            corner.append(side)
            faces.append(np.concatenate([q[:, :3], q[:, [0, 2, 3]]]))
            normals.append(np.eye(3)[axis] * 2 * sign * np.ones((len(a), 1)))
            frames += [PLANAR + axis] * (2 * len(q))
    local = np.concatenate(corner) * size
    return solid(local + center, np.concatenate(faces), np.concatenate(normals), material, frames,
                 coords=local.astype(np.float32), person=person)  # fmt: skip


def _facing(v: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Pattern frame of each face by the axis it faces most: for patterns that keep their size on big
    solids."""
    normals = np.cross(v[faces[:, 1]] - v[faces[:, 0]], v[faces[:, 2]] - v[faces[:, 0]])
    return PLANAR + np.abs(normals).argmax(1)


def tube(points, radii, material: int, sides: int = 10, closed: bool = False, **more) -> Mesh:
    """A tube along points (N, 3) with a radius at each; ends are capped by shrinking radii if wanted."""
    p = np.asarray(points, float)
    radii = np.broadcast_to(np.asarray(radii, float), len(p))
    along = np.gradient(p, axis=0) if not closed else np.roll(p, -1, 0) - np.roll(p, 1, 0)
    along /= np.maximum(np.linalg.norm(along, axis=1, keepdims=True), 1e-9)
    helper = np.where(np.abs(along[:, 2:3]) < 0.9, [[0, 0, 1.0]], [[1.0, 0, 0]])
    side = np.cross(along, helper)
    side /= np.maximum(np.linalg.norm(side, axis=1, keepdims=True), 1e-9)
    other = np.cross(along, side)
    angle = np.linspace(0, 2 * np.pi, sides, endpoint=False)
    around = np.cos(angle)[None, :, None] * side[:, None] + np.sin(angle)[None, :, None] * other[:, None]
    v = (p[:, None] + radii[:, None, None] * around).reshape(-1, 3)
    rings = len(p) if closed else len(p) - 1
    i, j = (g.ravel() for g in np.meshgrid(np.arange(rings), np.arange(sides), indexing="ij"))
    k, n = (i + 1) % len(p), (j + 1) % sides
    quads = np.stack([i * sides + j, k * sides + j, k * sides + n, i * sides + n], 1)
    faces = np.concatenate([quads[:, :3], quads[:, [0, 2, 3]]])
    lengths = np.r_[0, np.cumsum(np.linalg.norm(np.diff(p, axis=0), axis=1))]
    coords = np.stack([np.tile(np.cos(angle) * radii.max(), len(p)), np.tile(-np.sin(angle) * radii.max(),
    len(p)),
                       np.repeat(lengths, sides)], 1)  # fmt: skip
    if radii.max() > 0.5:
        return solid(v, faces, around.reshape(-1, 3), material, _facing(v, faces), **more)
    return solid(
        v, faces, around.reshape(-1, 3), material, PLANAR + 3, coords=coords.astype(np.float32), **more
    )


def cylinder(base, top, radius: float, material: int, taper: float = 1.0, **more) -> Mesh:
    """A closed cylinder or cone between two points."""
    a, b = np.asarray(base, float), np.asarray(top, float)
    inner = 1e-3 * (b - a)
    points = [a - 0.01 * inner, a, a + inner, b - inner, b, b + 0.01 * inner]
    return tube(points, [0, radius, radius, radius * taper, radius * taper, 0], material, 14, **more)


def ball(
    center, radii, material: int, rng: np.random.Generator | None = None, rough: float = 0.0, **more
) -> Mesh:
    """An ellipsoid; with `rough`, lumpy by that share of its radius."""
    u, w = np.linspace(0, np.pi, 11), np.linspace(0, 2 * np.pi, 17)[:-1]
    uu, ww = (g.ravel() for g in np.meshgrid(u, w, indexing="ij"))
    n = np.stack([np.sin(uu) * np.cos(ww), np.sin(uu) * np.sin(ww), np.cos(uu)], 1)
    lumps = np.ones(len(n))
    if rng is not None and rough:
        lumps += rough * np.sin(n @ rng.normal(0, 4, (3, 5)) + rng.uniform(0, 6, 5)).sum(1) / 2
    i, j = (g.ravel() for g in np.meshgrid(np.arange(10), np.arange(16), indexing="ij"))
    quads = np.stack([i * 16 + j, (i + 1) * 16 + j, (i + 1) * 16 + (j + 1) % 16, i * 16 + (j + 1) % 16], 1)
    faces = np.concatenate([quads[:, :3], quads[:, [0, 2, 3]]])
    v = (n * np.asarray(radii) * lumps[:, None]).astype(np.float32)
    return solid(
        v + np.asarray(center),
        faces,
        vertex_normals(v, faces.astype(np.int32)),
        material,
        _facing(v, faces),
        coords=v,
        **more,
    )


def chair(rng: np.random.Generator, height: float, material: int, second: int) -> Mesh:
    """A seat of this height at the origin, its back towards +y: stool, chair, bench, block or armchair."""
    kind, wide = rng.choice(["stool", "chair", "bench", "block", "armchair"]), rng.uniform(0.42, 0.55)
    wide = wide if kind != "bench" else rng.uniform(1.1, 1.8)
    parts = [box((wide, 0.44, 0.05), (0, 0, height - 0.025), material)]
    if kind == "block":
        return box((wide, 0.45, height), (0, 0, height / 2), material)
    for x in (-1, 1):
        for y in (-1, 1):
            foot = (x * (wide / 2 - 0.03), y * 0.19, 0)
            parts.append(cylinder(foot, (foot[0], foot[1], height), 0.018, second))
    if kind in ("chair", "armchair", "bench"):
        parts.append(box((wide, 0.04, rng.uniform(0.25, 0.5)), (0, 0.26, height + 0.3), material))
    if kind == "armchair":
        parts += [
            box((0.07, 0.44, 0.06), (x * (wide / 2 + 0.03), 0.0, height + 0.2), second) for x in (-1, 1)
        ]
    return join(parts)


def held(rng: np.random.Generator, m: int, kind: str | None = None, shrink: float = 1.0) -> Mesh:
    """Something for a hand, of material `m`, around the origin, its long side along z; long things are
    shortened by `shrink`."""
    kind = kind or rng.choice(["phone", "cup", "bottle", "book", "ball", "stick", "bag"])
    if kind == "phone":
        return box((0.075, 0.01, 0.15), (0, 0, 0.02), m)
    if kind == "cup":
        return cylinder((0, 0, -0.05), (0, 0, 0.06), rng.uniform(0.03, 0.042), m, 1.1)
    if kind == "bottle":
        return join(
            [cylinder((0, 0, -0.1), (0, 0, 0.1), 0.033, m), cylinder((0, 0, 0.1), (0, 0, 0.16), 0.014, m)]
        )
    if kind == "book":
        return box((rng.uniform(0.14, 0.26), 0.025, rng.uniform(0.2, 0.32)), (0.03, 0, 0.06), m)
    if kind == "ball":
        return ball((0, -0.05, 0), np.full(3, rng.uniform(0.04, 0.12)), m)
    if kind == "bag":
        return join(
            [
                box((0.12, 0.3, 0.3), (0, 0, -0.36), m, 2),
                tube([(0, -0.1, -0.22), (0, -0.05, -0.03), (0, 0.05, -0.03), (0, 0.1, -0.22)], 0.01, m),
            ]
        )
    length, radius = rng.uniform(0.3, 1.0) * shrink, rng.uniform(0.01, 0.02)
    return cylinder((0, 0, -0.15 * shrink), (0, 0, length), radius, m, rng.uniform(0.8, 1.6))
