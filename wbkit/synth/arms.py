"""Arms by where the hand goes: places for the wrist, and two-bone inverse kinematics."""

from __future__ import annotations

import numpy as np

from wbkit.synth.rig import Rig, Y, choose, cross, turn, unit

ARMS = {"down": 0.19, "front": 0.13, "up": 0.09, "side": 0.06, "hips": 0.09, "cross": 0.07, "face": 0.1,
        "phone": 0.04, "hold": 0.12, "head": 0.05, "clasp": 0.04, "any": 0.03}  # fmt: skip
TWO_HANDED = {"cross", "clasp", "head", "hold", "bat"}
_OF_KIND = {  # where arms go in poses that need them there
    "lie": {"floor": 4, "front": 1, "up": 2, "face": 1, "head": 1, "clasp": 1},
    "kick": {"side": 3, "swing": 2, "any": 1}, "throw": {"cock": 3, "front": 1, "up": 1},
    "jump": {"up": 4, "side": 2, "any": 2}, "swing": {"bat": 1}, "ride": {"bars": 1},
    "ski": {"poles": 3, "side": 1}, "surf": {"side": 3, "any": 1, "front": 1},
    "stretch": {"up": 3, "hips": 1, "reach": 2, "head": 1},
}  # fmt: skip


def arm_modes(rng: np.random.Generator, kind: str) -> dict[str, str]:
    """Where each hand ("L", "R") goes in a pose of this kind."""
    modes = {s: choose(rng, _OF_KIND.get(kind, ARMS)) for s in "LR"}
    if kind in ("walk", "run") and rng.uniform() < 0.6:
        modes = dict.fromkeys("LR", "swing")
    if kind == "sit" and rng.uniform() < 0.4:
        modes[rng.choice(["L", "R"])] = "lap"
    both = [m for m in modes.values() if m in TWO_HANDED]
    return dict.fromkeys("LR", both[0]) if both else modes


def arm_target(rng: np.random.Generator, mode: str, x: int, marks: dict) -> tuple[np.ndarray, np.ndarray]:
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
    return _sports_target(rng, mode, x, marks)


def _sports_target(rng: np.random.Generator, mode: str, x: int, marks: dict) -> tuple[np.ndarray, np.ndarray]:
    """As `arm_target`: throwing, riding, lying, telephoning, anywhere."""
    u, shoulder, reach = rng.uniform, marks["shoulder"], marks["reach"]
    outwards = np.array([x, 0.3, -0.5])
    if mode == "cock":
        return shoulder + reach * np.array([x * u(0.2, 0.6), u(0.0, 0.5), u(0.1, 0.7)]), outwards
    if mode == "bars":
        return shoulder + reach * np.array([x * u(-0.05, 0.2), -u(0.6, 0.85), -u(0.25, 0.55)]), outwards
    if mode == "poles":
        return shoulder + reach * np.array([x * u(0.1, 0.4), -u(0.3, 0.6), -u(0.35, 0.7)]), outwards
    if mode == "reach":
        return shoulder + reach * np.array([x * u(-0.2, 0.2), -u(0.1, 0.5), -u(0.7, 0.95)]), outwards
    if mode == "floor":
        way = np.array([x * u(0.2, 1), u(-0.08, 0.02), u(-0.9, 0.9)])
        return shoulder + reach * u(0.6, 0.97) * unit(way), np.array([x, 0, u(-0.5, 0.5)])
    if mode == "phone":
        ear = marks["face"] + np.array([x * u(0.1, 0.13), u(0.0, 0.05), u(-0.12, -0.05)])
        return ear, np.array([x * 0.5, -0.7, -1])
    if mode == "bat":
        at = np.array([marks["bat"], marks["chest_front"] - marks["out"], marks["chest_z"] + marks["rise"]])
        return at + np.array([0, 0, 0.045 * x]), outwards
    hint = np.array([x * u(0.2, 0.8), u(0.2, 0.8), u(-0.9, -0.3)])
    return shoulder + reach * u(0.4, 0.95) * unit(rng.normal(size=3) + np.array([x * 0.4, -0.4, 0])), hint


def shared_marks(rig: Rig, rng: np.random.Generator) -> dict[str, float]:
    """What both hands of a two-handed pose have in common."""
    return {
        "wide": rng.uniform(0.05, 0.16),
        "out": rng.uniform(0.12, 0.32),
        "high": rig.at["spine01"][2] - rng.uniform(0.1, 0.32),
        "bat": rng.uniform(-0.3, 0.3),
        "rise": rng.uniform(-0.3, 0.35),
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
        "chest_z": at["spine01"][2] - 0.12,
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
