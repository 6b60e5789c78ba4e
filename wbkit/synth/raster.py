# ruff: noqa: RUF046 (numba needs the casts of math.ceil and math.floor)
"""Compiled inner loops of the renderer: z-buffer, normals, shading. Shapes and meaning: wbkit.synth.render.

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


_LEVEL_STARTS = np.cumsum([0] + [(256 >> i) ** 2 for i in range(7)])


@_jit
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


@_jit
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


@_jit
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


@_jit
def shade(face, scale, camera, focal, vertices, normals, coords, paint, faces, screen, vertex_w,
          face_material, face_frame, materials, frames, textures, brows, lights, ambient,
          shadow, shadow_axes, shadow_place, fog, out):  # fmt: skip
    """Colour every covered sample of `out` (height, width, 3); the arguments are explained in
    render.Renderer."""
    height, width = face.shape
    texel = np.zeros(3, np.float32)
    p, n, c = np.zeros(3, np.float32), np.zeros(3, np.float32), np.zeros(3, np.float32)
    view, albedo, falling = np.zeros(3, np.float32), np.zeros(3, np.float32), np.zeros(3, np.float32)
    for y in range(height):
        for x in range(width):
            f = face[y, x]
            if f < 0:
                continue
            whole = False  # a pixel of one material throughout is coloured once, at its centre
            if scale == 2:
                y0, x0, number = y & ~1, x & ~1, face_material[f]
                whole = True
                for j in range(4):
                    g = face[y0 + j // 2, x0 + j % 2]
                    whole = whole and g >= 0 and face_material[g] == number
                if whole and (x & 1 or y & 1):
                    continue
            sx, sy = np.float32(x), np.float32(y)
            if whole:
                sx, sy = sx + np.float32(0.5), sy + np.float32(0.5)
            a, b, d = faces[f]
            ax, ay, bx, by, dx, dy = (screen[a, 0], screen[a, 1], screen[b, 0], screen[b, 1],
                                      screen[d, 0], screen[d, 1])  # fmt: skip
            inverse = np.float32(1) / ((bx - ax) * (dy - ay) - (by - ay) * (dx - ax))
            ka = ((bx - sx) * (dy - sy) - (by - sy) * (dx - sx)) * inverse
            kb = ((dx - sx) * (ay - sy) - (dy - sy) * (ax - sx)) * inverse
            z = (np.float32(1) - ka - kb) * vertex_w[d]
            ka, kb = ka * vertex_w[a], kb * vertex_w[b]
            z = np.float32(1) / max(ka + kb + z, np.float32(1e-6))
            ka, kb = ka * z, kb * z
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
            m = materials[face_material[f]]
            kind = int(m[0])
            for i in range(3):
                albedo[i] = m[1 + i]
            if m[10] >= 0:
                frame = frames[face_frame[f]]
                u = v = e = np.float32(0)
                for i in range(3):
                    q = c[i] - frame[1 + i]
                    v += q * frame[4 + i]
                    u += q * frame[7 + i]
                    e += q * frame[10 + i]
                if frame[0] > 0:
                    u = np.float32(math.atan2(u, e)) * frame[13]
                u, v = u / m[11] + m[16], v / m[11] + m[17]
                texels = (
                    z / focal / (1 if whole else scale) * 256 / m[11] / (facing + np.float32(0.15))
                )  # that one sample covers
                level = min(6, max(0, int(math.log2(texels) + 0.5))) if texels > 1 else 0
                _texel(textures[int(m[10])], u, v, level, texel)
                s1, s2, s3 = texel[0], texel[1], 1 + m[14] * (2 * texel[2] - 1)
                if kind == 1:  # skin: the first channel is redness, the second freckles
                    for i in range(3):
                        albedo[i] *= (
                            s3
                            * (1 - np.float32(0.14) * (s1 - np.float32(0.5)) * (i > 0))
                            * (1 - m[18] * s2 * (1 + i))
                        )
                else:
                    for i in range(3):
                        mixed = albedo[i] + s1 * (m[4 + i] - albedo[i])
                        albedo[i] = max((mixed + s2 * (m[7 + i] - mixed)) * s3, np.float32(0))
            if kind == 1:
                lip, shadowed = (ka * paint[a, 0] + kb * paint[b, 0] + kd * paint[d, 0],
                                 ka * paint[a, 1] + kb * paint[b, 1] + kd * paint[d, 1])  # fmt: skip
                brow = np.float32(0)
                if c[2] > brows[0, 0, 2] - 0.03 and c[1] < brows[0, 4, 1] + 0.03:
                    brow = m[15] * max(_near_brow(c, brows), np.float32(0))
                for i in range(3):
                    albedo[i] += min(lip, np.float32(1)) * (m[4 + i] - albedo[i])
                    albedo[i] *= 1 - np.float32(0.8) * max(lip - 1, np.float32(0))  # inside the mouth
                    albedo[i] += shadowed * (m[7 + i] - albedo[i])
                    albedo[i] += brow * (m[7 + i] - albedo[i])
            elif kind == 2:  # eye: coords are measured from its centre, in iris radii
                ring = np.float32(math.sqrt(c[0] ** 2 + c[2] ** 2)) + (
                    np.float32(9) if c[1] > 0 else np.float32(0)
                )
                for i in range(3):
                    if ring < 0.42:
                        albedo[i] = np.float32(0.006)
                    elif ring < 1:
                        albedo[i] = m[4 + i] * (np.float32(0.6) + np.float32(0.6) * (1 - ring))
                    elif ring < 1.15:
                        albedo[i] = m[4 + i] * np.float32(0.3)
            elif kind == 3:  # hair: strands along the vertical of the template
                angle = math.atan2(c[0], c[1] + np.float32(0.02))
                strand = math.sin(angle * 57 + 5 * math.sin(c[2] * 23 + 3 * angle)) * math.sin(
                    angle * 211 + 4 * math.sin(c[2] * 31)
                )
                for i in range(3):
                    albedo[i] *= 1 + m[14] * np.float32(strand)
            facing_main = n[0] * lights[0, 0] + n[1] * lights[0, 1] + n[2] * lights[0, 2]
            lit = np.float32(0)
            if facing_main > np.float32(-0.3):
                lit = _lit(
                    p, shadow, shadow_axes, shadow_place, np.float32(0.012) + np.float32(0.02) * (1 - facing)
                )
            up = np.float32(0.5) + np.float32(0.5) * n[2]
            grow = 1 - facing
            for i in range(3):
                falling[i] = ambient[1, i] + up * (ambient[0, i] - ambient[1, i])
            gleam_r = gleam_g = gleam_b = np.float32(0)
            for k in range(len(lights)):
                cosine, half, size = np.float32(0), np.float32(0), np.float32(0)
                for i in range(3):
                    cosine += n[i] * lights[k, i]
                    h = lights[k, i] + view[i]
                    half += n[i] * h
                    size += h * h
                share = lit if k == 0 else np.float32(1)
                wrap = np.float32(0.25) if kind == 1 or kind == 3 else np.float32(0)
                for i in range(3):
                    soft = wrap * (1 if i == 0 else np.float32(0.5))
                    falling[i] += lights[k, 3 + i] * max(np.float32(0), (cosine + soft) / (1 + soft)) * share
                if m[12] > 0 and cosine > 0 and half * half > np.float32(0.4) * size:
                    gleam = m[12] * share * max(half / math.sqrt(size + 1e-9), 0) ** m[13]
                    gleam_r += gleam * lights[k, 3]
                    gleam_g += gleam * lights[k, 4]
                    gleam_b += gleam * lights[k, 5]
            rim = m[12] * np.float32(0.35) * grow * grow * grow * grow
            haze = 1 - np.float32(math.exp(-far * fog[3])) if fog[3] > 0 else np.float32(0)
            if kind == 4:  # gives its own light: sky, window, lamp
                falling[:] = albedo
            else:
                falling[0] = albedo[0] * falling[0] + gleam_r + rim * ambient[0, 0]
                falling[1] = albedo[1] * falling[1] + gleam_g + rim * ambient[0, 1]
                falling[2] = albedo[2] * falling[2] + gleam_b + rim * ambient[0, 2]
                for i in range(3):
                    falling[i] += haze * (fog[i] - falling[i])
            for j in range(4 if whole else 1):
                for i in range(3):
                    out[y + j // 2, x + j % 2, i] = falling[i]


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
    """Person id of every pixel, the most frequent of its 2 x 2 samples (smaller id on a tie) -> out (H, W)
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
