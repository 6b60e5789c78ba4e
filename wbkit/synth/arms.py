"""Arms by where the hand goes: places for the wrist, and two-bone inverse kinematics."""

from __future__ import annotations

import numpy as np

from wbkit.synth.rig import Rig, Y, choose, cross, turn, unit

ARMS = {"down": 0.19, "front": 0.13, "up": 0.09, "side": 0.06, "hips": 0.09, "cross": 0.07, "face": 0.1,
        "phone": 0.04, "hold": 0.12, "head": 0.05, "clasp": 0.04, "any": 0.03}  # fmt: skip
SEATED = ("sit", "low seat", "crossed", "ankle on knee")  # kinds of poses that need a seat
TWO_HANDED = {"cross", "clasp", "head", "hold", "bat"}
_OF_KIND = {  # where arms go in poses that need them there
    "lie": {"floor": 4, "front": 1, "up": 2, "face": 1, "head": 1, "clasp": 1},
    "kick": {"side": 3, "swing": 2, "any": 1}, "throw": {"cock": 3, "front": 1, "up": 1},
    "jump": {"up": 4, "side": 2, "any": 2}, "swing": {"bat": 1}, "ride": {"bars": 1},
    "ski": {"poles": 3, "side": 1}, "surf": {"side": 3, "any": 1, "front": 1},
    "stretch": {"up": 3, "hips": 1, "reach": 2, "head": 1},
    "squat": {"front": 4, "reach": 2, "any": 1, "hold": 1, "lap": 1},
    "stride": {"bat": 2, "front": 1, "side": 1},
}  # fmt: skip
_PLACES = {  # of the wrist: from which mark, box in arm lengths ("shoulder") or m, where the elbow points;
    # x outwards, y back, z up
    "down": ("shoulder", (0.1, -0.35, -0.97), (0.35, 0.18, -0.78), (0.5, 0.5, -0.6)),
    "swing": ("shoulder", (0, -0.6, -0.85), (0.2, 0.5, -0.45), (0.3, 1, -0.4)),
    "front": ("shoulder", (-0.5, -0.95, -0.5), (0.3, -0.4, 0.35), (0.5, 0.5, -0.6)),
    "up": ("shoulder", (-0.1, -0.45, 0.45), (0.5, 0.05, 0.97), (1, -0.2, -0.2)),
    "side": ("shoulder", (0.5, -0.4, -0.45), (0.95, 0.1, 0.5), (0.2, 0.5, -1)),
    "cock": ("shoulder", (0.2, 0.0, 0.1), (0.6, 0.5, 0.7), (1, 0.3, -0.5)),
    "bars": ("shoulder", (-0.05, -0.85, -0.55), (0.2, -0.6, -0.25), (1, 0.3, -0.5)),
    "poles": ("shoulder", (0.1, -0.6, -0.7), (0.4, -0.3, -0.35), (1, 0.3, -0.5)),
    "reach": ("shoulder", (-0.2, -0.5, -0.95), (0.2, -0.1, -0.7), (1, 0.3, -0.5)),
    "hips": ("hip", (0.08, -0.08, 0.05), (0.14, 0.06, 0.16), (1, 0.9, -0.1)),
    "lap": ("hip", (-0.08, -0.42, 0.1), (0.06, -0.2, 0.2), (0.8, 0.5, -0.5)),
    "cross": ("chest", (-0.15, -0.14, -0.04), (-0.06, -0.05, 0.04), (1, -0.25, -1)),
    "face": ("face", (0.0, -0.12, -0.22), (0.14, 0.02, 0.1), (0.7, -0.3, -1)),
    "head": ("face", (0.1, 0.06, 0.02), (0.16, 0.2, 0.16), (1, -0.3, 0.4)),
    "phone": ("face", (0.1, 0.0, -0.12), (0.13, 0.05, -0.05), (0.5, -0.7, -1)),
}


def arm_modes(rng: np.random.Generator, kind: str) -> dict[str, str]:
    """Where each hand ("L", "R") goes in a pose of this kind."""
    modes = {s: choose(rng, _OF_KIND.get(kind, ARMS)) for s in "LR"}
    if kind in ("walk", "run") and rng.uniform() < 0.6:
        modes = dict.fromkeys("LR", "swing")
    if kind in SEATED and rng.uniform() < 0.4:
        modes[rng.choice(["L", "R"])] = "lap"
    both = [m for m in modes.values() if m in TWO_HANDED]
    return dict.fromkeys("LR", both[0]) if both else modes


def arm_target(rng: np.random.Generator, mode: str, x: int, marks: dict) -> tuple[np.ndarray, np.ndarray]:
    """Where the wrist goes, and where the elbow points, in the chest's frame (m, template size).

    Args:
        x: 1 on the left, -1 on the right side.
    """
    if mode not in _PLACES:
        return _shared_target(rng, mode, x, marks)
    origin, low, high, elbow = _PLACES[mode]
    size = marks["reach"] if origin == "shoulder" else 1.0
    outwards = np.array([x, 1, 1])
    return marks[origin] + size * outwards * rng.uniform(low, high), outwards * elbow


def _shared_target(rng: np.random.Generator, mode: str, x: int, marks: dict) -> tuple[np.ndarray, np.ndarray]:
    """As `arm_target`, for both hands at one place, on the ground, and anywhere."""
    u, shoulder, reach = rng.uniform, marks["shoulder"], marks["reach"]
    ahead = marks["chest_front"] - marks["out"]
    if mode in ("hold", "clasp"):
        wide = marks["wide"] if mode == "hold" else 0.035
        return np.array([x * wide, ahead, marks["high"]]), np.array([x, 0.2, -0.8])
    if mode == "bat":
        return np.array([marks["bat"], ahead, marks["rise"] + 0.045 * x]), np.array([x, 0.3, -0.5])
    if mode == "floor":
        way = np.array([x * u(0.2, 1), u(-0.08, 0.02), u(-0.9, 0.9)])
        return shoulder + reach * u(0.6, 0.97) * unit(way), np.array([x, 0, u(-0.5, 0.5)])
    way = rng.normal(size=3) + np.array([x * 0.4, -0.4, 0])
    return shoulder + reach * u(0.4, 0.95) * unit(way), np.array([x * 0.5, 0.5, -0.6])


def shared_marks(rig: Rig, rng: np.random.Generator) -> dict[str, float]:
    """What both hands of a two-handed pose have in common."""
    return {
        "wide": rng.uniform(0.05, 0.16),
        "out": rng.uniform(0.12, 0.32),
        "high": rig.at["spine01"][2] - rng.uniform(0.1, 0.32),
        "bat": rng.uniform(-0.3, 0.3),
        "rise": rig.at["spine01"][2] - 0.12 + rng.uniform(-0.3, 0.35),
    }


def marks(rig: Rig, side: str, shared: dict) -> dict:
    """Places of the body that targets are given from."""
    at = rig.at
    return {
        "shoulder": at[f"upperarm01.{side}"],
        "reach": np.linalg.norm(at[f"lowerarm01.{side}"] - at[f"upperarm01.{side}"])
        + np.linalg.norm(at[f"wrist.{side}"] - at[f"lowerarm01.{side}"]),
        "hip": at[f"upperleg01.{side}"],
        "face": rig.body.template_keypoints[0] + np.array([0, 0.05, 0]),
        "chest_front": at["spine02"][1] - 0.17,
        "chest": np.array([0, at["spine02"][1] - 0.17, at["spine01"][2] - 0.12]),
        **shared,
    }


def reach(rig: Rig, rng: np.random.Generator, side: str, target: np.ndarray, hint: np.ndarray) -> None:
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
