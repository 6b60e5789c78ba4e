"""Fingers: every joint of a hand bends by itself."""

from __future__ import annotations

import numpy as np

from wbkit.synth.rig import Rig, cross, turn, unit

HANDS = {"relax": 0.3, "open": 0.18, "fist": 0.08, "point": 0.08, "peace": 0.06, "thumb": 0.05, "any": 0.25}


def bend_hand(rig: Rig, rng: np.random.Generator, side: str, mode: str) -> None:
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
