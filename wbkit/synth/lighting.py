"""The light of a place: sun or lamps, what comes from the sky, haze."""

from __future__ import annotations

import numpy as np

from wbkit.synth.render import Light
from wbkit.synth.style import linear


def _temperature(kelvin: float) -> np.ndarray:
    """Linear RGB of a lamp or sky of this colour temperature, mean 1 (a fit good to a few per cent,
    2500-12000 K)."""
    t = np.log(kelvin / 6500)
    rgb = np.array([np.exp(-0.75 * t), np.exp(-0.1 * abs(t)), np.exp(0.95 * t)])
    return rgb / rgb.mean()


def sample_light(rng: np.random.Generator, sky: np.ndarray | None) -> Light:
    """Sun or lamps; the main light comes from above, mostly from the camera's side.

    Args:
        sky: (3,) its sRGB colour 0-1, or None inside.
    """
    inside = sky is None
    hard = rng.uniform(0.25, 1.0) if inside else rng.choice([rng.uniform(0.05, 0.3), rng.uniform(0.7, 1.5)])
    main = np.array([rng.normal(0, 0.8), rng.normal(-0.5, 0.7), rng.uniform(0.35, 1.3)])
    fill = np.array([rng.normal(0, 1), rng.normal(-0.6, 0.6), rng.uniform(0, 0.8)])
    kelvin = rng.uniform(2800, 6500) if inside else rng.uniform(4500, 6500)
    rows = [[*(main / np.linalg.norm(main)), *(hard * _temperature(kelvin))]]
    for _ in range(rng.integers(1, 3)):
        weak = rng.uniform(0.05, 0.35)
        rows.append([*(fill / np.linalg.norm(fill)), *(weak * _temperature(rng.uniform(2800, 9000)))])
        fill = fill * [-1, 1, 1] + rng.normal(0, 0.3, 3)
    above = _temperature(rng.uniform(3500, 7000)) if inside else 0.5 + linear(sky)
    ambient = rng.uniform(0.3, 0.7) * np.stack([above, 0.55 * above * [1.05, 1, 0.92]])
    haze = linear((0.75, 0.78, 0.82)) if inside else linear(0.5 * np.asarray(sky) + 0.45)
    density = 0.0 if inside else rng.choice([0.0, 0.004, 0.015])
    return Light(np.array(rows), ambient, np.array([*haze, density]))
