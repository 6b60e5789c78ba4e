# ruff: noqa: RUF046 (numba needs the casts of math.ceil and math.floor)
"""Compiled inner loops of the renderer: z-buffer, normals, cloth, samples to pixels; see wbkit.synth.render.

All arrays are float32 unless said otherwise; colours are linear RGB (not gamma-coded).
"""

from __future__ import annotations

import math

import numba
import numpy as np

NOWHERE = np.float32(-1e9)
_jit = numba.njit(cache=True, fastmath=True, error_model="numpy")


@_jit
def rasterize(xy, w, faces, clip, height, width):
    """Z-buffer of triangles: per sample the face with the largest `w`, among points whose `clip` is >= 0.

    Args:
        xy: (V, 2) samples (centres at integers). w: (V,) linear on the picture: 1 / depth, or minus depth
            for a
            parallel projection; a face with a corner at x <= `NOWHERE` is left out.
        faces: (F, 3) int32. clip: (V,) linear over the surface.

    Returns:
        face (height, width) int32, -1 where nothing; w (height, width), -inf where nothing.
    """
    best = np.full((height, width), -np.inf, np.float32)
    face = np.full((height, width), -1, np.int32)
    for f in range(len(faces)):
        a, b, c = faces[f]
        wa, wb, wc = w[a], w[b], w[c]
        if clip[a] < 0 and clip[b] < 0 and clip[c] < 0:
            continue
        xa, ya, xb, yb, xc, yc = xy[a, 0], xy[a, 1], xy[b, 0], xy[b, 1], xy[c, 0], xy[c, 1]
        x0, x1 = min(xa, xb, xc), max(xa, xb, xc)
        y0, y1 = min(ya, yb, yc), max(ya, yb, yc)
        if x0 <= NOWHERE or x1 < 0 or x0 > width - 1 or y1 < 0 or y0 > height - 1:
            continue
        area = (xb - xa) * (yc - ya) - (yb - ya) * (xc - xa)
        if abs(area) < 1e-9:
            continue
        inverse = np.float32(1.0) / area
        clipped = clip[a] < 0 or clip[b] < 0 or clip[c] < 0
        ca, cb, cc = clip[a] * wa, clip[b] * wb, clip[c] * wc
        left, right = max(0, int(math.ceil(x0))), min(width - 1, int(math.floor(x1)))
        dka, dkb = (yb - yc) * inverse, (yc - ya) * inverse  # steps of the first two shares along a row
        dvalue = dka * wa + dkb * wb - (dka + dkb) * wc
        for y in range(max(0, int(math.ceil(y0))), min(height - 1, int(math.floor(y1))) + 1):
            py, px = np.float32(y), np.float32(left)
            ka = ((xb - px) * (yc - py) - (yb - py) * (xc - px)) * inverse
            kb = ((xc - px) * (ya - py) - (yc - py) * (xa - px)) * inverse
            value = ka * wa + kb * wb + (np.float32(1) - ka - kb) * wc
            for x in range(left, right + 1):
                if (
                    ka >= 0 and kb >= 0 and ka + kb <= 1 and value > best[y, x]
                    and not (clipped and ka * ca + kb * cb + (np.float32(1) - ka - kb) * cc < 0)
                ):  # fmt: skip
                    best[y, x] = value
                    face[y, x] = f
                ka, kb, value = ka + dka, kb + dkb, value + dvalue
    return face, best


@_jit
def vertex_normals(vertices, faces):
    """(V, 3) unit normals, faces weighted by area; zero where no face is."""
    out = np.zeros_like(vertices)
    for f in range(len(faces)):
        a, b, c = faces[f]
        ux, uy, uz = (
            vertices[b, 0] - vertices[a, 0],
            vertices[b, 1] - vertices[a, 1],
            vertices[b, 2] - vertices[a, 2],
        )
        vx, vy, vz = (
            vertices[c, 0] - vertices[a, 0],
            vertices[c, 1] - vertices[a, 1],
            vertices[c, 2] - vertices[a, 2],
        )
        nx, ny, nz = uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx
        for v in (a, b, c):
            out[v, 0] += nx
            out[v, 1] += ny
            out[v, 2] += nz
    for v in range(len(out)):
        n = math.sqrt(out[v, 0] ** 2 + out[v, 1] ** 2 + out[v, 2] ** 2)
        if n > 0:
            out[v, 0] /= n
            out[v, 1] /= n
            out[v, 2] /= n
    return out


@_jit
def smooth(vertices, starts, neighbours, amount, rounds):
    """Laplacian smoothing: every vertex moves by its `amount` (V,) towards its neighbours' mean, `rounds`
    times."""
    active = np.flatnonzero(amount > 0)
    vertices = vertices.copy()
    moved = np.empty((len(active), 3), np.float32)
    for _ in range(rounds):
        for j in range(len(active)):
            v = active[j]
            x = y = z = np.float32(0)
            for i in range(starts[v], starts[v + 1]):
                n = neighbours[i]
                x += vertices[n, 0]
                y += vertices[n, 1]
                z += vertices[n, 2]
            k = amount[v] / max(starts[v + 1] - starts[v], 1)
            moved[j, 0] = (1 - amount[v]) * vertices[v, 0] + k * x
            moved[j, 1] = (1 - amount[v]) * vertices[v, 1] + k * y
            moved[j, 2] = (1 - amount[v]) * vertices[v, 2] + k * z
        for j in range(len(active)):
            for i in range(3):
                vertices[active[j], i] = moved[j, i]
    return vertices


@_jit
def cut(faces, keep):
    """Faces with a corner to `keep` (V,): their indices (F',), the vertices they use (V',), and them
    renumbered."""
    number = np.full(len(keep), -1, np.int32)
    chosen = np.empty(len(faces), np.int32)
    local = np.empty((len(faces), 3), np.int32)
    used = np.empty(len(keep), np.int32)
    count, vertices = 0, 0
    for f in range(len(faces)):
        a, b, c = faces[f]
        if not (keep[a] or keep[b] or keep[c]):
            continue
        for i in range(3):
            v = faces[f, i]
            if number[v] < 0:
                number[v] = vertices
                used[vertices] = v
                vertices += 1
            local[count, i] = number[v]
        chosen[count] = f
        count += 1
    return chosen[:count], used[:vertices], local[:count]


@_jit
def drape(shape, vertices, normals, offset, crease, folds):
    """Cloth over skin: `shape` (V, 3) lifted along the normals until it lies `offset` (V,) m above
    `vertices`."""
    out = np.empty_like(shape)
    for v in range(len(shape)):
        along = np.float32(0)
        for i in range(3):
            along += (shape[v, i] - vertices[v, i]) * normals[v, i]
        lift = max(offset[v] - along, np.float32(0)) + crease * folds[v]
        for i in range(3):
            out[v, i] = shape[v, i] + lift * normals[v, i]
    return out


@_jit
def resolve(samples, face, background, out):
    """Mean of every 2 x 2 samples, uncovered ones taken from `background` (H, W, 3) -> out (H, W, 3)."""
    for y in range(out.shape[0]):
        for x in range(out.shape[1]):
            for i in range(3):
                total = np.float32(0)
                for j in range(4):
                    yy, xx = 2 * y + j // 2, 2 * x + j % 2
                    total += samples[yy, xx, i] if face[yy, xx] >= 0 else background[y, x, i]
                out[y, x, i] = total * np.float32(0.25)


@_jit
def nearest_depth(w, far_w, out):
    """Depth of every pixel: the nearest of its 2 x 2 samples, else the background's, else 1000 m -> out
    (H, W)."""
    for y in range(out.shape[0]):
        for x in range(out.shape[1]):
            best = far_w[y, x]
            for j in range(4):
                best = max(best, w[2 * y + j // 2, 2 * x + j % 2])
            out[y, x] = np.float32(1) / best if best > np.float32(1e-3) else np.float32(1e3)


@_jit
def majority(face, face_person, out):
    """Person id of every pixel, the most frequent of its 2 x 2 samples (larger id on a tie) -> out (H, W)
    int16."""
    for y in range(out.shape[0]):
        for x in range(out.shape[1]):
            best, best_count = np.int16(-1), 0
            for j in range(4):
                f = face[2 * y + j // 2, 2 * x + j % 2]
                person = face_person[f] if f >= 0 else np.int16(-1)
                count = 0
                for k in range(4):
                    g = face[2 * y + k // 2, 2 * x + k % 2]
                    count += (face_person[g] if g >= 0 else np.int16(-1)) == person
                if count > best_count or (count == best_count and person > best):
                    best, best_count = person, count
            out[y, x] = best
