"""Random poses: legs by angles, arms by where the hand goes, fingers one by one, no limb in another.

Directions are in the body's frame: x to the subject's left, y to the back, z up. A pose is one rotation a
bone (wbkit.synth.body).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from wbkit.synth import arms
from wbkit.synth.body import Body, Rest
from wbkit.synth.hands import HANDS, bend_hand
from wbkit.synth.limbs import overlap
from wbkit.synth.rig import Rig, X, Y, Z, choose, spread, turn

KINDS = {"stand": 0.23, "walk": 0.13, "run": 0.06, "sit": 0.17, "crouch": 0.04, "kneel": 0.04, "bend": 0.035,
         "lunge": 0.035, "dance": 0.04, "lie": 0.05, "kick": 0.025, "throw": 0.025, "jump": 0.03,
         "swing": 0.025, "stretch": 0.025, "ride": 0.025, "ski": 0.025, "surf": 0.025,
         "lean": 0.015}  # fmt: skip
# What a network that saw the kinds above had not understood in photographs.
HARD_KINDS = {"sit": 0.1, "low seat": 0.13, "crossed": 0.1, "ankle on knee": 0.08, "squat": 0.15,
              "crouch": 0.06, "stride": 0.08, "swing": 0.04, "kneel": 0.05, "bend": 0.05, "lie": 0.03,
              "ride": 0.03, "ski": 0.03, "throw": 0.03, "stand": 0.04}  # fmt: skip
TRIES, TRIES_A_KIND = 60, 15
EASY_KINDS = {"stand": 0.5, "walk": 0.3, "kneel": 0.2}  # hardly ever in their own way
SPINE = ("spine05", "spine04", "spine03", "spine02", "spine01")
NECK = ("neck01", "neck02", "neck03", "head")
_TWO_LEGS = {  # leading leg, other leg: hip flexion from, to, knee flexion from, to, degrees
    "walk": ((8, 30, 0, 18), (-24, -6, 5, 45)), "run": ((30, 75, 45, 100), (-28, -5, 15, 95)),
    "lunge": ((50, 85, 60, 95), (-20, 0, 10, 50)), "kneel": ((75, 95, 80, 100), (-8, 8, 80, 98)),
    "kick": ((25, 100, 0, 45), (-12, 8, 2, 22)), "throw": ((10, 50, 5, 40), (-25, 0, 5, 40)),
    "ride": ((70, 100, 80, 110), (35, 65, 30, 65)), "crossed": ((98, 124, 60, 110), (70, 90, 60, 100)),
    "ankle on knee": ((80, 108, 90, 125), (70, 92, 65, 105)),
}  # fmt: skip
_LEGS = {  # hip flexion, knee flexion, abduction: from, to, degrees
    "stand": (-6, 12, 0, 10, -2, 10), "bend": (-6, 12, 0, 20, -2, 10), "sit": (68, 95, 50, 105, -2, 20),
    "crouch": (80, 115, 95, 135, 4, 25), "dance": (-15, 70, 0, 85, -2, 35), "jump": (-25, 80, 5, 105, 0, 30),
    "swing": (5, 30, 8, 35, 6, 18), "stretch": (-8, 15, 0, 8, -2, 25), "ski": (30, 70, 40, 85, 0, 12),
    "surf": (25, 60, 35, 80, 12, 28), "lean": (-4, 10, 0, 12, -2, 8), "low seat": (88, 118, 70, 130, 0, 32),
    "squat": (95, 125, 115, 150, 8, 42), "stride": (0, 35, 5, 45, 12, 32),
}  # fmt: skip
_APART = {"throw": (2, 15), "crossed": (-42, -20), "ankle on knee": (12, 40)}  # abduction of the leading leg
_THIGHS_AHEAD = ("low seat", "crossed", "ankle on knee", "squat")  # which spread to the sides, not up
_ALIKE = ("stand", "crouch", "sit", "swing", "stretch", "ski", "surf", "lean", "low seat", "squat")
_BENT = {  # how far the spine, the pelvis lean forward: from, to, degrees
    "low seat": (0, 28, -5, 5), "crossed": (-8, 14, -4, 4), "ankle on knee": (-8, 14, -4, 4),
    "squat": (0, 30, 5, 40), "stride": (0, 15, 0, 18),
}  # fmt: skip
_OFF_GROUND = ("run", "dance", "kneel", "jump", "lie", "kick", "ride")


@dataclass(frozen=True, eq=False)
class Pose:
    """`rotations` (B, 3, 3); `kind` of KINDS or HARD_KINDS; `grip`: the sides ("L", "R") whose hand holds
    something; `lift`: the lowest point's height over the ground, m."""

    rotations: np.ndarray
    kind: str
    grip: tuple[str, ...]
    lift: float = 0.0


def _leg_angles(rng: np.random.Generator, kind: str, leading: bool) -> tuple[float, float, float]:
    """Hip flexion, knee flexion, abduction in degrees."""
    u = rng.uniform
    if kind in _TWO_LEGS:
        a = _TWO_LEGS[kind][0 if leading else 1]
        # Of a throw both legs are apart, of crossed legs the upper one only.
        apart = _APART.get(kind, (-2, 5)) if leading or kind == "throw" else (-2, 5)
        return u(a[0], a[1]), u(a[2], a[3]), u(*apart)
    a = _LEGS[kind]
    return u(a[0], a[1]), u(a[2], a[3]), u(a[4], a[5])


def _lying_leg(rng: np.random.Generator, how: str) -> tuple[float, float, float]:
    """As `_leg_angles`, so that no foot goes into the ground."""
    if how == "back":
        hip = max(rng.uniform(-30, 75), 0)
        return hip, rng.uniform(0, 2) * hip, rng.uniform(-1, 14)
    if how == "stomach":
        return rng.uniform(-4, 2), max(rng.uniform(-90, 100), 0), rng.uniform(-1, 14)
    return rng.uniform(-10, 80), rng.uniform(0, 100), rng.uniform(-2, 3)


def _legs(rig: Rig, rng: np.random.Generator, kind: str, lean: float, lying: str) -> None:
    """Both legs; `lean` in degrees is what the trunk does and the legs do not."""
    first = rng.choice(["L", "R"])
    shared = _leg_angles(rng, kind, True) if kind in _ALIKE else None
    for side, x in (("L", 1), ("R", -1)):
        hip, knee, apart = _lying_leg(rng, lying) if lying else _leg_angles(rng, kind, side == first)
        if shared and rng.uniform() < 0.8:  # both legs much alike
            hip, knee, apart = (0.8 * s + 0.2 * o for s, o in zip(shared, (hip, knee, apart), strict=True))
        if kind == "stand" and side == first and rng.uniform() < 0.3:  # weight on the other leg
            hip, knee = hip + 12, knee + 22
        hip = hip + lean
        # The leg that lies over the other; an ankle on the other knee turns the thigh outwards.
        over = side == first and kind in ("crossed", "ankle on knee")
        twist = rng.uniform(-4, 14) if not over or kind == "crossed" else rng.uniform(50, 85)
        outwards = turn(Z, x * apart) if kind in _THIGHS_AHEAD else turn(Y, -x * (apart - 4))
        out = outwards @ turn(X, -hip) @ turn(Z, x * twist)
        rig.set(f"upperleg01.{side}", out)
        rig.set(f"lowerleg01.{side}", turn(X, knee))
        flat = np.clip(hip - knee - lean, -32, 25) if kind not in _OFF_GROUND else rng.uniform(-25, 8)
        if kind in ("jump", "lie") or over or (kind == "kick" and side == first):
            flat = rng.uniform(45, 60) if lying == "stomach" else rng.uniform(0, 40)
        elif kind == "kick":
            flat = np.clip(hip - knee - lean, -32, 25)
        elif kind == "kneel" and side != first:
            flat = rng.uniform(-45, -25)
        rig.set(f"foot.{side}", turn(X, flat + rng.normal(0, 2)) @ turn(Z, x * rng.uniform(-4, 8)))


def _trunk(rig: Rig, rng: np.random.Generator, kind: str, lying: str) -> float:
    """Pelvis, spine and neck; returns how far the pelvis leans forward, degrees."""
    n, u = rng.normal, rng.uniform
    forward = n(3, 5) + {"bend": u(15, 40), "sit": u(-6, 16), "ski": u(5, 30), "ride": u(5, 30),
                         "stretch": rng.choice([0, 0, u(20, 50)]), "jump": n(0, 8)}.get(kind, 0)  # fmt: skip
    lean = {"bend": u(5, 45), "crouch": u(10, 40), "run": u(2, 14), "lunge": u(0, 15), "dance": n(0, 6),
            "ski": u(5, 35), "ride": u(10, 40), "surf": u(0, 20), "swing": u(0, 15), "kick": n(-5, 8),
            "stretch": 1.3 * max(forward - 12, 0), "lean": u(-14, -5)}.get(kind, n(0, 1.5))  # fmt: skip
    if kind in _BENT:
        more = _BENT[kind]
        forward, lean = forward + u(more[0], more[1]), u(more[2], more[3])
    wide = {"throw": 20, "swing": 20, "surf": 18, "stretch": 12}.get(kind, 9)
    roll = {"stretch": 14, "surf": 9, "kick": 8, "throw": 8}.get(kind, 5)
    root = turn(X, lean + 1e-6) @ turn(Y, n(0, 2))
    if lying:
        flat = {"back": turn(X, -90 + n(0, 3)), "stomach": turn(X, 90 + n(0, 3)),
                "side": turn(Y, rng.choice([-1, 1]) * (90 + n(0, 6)))}[lying]  # fmt: skip
        root, forward, wide = turn(Z, u(-180, 180)) @ flat, n(0, 4), 4
    rig.set("root", root)
    spread(rig, SPINE, np.clip(n(0, wide), -38, 38), forward, np.clip(n(0, roll), -28, 28))
    pitch = np.clip(n(0, 11) - 0.35 * forward - 0.4 * lean, -40, 35)
    if lying:
        pitch = {"back": u(0, 25), "stomach": u(-38, -5), "side": n(0, 8)}[lying]
    spread(rig, NECK, np.clip(n(0, 24), -65, 65), pitch, np.clip(n(0, 7), -22, 22))
    return 0.0 if kind in ("lie", "lean") else lean


def _sample_once(body: Body, rng: np.random.Generator, kind: str) -> Pose:
    rig = Rig(body)
    lying = str(rng.choice(["back", "side", "stomach"])) if kind == "lie" else ""
    _legs(rig, rng, kind, _trunk(rig, rng, kind, lying), lying)
    modes, shared, grip = arms.arm_modes(rng, kind), arms.shared_marks(rig, rng), []
    for side, x in (("L", 1), ("R", -1)):
        target, hint = arms.arm_target(rng, modes[side], x, arms.marks(rig, side, shared))
        arms.reach(rig, rng, side, target, hint)
        mode, chance = modes[side], rng.uniform()
        often = {"hold": 1, "phone": 1, "poles": 0.6, "cock": 0.5, "bat": 0.9 * (side == "L"), "front": 0.22,
                 "down": 0.22, "face": 0.22, "up": 0.22}.get(mode, 0)  # fmt: skip
        if chance < often:
            grip.append(side)
    gaze = np.clip(rng.normal(0, 12, 2), -25, 25)
    for side in "LR":
        rig.set(f"eye.{side}", turn(Z, gaze[0] + 1e-6) @ turn(X, 0.6 * gaze[1]))
    lift = {"jump": rng.uniform(0.02, 0.28), "ride": rng.uniform(0, 0.22)}.get(kind, 0.0)
    return Pose(rig.rotations, kind, tuple(grip), lift)


def _below_trunk(body: Body, rest: Rest, pose: Pose) -> float:
    """How far the arms of somebody lying would reach into the ground, m; 0 for every other pose."""
    if pose.kind != "lie":
        return 0.0
    _, joints = body.kinematics(rest, pose.rotations)
    arm = [f"{b}.{s}" for b in ("lowerarm01", "wrist", "finger3-2") for s in "LR"]
    trunk = ("spine05", "spine02", "neck01")
    height = [joints[[body.bone(b) for b in bones], 2].min() for bones in (trunk, arm)]
    return max(height[0] - height[1] - 0.05, 0.0)


def sample_pose(
    body: Body,
    rest: Rest,
    rng: np.random.Generator,
    thickness: float = 1.0,
    kinds: dict[str, float] = KINDS,
) -> Pose:
    """A random pose for this body in which no limb is in another.

    Poses that overlap are drawn again, after some tries as another kind; of `TRIES` the least bad is taken.

    Args:
        thickness: how thick this body's limbs are against a slim one's (its weight and clothes).
        kinds: how often each kind of pose is drawn.
    """
    best = None
    kind = choose(rng, kinds)
    for number in range(1, TRIES + 1):
        pose = _sample_once(body, rng, kind)
        depth = _depth(body, rest, pose, thickness)
        if depth <= 0:  # fingers may still reach into something
            pose = _with_hands(body, rng, pose)
            depth = _depth(body, rest, pose, thickness)
            if depth <= 0:
                return pose
        if best is None or depth < best[0]:
            best = depth, pose
        if number % TRIES_A_KIND == 0:
            kind = choose(rng, EASY_KINDS)
    return _with_hands(body, rng, best[1])


def _depth(body: Body, rest: Rest, pose: Pose, thickness: float) -> float:
    """How deep the deepest limb is in another or in the ground, m; <= 0: none is."""
    return overlap(body, rest, pose.rotations, thickness) + _below_trunk(body, rest, pose)


def _with_hands(body: Body, rng: np.random.Generator, pose: Pose) -> Pose:
    """The pose with both hands' fingers bent."""
    rig = Rig(body)
    rig.rotations = pose.rotations
    for side in "LR":
        bend_hand(rig, rng, side, "grip" if side in pose.grip else choose(rng, HANDS))
    return replace(pose, rotations=rig.rotations)


def mirror_pose(body: Body, pose: Pose) -> Pose:
    """The pose of the person seen in a mirror: left and right change places."""
    other = {".L": ".R", ".R": ".L"}
    source = [body.bone(b[:-2] + other[b[-2:]]) if b[-2:] in other else i for i, b in enumerate(body.bones)]
    flip = np.diag([-1.0, 1, 1])
    swap = {"L": "R", "R": "L"}
    rotations = flip @ pose.rotations[source] @ flip
    return replace(pose, rotations=rotations, grip=tuple(swap[s] for s in pose.grip))
