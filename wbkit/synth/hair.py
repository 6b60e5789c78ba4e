"""Hair and beards: a layer over the scalp with locks or curls, long hair, fringe, bun, tail."""

from __future__ import annotations

import numpy as np

from wbkit.synth import body as body_module
from wbkit.synth.dresser import Dresser, HeadFrame
from wbkit.synth.fields import EAR, region
from wbkit.synth.props import ball, tube
from wbkit.synth.style import Outfit

_COVER = region("cover")
_LONG_ENDS = (0.24, 0.38, 0.5, 0.58)  # template z where long hair ends


def wear_hair(d: Dresser, outfit: Outfit, number: int) -> None:
    """Add the outfit's hair and beard, of material `number`."""
    ragged = _locks(d.body.template, d.rng, 0.006) * 0.0035 + _locks(d.body.template, d.rng, 0.02) * 0.004
    if outfit.hair != "bald":
        _scalp(d, outfit, number, ragged)
    if outfit.hair == "long":
        _long(d, number)
    head = HeadFrame(d)
    if outfit.hair == "bun":
        place = head(0, d.rng.uniform(0.05, 0.08), d.rng.uniform(0.77, 0.86))
        radii = d.rng.uniform(0.03, 0.05) * d.rng.uniform(0.8, 1.1, 3)
        d.add_mesh(ball(place, radii, number, d.rng, 0.06, person=d.person, region=_COVER))
    if outfit.hair == "tail":
        _tail(d, head, number)
    if outfit.beard > 0.003:
        beard = d.fields.beard + 0.12 * ragged
        volume = outfit.beard * np.clip(0.3 + beard / 0.02, 0.2, 1)
        d.layer(beard, volume, number, rounds=2, hide=False, crease=0.001)


def _locks(template: np.ndarray, rng: np.random.Generator, wavelength: float) -> np.ndarray:
    """Random relief (V,) about -1 to 1: locks that run down the head, `wavelength` metres across."""
    angle = np.arctan2(template[:, 0], template[:, 1] + 0.045)
    turns = 2 * np.pi * 0.09 / wavelength
    bend = 0.9 * np.sin(template[:, 2] * rng.uniform(20, 60) + rng.uniform(0, 6))
    waves = [
        np.sin(angle * turns * k + bend * k + 2 * np.sin(3 * angle + p))
        for k, p in zip((0.7, 1.0, 1.6), rng.uniform(0, 6, 3).tolist(), strict=True)
    ]
    return 0.5 * np.sum(waves, 0)


def _curls(template: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Random relief (V,) about -1 to 1: bumps of 2-4 cm in all directions."""
    ways = rng.normal(size=(3, 8))
    ways *= 2 * np.pi / rng.uniform(0.018, 0.04, 8) / np.linalg.norm(ways, axis=0)
    shift = rng.uniform(0, 6.3, 8).astype(np.float32)
    return np.sin(template @ ways.astype(np.float32) + shift).sum(1) * 0.35


def _scalp(d: Dresser, outfit: Outfit, number: int, ragged: np.ndarray) -> None:
    """The layer over the skull: thin at its rim, thickest on top, with a fringe if wanted."""
    f, template, rng, style = d.fields, d.body.template, d.rng, outfit.hair
    thick = {
        "buzz": 0.003, "short": rng.uniform(0.009, 0.022), "medium": rng.uniform(0.016, 0.032),
        "long": rng.uniform(0.012, 0.02), "bun": 0.009, "tail": 0.009, "afro": rng.uniform(0.035, 0.08),
    }[style]  # fmt: skip
    part = rng.uniform(-0.04, 0.04)  # a higher line where the hair is parted
    line = f.hairline + rng.uniform(-0.01, 0.006) + ragged * (0.4 if style == "buzz" else 1)
    line = np.where(f.hairline == EAR, EAR, line)
    line = line - 0.008 * rng.uniform() * np.exp(-(((template[:, 0] - part) / 0.02) ** 2))
    neck_or_head = np.isin(f.region, (region("head"), region("neck"))) & f.is_skin
    if outfit.fringe:
        low = template[:, 2] - rng.uniform(0.742, 0.765) + 1.2 * ragged - 0.25 * abs(template[:, 0] - part)
        line = np.maximum(line, np.where(neck_or_head & (template[:, 1] < -0.07), low, -1))
    if style in ("medium", "afro"):  # over the ears and down the neck, the face stays free
        side = np.minimum(template[:, 1] + 0.07, template[:, 2] - rng.uniform(0.62, 0.68)) + ragged
        line = np.maximum(line, np.where(neck_or_head, side, -1))
    rise = np.clip(0.3 + line / 0.022, 0.12, 1)
    top = np.clip(0.45 + (template[:, 2] - 0.66) / 0.12, 0.35, 1.15)
    curly = outfit.curly or style == "afro"
    relief = _curls(template, rng) if curly else _locks(template, rng, rng.uniform(0.008, 0.02))
    crease = min((0.22 if curly else 0.13) * thick, 0.009)
    rounds = 6 if thick > 0.01 else 0
    folds = relief * rise
    d.layer(line, thick * rise * top, number, rounds=rounds, crease=crease, folds=folds, over=_COVER,
            margin=0.012)  # fmt: skip


def _long(d: Dresser, number: int) -> None:
    """The helper hair, its end ragged and not all of one length."""
    template = d.body.template
    faces = d.body.faces[d.body.face_groups == body_module.HAIR]
    center = template[faces].mean(1)
    faces = faces[(center[:, 1] > -0.085) | (center[:, 2] > 0.79)]
    ragged = 0.012 * _locks(template, d.rng, 0.02) + 0.02 * _locks(template, d.rng, 0.07)
    out = template * [1, 1, 0] - [0, -0.03, 0]
    out /= np.maximum(np.linalg.norm(out, axis=1, keepdims=True), 1e-6)
    wave = 0.004 * _locks(template, d.rng, 0.03) + d.rng.uniform(0, 0.01)
    shape = d.posed.vertices + (out * wave[:, None]).astype(np.float32)
    clip = template[:, 2] - d.rng.choice(_LONG_ENDS) - d.rng.uniform(-0.03, 0.03) + ragged
    d.append(shape, faces, clip, number, _COVER)


def _tail(d: Dresser, head: HeadFrame, number: int) -> None:
    """A pony tail that hangs from the back of the head, bent by gravity."""
    rng = d.rng
    start = head(0, 0.06, rng.uniform(0.74, 0.82))
    back, length = head(0, 1, 0) - head(0, 0, 0), rng.uniform(0.12, 0.32)
    swing = rng.normal(0, 0.15, 3) * [1, 1, 0]
    points = [start]
    for i in range(1, 8):
        t = i / 7
        way = (1 - t) ** 2 * back + t * np.array([0, 0, -1.0]) + 0.35 * back * (t < 0.8) + swing
        points.append(points[-1] + length / 7 * way / np.linalg.norm(way))
    wide = rng.uniform(0.7, 1.1) * np.array([0.010, 0.022, 0.028, 0.03, 0.029, 0.025, 0.017, 0.004])
    d.add_mesh(tube(points, wide, number, 14, person=d.person, region=_COVER))
