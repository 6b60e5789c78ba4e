"""Limbs as capsules: whether a pose puts one limb into another, or a thing into a limb."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from wbkit.synth.body import Body, Rest


@lru_cache(maxsize=1)
def _capsules() -> tuple[list[tuple[str, str, float, float]], list[tuple[int, int, float]]]:
    """Limbs as capsules (from bone, to bone, radius at neutral weight, extra length), and pairs that must
    not meet
    with the depth that soft tissue allows."""
    parts = [
        ("spine05", "spine02", 0.125, 0.0),
        ("spine02", "spine01", 0.125, 0.0),
        ("neck03", "head", 0.085, 1.6),
    ]
    for s in "LR":
        parts += [
            (f"upperarm01.{s}", f"lowerarm01.{s}", 0.045, 0), (f"lowerarm01.{s}", f"wrist.{s}", 0.038, 0),
            (f"wrist.{s}", f"finger3-2.{s}", 0.03, 0.4), (f"upperleg01.{s}", f"lowerleg01.{s}", 0.075, 0),
            (f"lowerleg01.{s}", f"foot.{s}", 0.05, 0),
        ]  # fmt: skip
    pairs = []
    for s, o in ((3, 8), (8, 3)):
        pairs += [(s + 1, b, 0.0) for b in (0, 1, 2, s + 3, o + 3, s + 4, o + 4)]
        pairs += [(s + 2, b, 0.012) for b in (0, 1, 2, s + 3, o + 3, s + 4, o + 4)]
        pairs += [(s, 2, 0.0), (s, 0, 0.03)]
    pairs += [(4, 9, 0.012), (4, 10, 0.01), (5, 9, 0.01), (5, 10, 0.012), (4, 8, 0.01), (9, 3, 0.01)]
    pairs += [(6, 11, 0.03), (7, 12, 0.015), (6, 12, 0.02), (7, 11, 0.02)]
    return parts, pairs


def _segment_distance(p: np.ndarray, u: np.ndarray, q: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Distance of segments p + s u and q + t v, s and t in 0-1: (N, 3) each -> (N,)."""
    r = p - q
    a, b, c = (u * u).sum(1), (u * v).sum(1), (v * v).sum(1)
    d, e = (u * r).sum(1), (v * r).sum(1)
    s = np.clip((b * e - c * d) / np.maximum(a * c - b * b, 1e-9), 0, 1)
    t = np.clip((b * s + e) / c, 0, 1)
    s = np.clip((b * t - d) / a, 0, 1)
    return np.linalg.norm(r + s[:, None] * u - t[:, None] * v, axis=1)


def overlap(body: Body, rest: Rest, rotations: np.ndarray, thickness: float) -> float:
    """Deepest overlap of two limbs in metres, beyond what soft tissue allows (<= 0: none)."""
    begin, end, extra, radius, i, j, soft = _capsule_table(body)
    _, joints = body.kinematics(rest, rotations)
    start = joints[begin]
    way = (joints[end] - start) * (1 + extra)[:, None]
    distance = _segment_distance(start[i], way[i], start[j], way[j])
    return float((thickness * (radius[i] + radius[j]) - soft - distance).max())


def inside_limbs(body: Body, joints: np.ndarray, points: np.ndarray, without: str = "") -> float:
    """Share of points (N, 3) that lie in the limbs of a posed skeleton, joints (B, 3).

    Args:
        without: side ("L" or "R") whose forearm and hand do not count: they hold the thing.
    """
    if not len(points):
        return 0.0
    begin, end, extra, radius, *_ = _capsule_table(body)
    names = [part[0] for part in _capsules()[0]]
    held = {f"lowerarm01.{without}", f"wrist.{without}"}
    used = np.array([name not in held for name in names])
    start = joints[begin[used]]
    way = (joints[end[used]] - start) * (1 + extra[used])[:, None]
    share = np.einsum("npi,pi->np", points[:, None] - start, way) / (way * way).sum(1)
    nearest = start + np.clip(share, 0, 1)[:, :, None] * way
    distance = np.linalg.norm(points[:, None] - nearest, axis=2)
    return float((distance < 0.9 * radius[used]).any(1).mean())


@lru_cache(maxsize=2)
def _capsule_table(body: Body) -> tuple[np.ndarray, ...]:
    """The columns of `_capsules` as arrays, bones as numbers."""
    parts, pairs = _capsules()
    begin, end = (np.array([body.bone(p[k]) for p in parts]) for k in (0, 1))
    return (
        begin,
        end,
        *(np.array([p[k] for p in parts]) for k in (3, 2)),
        *map(np.array, zip(*pairs, strict=True)),
    )
