"""Rotations of a skeleton that is being posed, and small helpers for vectors and chance.

Directions are in the body's frame: x to the subject's left, y to the back, z up.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np

from wbkit.synth.body import Body

X, Y, Z = np.eye(3)


def turn(axis: np.ndarray, degrees: float) -> np.ndarray:
    """Rotation (3, 3) by `degrees` about `axis`."""
    x, y, z = (float(v) for v in axis)
    length = math.sqrt(x * x + y * y + z * z)
    x, y, z = x / length, y / length, z / length
    c, s = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    k = 1 - c
    return np.array([[c + x * x * k, x * y * k - z * s, x * z * k + y * s],
                     [y * x * k + z * s, c + y * y * k, y * z * k - x * s],
                     [z * x * k - y * s, z * y * k + x * s, c + z * z * k]])  # fmt: skip


def unit(v: np.ndarray) -> np.ndarray:
    """A vector scaled to length 1."""
    return v / max(math.sqrt(v @ v), 1e-9)


def cross(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """np.cross for two vectors, without its overhead."""
    (ax, ay, az), (bx, by, bz) = a.tolist(), b.tolist()
    return np.array([ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx])


def choose(rng: np.random.Generator, shares: dict[str, float]) -> str:
    """One key of `shares`, drawn in proportion to its value."""
    p = np.array(list(shares.values()))
    return list(shares)[rng.choice(len(p), p=p / p.sum())]


@lru_cache(maxsize=2)
def _joints_by_name(body: Body) -> dict[str, np.ndarray]:
    return dict(zip(body.bones, body.template_joints.astype(float), strict=True))


class Rig:
    """The template's joint places by name, and rotations being filled in."""

    def __init__(self, body: Body):
        self.body, self.at = body, _joints_by_name(body)
        self.rotations = np.tile(np.eye(3), (len(body.bones), 1, 1))

    def set(self, bone: str, rotation: np.ndarray) -> None:
        """The rotation (3, 3) of one bone."""
        self.rotations[self.body.bone(bone)] = rotation

    def direction(self, a: str, b: str) -> np.ndarray:
        """Unit vector from one joint to another, before posing."""
        return unit(self.at[b] - self.at[a])


def spread(rig: Rig, bones: tuple[str, ...], yaw: float, pitch: float, roll: float) -> None:
    """Share a turn (degrees; pitch > 0 bends forward) equally among bones."""
    n = len(bones)
    for bone in bones:
        rig.set(bone, turn(Z, yaw / n) @ turn(X, pitch / n) @ turn(Y, roll / n))
