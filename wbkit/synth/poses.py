"""Random poses: legs by angles, arms by where the hand goes, fingers one by one, no limb in another.

Directions are in the body's frame: x to the subject's left, y to the back, z up. A pose is one rotation a
bone (wbkit.synth.body).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from wbkit.synth.body import Body, Rest

X, Y, Z = np.eye(3)
KINDS = {"stand": 0.29, "walk": 0.16, "run": 0.07, "sit": 0.2, "crouch": 0.05, "kneel": 0.05, "bend": 0.05,
         "lunge": 0.05, "dance": 0.08}  # fmt: skip
ARMS = {"down": 0.2, "front": 0.13, "up": 0.09, "side": 0.06, "hips": 0.08, "cross": 0.07, "face": 0.13,
        "hold": 0.12, "head": 0.05, "clasp": 0.04, "any": 0.03}  # fmt: skip
TWO_HANDED = {"cross", "clasp", "head", "hold"}
HANDS = {"relax": 0.3, "open": 0.18, "fist": 0.08, "point": 0.08, "peace": 0.06, "thumb": 0.05, "any": 0.25}
SPINE = ("spine05", "spine04", "spine03", "spine02", "spine01")
NECK = ("neck01", "neck02", "neck03", "head")


@dataclass(frozen=True, eq=False)
class Pose:
    """`rotations` (B, 3, 3); `kind` of KINDS; `grip`: the sides ("L", "R") whose hand holds something."""

    rotations: np.ndarray
    kind: str
    grip: tuple[str, ...]


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


class _Rig:
    """The template's joint places by name, and rotations being filled in."""

    def __init__(self, body: Body):
        self.body, self.at = body, _joints_by_name(body)
        self.rotations = np.tile(np.eye(3), (len(body.bones), 1, 1))

    def set(self, bone: str, rotation: np.ndarray) -> None:
        self.rotations[self.body.bone(bone)] = rotation

    def direction(self, a: str, b: str) -> np.ndarray:
        return unit(self.at[b] - self.at[a])


def _spread(rig: _Rig, bones: tuple[str, ...], yaw: float, pitch: float, roll: float) -> None:
    """Share a turn (degrees; pitch > 0 bends forward) equally among bones."""
    n = len(bones)
    for bone in bones:
        rig.set(bone, turn(Z, yaw / n) @ turn(X, pitch / n) @ turn(Y, roll / n))


def _leg_angles(rng: np.random.Generator, kind: str, leading: bool) -> tuple[float, float, float]:
    """Hip flexion, knee flexion, abduction in degrees."""
    u = rng.uniform
    if kind in ("walk", "run", "lunge", "kneel"):
        table = {
            "walk": ((8, 30, 0, 18), (-24, -6, 5, 45)), "run": ((30, 75, 45, 100), (-28, -5, 15, 95)),
            "lunge": ((50, 85, 60, 95), (-20, 0, 10, 50)), "kneel": ((75, 95, 80, 100), (-8, 8, 80, 98)),
        }  # fmt: skip
        a = table[kind][0 if leading else 1]
        return u(a[0], a[1]), u(a[2], a[3]), u(-2, 5)
    table = {
        "stand": (-6, 12, 0, 10, -2, 10), "bend": (-6, 12, 0, 20, -2, 10), "sit": (68, 95, 50, 105, -2, 20),
        "crouch": (80, 115, 95, 135, 4, 25), "dance": (-15, 70, 0, 85, -2, 35),
    }  # fmt: skip
    a = table[kind]
    return u(a[0], a[1]), u(a[2], a[3]), u(a[4], a[5])


def _legs(rig: _Rig, rng: np.random.Generator, kind: str, lean: float) -> None:
    first = rng.choice(["L", "R"])
    shared = _leg_angles(rng, kind, True) if kind in ("stand", "crouch", "sit") else None
    for side, x in (("L", 1), ("R", -1)):
        hip, knee, apart = _leg_angles(rng, kind, side == first)
        if shared and rng.uniform() < 0.8:  # both legs much alike
            hip, knee, apart = (0.8 * s + 0.2 * o for s, o in zip(shared, (hip, knee, apart), strict=True))
        if kind == "stand" and side == first and rng.uniform() < 0.3:  # weight on the other leg
            hip, knee = hip + 12, knee + 22
        hip = hip + lean
        out = turn(Y, -x * (apart - 4)) @ turn(X, -hip) @ turn(Z, x * rng.uniform(-4, 14))
        rig.set(f"upperleg01.{side}", out)
        rig.set(f"lowerleg01.{side}", turn(X, knee))
        flat = (
            np.clip(hip - knee - lean, -32, 25)
            if kind not in ("run", "dance", "kneel")
            else rng.uniform(-25, 8)
        )
        if kind == "kneel" and side != first:
            flat = rng.uniform(-45, -25)
        rig.set(f"foot.{side}", turn(X, flat + rng.normal(0, 2)) @ turn(Z, x * rng.uniform(-4, 8)))


def _arm_target(rng: np.random.Generator, mode: str, x: int, marks: dict) -> tuple[np.ndarray, np.ndarray]:
    """Where the wrist goes, and where the elbow points, in the chest's frame (m, template size)."""
    u, n, shoulder, reach = rng.uniform, rng.normal, marks["shoulder"], marks["reach"]
    hint = np.array([x * u(0.2, 0.8), u(0.2, 0.8), u(-0.9, -0.3)])
    if mode == "down":
        return shoulder + reach * np.array([x * u(0.1, 0.35), u(-0.35, 0.18), -u(0.78, 0.97)]), hint
    if mode == "swing":
        forward = u(-0.5, 0.6)
        return shoulder + reach * np.array([x * u(0, 0.2), -forward, -u(0.45, 0.85)]), np.array(
            [x * 0.3, 1, -0.4]
        )
    if mode == "front":
        return shoulder + reach * np.array([x * u(-0.5, 0.3), -u(0.4, 0.95), u(-0.5, 0.35)]), hint
    if mode == "up":
        return shoulder + reach * np.array([x * u(-0.1, 0.5), u(-0.45, 0.05), u(0.45, 0.97)]), np.array(
            [x, -0.2, -0.2]
        )
    if mode == "side":
        return shoulder + reach * np.array([x * u(0.5, 0.95), u(-0.4, 0.1), u(-0.45, 0.5)]), np.array(
            [x * 0.2, 0.5, -1]
        )
    if mode == "hips":
        return marks["hip"] + np.array([x * u(0.08, 0.14), u(-0.08, 0.06), u(0.05, 0.16)]), np.array(
            [x, 0.9, -0.1]
        )
    if mode == "cross":
        front = marks["chest_front"]
        return np.array([-x * u(0.06, 0.15), front - u(0.05, 0.14), marks["chest_z"] + n(0, 0.03)]), np.array(
            [x, -0.25, -1]
        )
    if mode == "face":
        place = marks["face"] + np.array([x * u(0.0, 0.14), u(-0.12, 0.02), u(-0.22, 0.1)])
        return place, np.array([x * u(0.3, 1), -0.3, -1])
    if mode == "head":
        return marks["face"] + np.array([x * u(0.1, 0.16), u(0.06, 0.2), u(0.02, 0.16)]), np.array(
            [x, -0.3, 0.4]
        )
    if mode in ("hold", "clasp"):
        wide = marks["wide"] if mode == "hold" else 0.035
        return np.array([x * wide, marks["chest_front"] - marks["out"], marks["high"]]), np.array(
            [x, 0.2, -0.8]
        )
    if mode == "lap":
        return marks["hip"] + np.array([x * u(-0.08, 0.06), -u(0.2, 0.42), u(0.1, 0.2)]), np.array(
            [x * 0.8, 0.5, -0.5]
        )
    return shoulder + reach * u(0.4, 0.95) * unit(n(size=3) * [1, 1, 1] + [x * 0.4, -0.4, 0]), hint


def _marks(rig: _Rig, side: str, shared: dict) -> dict:
    at = rig.at
    return {
        "shoulder": at[f"upperarm01.{side}"],
        "reach": np.linalg.norm(at[f"lowerarm01.{side}"] - at[f"upperarm01.{side}"])
        + np.linalg.norm(at[f"wrist.{side}"] - at[f"lowerarm01.{side}"]),
        "hip": at[f"upperleg01.{side}"],
        "face": rig.body.template_keypoints[0] + np.array([0, 0.05, 0]),
        "chest_front": at["spine02"][1] - 0.17,
        "chest_z": at["spine01"][2] - 0.12,
        **shared,
    }


def _reach(rig: _Rig, rng: np.random.Generator, side: str, target: np.ndarray, hint: np.ndarray) -> None:
    """Two-bone inverse kinematics in the chest's frame; the collar bone follows a raised arm."""
    x = 1 if side == "L" else -1
    shoulder, elbow, wrist = (rig.at[f"{b}.{side}"] for b in ("upperarm01", "lowerarm01", "wrist"))
    lift = 30 * np.clip(unit(target - shoulder)[2] + 0.3, 0, 1)
    collar = turn(Y, -x * lift * 0.4 + 1e-6)
    blade = turn(Y, -x * lift * 0.6 + 1e-6)
    rig.set(f"clavicle.{side}", collar)
    rig.set(f"shoulder01.{side}", blade)
    a, b = rig.at[f"clavicle.{side}"], rig.at[f"shoulder01.{side}"]
    shoulder_now = a + collar @ (b - a + blade @ (shoulder - b))
    local = (collar @ blade).T @ (target - shoulder_now)
    upper, fore = np.linalg.norm(elbow - shoulder), np.linalg.norm(wrist - elbow)
    far = np.clip(np.linalg.norm(local), abs(upper - fore) * 1.15 + 0.08, 0.995 * (upper + fore))
    along = unit(local)
    cosine = np.clip((upper**2 + far**2 - fore**2) / (2 * upper * far), -1, 1)
    pole = unit((collar @ blade).T @ hint - along * (along @ ((collar @ blade).T @ hint)))
    elbow_way = upper * (cosine * along + np.sqrt(1 - cosine**2) * pole)
    d1, d2 = unit(elbow_way), unit(far * along - elbow_way)
    u, v = unit(elbow - shoulder), unit(wrist - elbow)
    hinge, hinge_now = unit(cross(u, v)), unit(cross(d1, d2))
    basis = np.stack([u, hinge, cross(u, hinge)])
    rig.set(f"upperarm01.{side}", np.stack([d1, hinge_now, cross(d1, hinge_now)]).T @ basis)
    bend = np.degrees(np.arccos(np.clip(d1 @ d2, -1, 1)) - np.arccos(np.clip(u @ v, -1, 1)))
    rig.set(f"lowerarm01.{side}", turn(hinge, bend + 1e-6))
    rig.set(f"lowerarm02.{side}", turn(v, x * rng.uniform(-55, 45)))
    across = rig.direction(f"finger2-1.{side}", f"finger5-1.{side}")
    rig.set(
        f"wrist.{side}", turn(across, rng.uniform(-30, 40)) @ turn(cross(v, across), rng.uniform(-12, 12))
    )


def _hand(rig: _Rig, rng: np.random.Generator, side: str, mode: str) -> None:
    """Every finger bends by itself: knuckle, middle and end joint, spread; the thumb about its own axes."""
    u = rng.uniform
    across = rig.direction(f"finger2-1.{side}", f"finger5-1.{side}")
    common = u(5, 40)
    bends = {
        "relax": lambda k: common + u(-6, 12), "open": lambda k: u(-12, 8), "fist": lambda k: u(65, 85),
        "point": lambda k: u(-5, 8) if k == 2 else u(50, 82), "peace": lambda k: u(-5, 6) if k < 4 else
        u(55, 82),
        "thumb": lambda k: u(60, 85), "any": lambda k: u(-8, 80), "grip": lambda k: u(38, 58),
    }  # fmt: skip
    wide = u(-3, 12) if mode in ("open", "any", "peace") else u(-3, 4)
    for k in range(2, 6):
        bend = bends[mode](k)
        along = rig.direction(f"finger{k}-1.{side}", f"finger{k}-2.{side}")
        axis = unit(across - (across @ along) * along)
        spread = turn(cross(along, axis), (wide * (k - 3.4) / 1.5 + u(-3, 3)) * -1 + 1e-6)
        for j, share in ((1, 0.85), (2, 1.1), (3, 0.7)):
            one = turn(axis, bend * share * u(0.85, 1.15) + 1e-6)
            rig.set(f"finger{k}-{j}.{side}", spread @ one if j == 1 else one)
    first = rig.direction(f"finger1-1.{side}", f"finger1-2.{side}")
    second = rig.direction(f"finger1-2.{side}", f"finger1-3.{side}")
    axis = unit(cross(first, second))
    bend = {"fist": 35, "point": 28, "peace": 32, "grip": 15, "thumb": -8}.get(mode, 0) + u(-8, 22)
    oppose = {"grip": u(15, 35), "fist": u(5, 25)}.get(mode, u(-8, 18))
    rig.set(
        f"finger1-1.{side}", turn(first, (1 if side == "L" else -1) * oppose) @ turn(axis, bend * 0.3 + 1e-6)
    )
    rig.set(f"finger1-2.{side}", turn(axis, bend * 0.8 + 1e-6))
    rig.set(f"finger1-3.{side}", turn(axis, bend + 1e-6))


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


def _arm_modes(rng: np.random.Generator, kind: str) -> dict[str, str]:
    modes = {s: choose(rng, ARMS) for s in "LR"}
    if kind in ("walk", "run") and rng.uniform() < 0.6:
        modes = dict.fromkeys("LR", "swing")
    if kind == "sit" and rng.uniform() < 0.4:
        modes[rng.choice(["L", "R"])] = "lap"
    both = [m for m in modes.values() if m in TWO_HANDED]
    return dict.fromkeys("LR", both[0]) if both else modes


def sample_pose(body: Body, rest: Rest, rng: np.random.Generator, thickness: float = 1.0) -> Pose:
    """A random pose for this body; of up to 9 tries the first without overlap, else the one with the least.

    Args:
        thickness: how thick this body's limbs are against a slim one's (its weight and clothes).
    """
    best = None
    kind = choose(rng, KINDS)
    for _ in range(9):
        pose = _sample_once(body, rng, kind)
        depth = overlap(body, rest, pose.rotations, thickness)
        if best is None or depth < best[0]:
            best = depth, pose
        if depth <= 0:
            break
    return _with_hands(body, rng, best[1])


def _with_hands(body: Body, rng: np.random.Generator, pose: Pose) -> Pose:
    """The pose with both hands' fingers bent."""
    rig = _Rig(body)
    rig.rotations = pose.rotations
    for side in "LR":
        _hand(rig, rng, side, "grip" if side in pose.grip else choose(rng, HANDS))
    return replace(pose, rotations=rig.rotations)


def _sample_once(body: Body, rng: np.random.Generator, kind: str) -> Pose:
    rig, n = _Rig(body), rng.normal
    forward = n(3, 5) + {"bend": rng.uniform(15, 40), "sit": rng.uniform(-6, 16)}.get(kind, 0)
    lean = {"bend": rng.uniform(5, 45), "crouch": rng.uniform(10, 40), "run": rng.uniform(2, 14),
            "lunge": rng.uniform(0, 15), "dance": n(0, 6)}.get(kind, n(0, 1.5))  # fmt: skip
    rig.set("root", turn(X, lean + 1e-6) @ turn(Y, n(0, 2)))
    _spread(rig, SPINE, np.clip(n(0, 9), -30, 30), forward, np.clip(n(0, 5), -15, 15))
    pitch = np.clip(n(0, 11) - 0.35 * forward - 0.4 * lean, -40, 35)
    _spread(rig, NECK, np.clip(n(0, 24), -65, 65), pitch, np.clip(n(0, 7), -22, 22))
    _legs(rig, rng, kind, lean)
    modes = _arm_modes(rng, kind)
    shared = {
        "wide": rng.uniform(0.05, 0.16),
        "out": rng.uniform(0.12, 0.32),
        "high": rig.at["spine01"][2] - rng.uniform(0.1, 0.32),
    }
    grip = []
    for side, x in (("L", 1), ("R", -1)):
        target, hint = _arm_target(rng, modes[side], x, _marks(rig, side, shared))
        _reach(rig, rng, side, target, hint)
        holds = modes[side] == "hold" or (
            modes[side] in ("front", "down", "face", "up") and rng.uniform() < 0.22
        )
        if holds:
            grip.append(side)
    gaze = np.clip(n(0, 12, 2), -25, 25)
    for side in "LR":
        rig.set(f"eye.{side}", turn(Z, gaze[0] + 1e-6) @ turn(X, 0.6 * gaze[1]))
    return Pose(rig.rotations, kind, tuple(grip))


def mirror_pose(body: Body, pose: Pose) -> Pose:
    """The pose of the person seen in a mirror: left and right change places."""
    other = {".L": ".R", ".R": ".L"}
    source = [body.bone(b[:-2] + other[b[-2:]]) if b[-2:] in other else i for i, b in enumerate(body.bones)]
    flip = np.diag([-1.0, 1, 1])
    swap = {"L": "R", "R": "L"}
    return Pose(flip @ pose.rotations[source] @ flip, pose.kind, tuple(swap[s] for s in pose.grip))


def sample_face(body: Body, rng: np.random.Generator) -> np.ndarray:
    """Facial actions (52,), 0-1: an expression, speech, sometimes closed eyes."""
    pairs = {
        "neutral": {}, "smile": {"mouthSmile": 0.8, "eyeSquint": 0.3, "cheekSquint": 0.3},
        "laugh": {"mouthSmile": 0.9, "jawOpen": 0.5, "eyeSquint": 0.5, "mouthUpperUp": 0.3},
        "surprise": {"jawOpen": 0.6, "browInnerUp": 0.9, "eyeWide": 0.7, "browOuterUp": 0.7},
        "angry": {"browDown": 0.9, "noseSneer": 0.5, "mouthFrown": 0.4, "mouthPress": 0.4},
        "sad": {"mouthFrown": 0.8, "browInnerUp": 0.7, "mouthShrugLower": 0.3},
        "speak": {"jawOpen": rng.uniform(0.1, 0.5), "mouthFunnel": rng.uniform(0, 0.6)},
        "kiss": {"mouthPucker": 0.9}, "shout": {"jawOpen": 0.95, "mouthStretch": 0.4, "browDown": 0.4},
    }  # fmt: skip
    out = dict.fromkeys(body.actions, 0.0)
    strength = rng.uniform(0.4, 1)
    for name, value in pairs[rng.choice(list(pairs))].items():
        for full in (name, name + "Left", name + "Right"):
            if full in out:
                out[full] = value * strength * rng.uniform(0.8, 1.1)
    usable = [
        a for a in body.actions if a not in ("tongueOut", "mouthClose", "jawForward") and "eyeLook" not in a
    ]
    for name in rng.choice(usable, 3, replace=False):
        out[name] = max(out[name], rng.uniform(0, 0.35))
    if rng.uniform() < 0.08:
        out["eyeBlinkLeft"] = out["eyeBlinkRight"] = 1.0
    elif rng.uniform() < 0.03:
        out[rng.choice(["eyeBlinkLeft", "eyeBlinkRight"])] = 1.0
    return np.clip(list(out.values()), 0, 1)
