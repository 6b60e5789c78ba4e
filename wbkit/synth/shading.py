# ruff: noqa: RUF046 (numba needs the casts of math.floor)
"""Compiled shading: the colour of every covered sample, from its material, texture and the light on it.

All arrays are float32 unless said otherwise; colours are linear RGB. A material's 20 numbers: 0 kind
(`SKIN` ... `EMISSIVE`), 1-3, 4-6, 7-9 its three colours, 10 tile (-1 none), 11 the tile's width in m, 12, 13
gloss and its sharpness, 14 strength of the tile's shade, 15 brows, 16, 17 shift of the tile, 18 freckles.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numba
import numpy as np

# The helpers become a part of the loop over samples, and it counts no references: calls and counters would
# cost a third of its time.
_OPTIONS = {"fastmath": True, "error_model": "numpy"}
_inlined = numba.njit(inline="always", **_OPTIONS)
_loop = numba.njit(cache=True, _nrt=False, **_OPTIONS)

TEXTURED, SKIN, EYE, HAIR, EMISSIVE = range(5)  # material kinds


class Triangles(NamedTuple):
    """A mesh as a camera sees it: parts of `render.Mesh`, `screen` (V, 2) samples, `closeness` (V,) 1 / m."""

    vertices: np.ndarray
    normals: np.ndarray
    coords: np.ndarray
    paint: np.ndarray
    faces: np.ndarray
    material: np.ndarray
    frame: np.ndarray
    screen: np.ndarray
    closeness: np.ndarray


class Looks(NamedTuple):
    """The tables of `render.Surfaces`, in its order and shapes."""

    materials: np.ndarray
    frames: np.ndarray
    textures: np.ndarray
    brows: np.ndarray


class Lamps(NamedTuple):
    """The arrays of `render.Light`; the first light's shadow map (S, S), its axes (3, 3) and place (3,)."""

    lights: np.ndarray
    ambient: np.ndarray
    fog: np.ndarray
    shadow: np.ndarray
    axes: np.ndarray
    place: np.ndarray


_LEVEL_STARTS = np.cumsum([0] + [(256 >> i) ** 2 for i in range(7)])


@_inlined
def _texel(tile, u, v, level, out):
    """Bilinear values 0-1 of a tile (S, 3) at (u, v) in tiles, from level `level` of its pyramid -> out
    (3,)."""
    size, start = 256 >> level, _LEVEL_STARTS[level]
    x, y = (u - math.floor(u)) * size, (v - math.floor(v)) * size
    x0, y0 = int(x), int(y)
    fx, fy = np.float32(x - x0), np.float32(y - y0)
    x0, y0 = x0 & (size - 1), y0 & (size - 1)
    x1, y1 = (x0 + 1) & (size - 1), (y0 + 1) & (size - 1)
    a, b, c, d = (
        start + y0 * size + x0,
        start + y0 * size + x1,
        start + y1 * size + x0,
        start + y1 * size + x1,
    )
    for i in range(3):
        top = tile[a, i] * (1 - fx) + tile[b, i] * fx
        low = tile[c, i] * (1 - fx) + tile[d, i] * fx
        out[i] = (top * (1 - fy) + low * fy) * np.float32(1 / 255)


@_inlined
def _near_brow(p, brows):
    """How far inside an eyebrow (0-1) a point of the template's face lies; brows (2, 5, 4): x, y, z, half
    width."""
    best = np.float32(0)
    for s in range(2):
        for i in range(4):
            a, b = brows[s, i], brows[s, i + 1]
            dx, dz = b[0] - a[0], b[2] - a[2]
            t = ((p[0] - a[0]) * dx + (p[2] - a[2]) * dz) / (dx * dx + dz * dz)
            t = min(max(t, np.float32(0)), np.float32(1))
            ex, ey, ez = p[0] - a[0] - t * dx, p[1] - a[1] - t * (b[1] - a[1]), p[2] - a[2] - t * dz
            far = math.sqrt(ex * ex + 0.3 * ey * ey + ez * ez)
            inside = (a[3] + t * (b[3] - a[3]) - far) / np.float32(0.0018) + np.float32(0.5)
            best = max(best, min(np.float32(1), inside))
    return best


@_inlined
def _lit(position, shadow, axes, place, bias):
    """Share 0-1 of the main light that reaches a point, from the shadow map (four taps)."""
    sx = (position[0] * axes[0, 0] + position[1] * axes[0, 1] + position[2] * axes[0, 2] - place[0]) * place[
        2
    ]
    sy = (position[0] * axes[1, 0] + position[1] * axes[1, 1] + position[2] * axes[1, 2] - place[1]) * place[
        2
    ]
    depth = position[0] * axes[2, 0] + position[1] * axes[2, 1] + position[2] * axes[2, 2]
    height, width = shadow.shape
    if not (2 <= sx < width - 3 and 2 <= sy < height - 3):
        return np.float32(1)
    x0, y0 = int(math.floor(sx)), int(math.floor(sy))
    fx, fy = np.float32(sx - x0), np.float32(sy - y0)
    total = np.float32(0)
    for j in range(-1, 3):  # box of 3 x 3 texels, bilinear: 4 x 4 taps with the outer ones weighted
        wy = (1 - fy) if j == -1 else (fy if j == 2 else np.float32(1))
        for i in range(-1, 3):
            wx = (1 - fx) if i == -1 else (fx if i == 2 else np.float32(1))
            if shadow[y0 + j, x0 + i] <= depth + bias:
                total += wx * wy
    return total / np.float32(9)


@_inlined
def _is_whole(face, material, y, x):
    """Whether a sample's pixel shows one material throughout; it is then coloured once, at its centre."""
    y0, x0, number = y & ~1, x & ~1, material[face[y, x]]
    whole = True
    for j in range(4):
        g = face[y0 + j // 2, x0 + j % 2]
        whole = whole and g >= 0 and material[g] == number
    return whole


@_inlined
def _shares(screen, closeness, a, b, d, sx, sy):
    """Shares of a face's first two corners in the surface point under a sample, and its depth in m."""
    ax, ay, bx, by, dx, dy = (screen[a, 0], screen[a, 1], screen[b, 0], screen[b, 1],
                              screen[d, 0], screen[d, 1])  # fmt: skip
    inverse = np.float32(1) / ((bx - ax) * (dy - ay) - (by - ay) * (dx - ax))
    ka = ((bx - sx) * (dy - sy) - (by - sy) * (dx - sx)) * inverse
    kb = ((dx - sx) * (ay - sy) - (dy - sy) * (ax - sx)) * inverse
    z = (np.float32(1) - ka - kb) * closeness[d]
    ka, kb = ka * closeness[a], kb * closeness[b]
    z = np.float32(1) / max(ka + kb + z, np.float32(1e-6))
    return ka * z, kb * z, z


@_inlined
def _surface_point(vertices, normals, coords, a, b, d, ka, kb, camera, p, n, c, view):
    """Fill position, unit normal towards the camera, pattern coordinates and view, its direction.

    Returns:
        distance to the camera in m; cosine between normal and view.
    """
    kd = np.float32(1) - ka - kb
    far, length = np.float32(0), np.float32(0)
    for i in range(3):
        p[i] = ka * vertices[a, i] + kb * vertices[b, i] + kd * vertices[d, i]
        n[i] = ka * normals[a, i] + kb * normals[b, i] + kd * normals[d, i]
        c[i] = ka * coords[a, i] + kb * coords[b, i] + kd * coords[d, i]
        view[i] = camera[i] - p[i]
        far += view[i] * view[i]
        length += n[i] * n[i]
    far, length = np.float32(math.sqrt(far)), np.float32(math.sqrt(length)) + np.float32(1e-9)
    facing = np.float32(0)
    for i in range(3):
        n[i] /= length
        view[i] /= far
        facing += n[i] * view[i]
    if facing < 0:
        facing = -facing
        for i in range(3):
            n[i] = -n[i]
    return far, facing


@_inlined
def _pattern(m, frame, textures, c, size, facing, texel, albedo):
    """Change `albedo` by the material's tile at the pattern coordinates; a sample covers `size` m."""
    u = v = e = np.float32(0)
    for i in range(3):
        q = c[i] - frame[1 + i]
        v += q * frame[4 + i]
        u += q * frame[7 + i]
        e += q * frame[10 + i]
    if frame[0] > 0:
        u = np.float32(math.atan2(u, e)) * frame[13]
    u, v = u / m[11] + m[16], v / m[11] + m[17]
    texels = size * 256 / m[11] / (facing + np.float32(0.15))
    level = min(6, max(0, int(math.log2(texels) + 0.5))) if texels > 1 else 0
    _texel(textures[int(m[10])], u, v, level, texel)
    s1, s2, s3 = texel[0], texel[1], 1 + m[14] * (2 * texel[2] - 1)
    if int(m[0]) == SKIN:  # the first channel is redness, the second freckles
        for i in range(3):
            albedo[i] *= (
                s3 * (1 - np.float32(0.14) * (s1 - np.float32(0.5)) * (i > 0)) * (1 - m[18] * s2 * (1 + i))
            )
    else:
        for i in range(3):
            mixed = albedo[i] + s1 * (m[4 + i] - albedo[i])
            albedo[i] = max((mixed + s2 * (m[7 + i] - mixed)) * s3, np.float32(0))


@_inlined
def _skin(m, c, lip, shadowed, brows, albedo):
    """Lips (1; up to 2 inside the mouth), beard shadow and brows over the skin's colour."""
    brow = np.float32(0)
    if c[2] > brows[0, 0, 2] - 0.03 and c[1] < brows[0, 4, 1] + 0.03:
        brow = m[15] * max(_near_brow(c, brows), np.float32(0))
    for i in range(3):
        albedo[i] += min(lip, np.float32(1)) * (m[4 + i] - albedo[i])
        albedo[i] *= 1 - np.float32(0.8) * max(lip - 1, np.float32(0))  # inside the mouth
        albedo[i] += shadowed * (m[7 + i] - albedo[i])
        albedo[i] += brow * (m[7 + i] - albedo[i])


@_inlined
def _eye(m, c, albedo):
    """Pupil, iris and its dark edge; coords are measured from the eye's centre, in iris radii."""
    ring = np.float32(math.sqrt(c[0] ** 2 + c[2] ** 2)) + (np.float32(9) if c[1] > 0 else np.float32(0))
    for i in range(3):
        if ring < 0.42:
            albedo[i] = np.float32(0.006)
        elif ring < 1:
            albedo[i] = m[4 + i] * (np.float32(0.6) + np.float32(0.6) * (1 - ring))
        elif ring < 1.15:
            albedo[i] = m[4 + i] * np.float32(0.3)


@_inlined
def _hair(m, c, albedo):
    """Strands along the vertical of the template."""
    angle = math.atan2(c[0], c[1] + np.float32(0.02))
    strand = math.sin(angle * 57 + 5 * math.sin(c[2] * 23 + 3 * angle)) * math.sin(
        angle * 211 + 4 * math.sin(c[2] * 31)
    )
    for i in range(3):
        albedo[i] *= 1 + m[14] * np.float32(strand)


@_inlined
def _lamp(m, lights, k, share, n, view, falling, gleam):
    """Add what one light (6,) of which `share` arrives gives: diffuse to `falling`, mirrored to `gleam`."""
    kind = int(m[0])
    cosine, half, size = np.float32(0), np.float32(0), np.float32(0)
    for i in range(3):
        cosine += n[i] * lights[k, i]
        h = lights[k, i] + view[i]
        half += n[i] * h
        size += h * h
    wrap = np.float32(0.25) if kind in (SKIN, HAIR) else np.float32(0)
    for i in range(3):
        soft = wrap * (1 if i == 0 else np.float32(0.5))
        falling[i] += lights[k, 3 + i] * max(np.float32(0), (cosine + soft) / (1 + soft)) * share
    if m[12] > 0 and cosine > 0 and half * half > np.float32(0.4) * size:
        mirrored = m[12] * share * max(half / math.sqrt(size + 1e-9), 0) ** m[13]
        for i in range(3):
            gleam[i] += mirrored * lights[k, 3 + i]


@_inlined
def _illuminate(m, lamps, p, n, view, far, facing, albedo, falling, gleam):
    """The colour that reaches the camera from a point -> `falling` (3,)."""
    lights, ambient, fog, shadow, axes, place = lamps
    facing_main = n[0] * lights[0, 0] + n[1] * lights[0, 1] + n[2] * lights[0, 2]
    lit = np.float32(0)
    if facing_main > np.float32(-0.3):
        lit = _lit(p, shadow, axes, place, np.float32(0.012) + np.float32(0.02) * (1 - facing))
    up = np.float32(0.5) + np.float32(0.5) * n[2]
    for i in range(3):
        falling[i] = ambient[1, i] + up * (ambient[0, i] - ambient[1, i])
        gleam[i] = np.float32(0)
    for k in range(len(lights)):
        _lamp(m, lights, k, lit if k == 0 else np.float32(1), n, view, falling, gleam)
    grow = 1 - facing
    rim = m[12] * np.float32(0.35) * grow * grow * grow * grow
    haze = 1 - np.float32(math.exp(-far * fog[3])) if fog[3] > 0 else np.float32(0)
    for i in range(3):
        falling[i] = albedo[i] * falling[i] + gleam[i] + rim * ambient[0, i]
        falling[i] += haze * (fog[i] - falling[i])


@_loop
def shade(mesh, looks, lamps, camera, focal, scale, face, scratch, out):
    """Colour every covered sample of `out` (height, width, 3).

    Args:
        mesh, looks, lamps: `Triangles`, `Looks`, `Lamps`. camera: (3,) its position. focal: px.
        scale: samples a pixel in each direction, 1 or 2. face: (height, width) int32 from `raster.rasterize`.
        scratch: (8, 3) of any content.
    """
    vertices, normals, coords, paint, faces, material, frame, screen, closeness = mesh
    materials, frames, textures, brows = looks
    texel, albedo, gleam, colour = scratch[0], scratch[1], scratch[2], scratch[3]
    p, n, c, view = scratch[4], scratch[5], scratch[6], scratch[7]
    for y in range(face.shape[0]):
        for x in range(face.shape[1]):
            f = face[y, x]
            if f < 0:
                continue
            whole = scale == 2 and _is_whole(face, material, y, x)
            if whole and (x & 1 or y & 1):
                continue
            a, b, d = faces[f]
            middle = np.float32(0.5) if whole else np.float32(0)
            ka, kb, z = _shares(screen, closeness, a, b, d, np.float32(x) + middle, np.float32(y) + middle)
            far, facing = _surface_point(vertices, normals, coords, a, b, d, ka, kb, camera, p, n, c, view)
            m = materials[material[f]]
            for i in range(3):
                albedo[i] = m[1 + i]
            if m[10] >= 0:
                size = z / focal / (1 if whole else scale)
                _pattern(m, frames[frame[f]], textures, c, size, facing, texel, albedo)
            if m[0] == SKIN:
                kd = np.float32(1) - ka - kb
                lip = ka * paint[a, 0] + kb * paint[b, 0] + kd * paint[d, 0]
                shadowed = ka * paint[a, 1] + kb * paint[b, 1] + kd * paint[d, 1]
                _skin(m, c, lip, shadowed, brows, albedo)
            elif m[0] == EYE:
                _eye(m, c, albedo)
            elif m[0] == HAIR:
                _hair(m, c, albedo)
            if m[0] == EMISSIVE:  # gives its own light: sky, window, lamp
                for i in range(3):
                    colour[i] = albedo[i]
            else:
                _illuminate(m, lamps, p, n, view, far, facing, albedo, colour, gleam)
            for j in range(4 if whole else 1):
                for i in range(3):
                    out[y + j // 2, x + j % 2, i] = colour[i]
