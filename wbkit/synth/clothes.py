"""A posed body -> what is seen of a person: skin, top, trousers, skirts, coats, shoes, and what is on the
head."""

from __future__ import annotations

import numpy as np

from wbkit.synth import body as body_module
from wbkit.synth import shoes
from wbkit.synth.body import Body, Posed
from wbkit.synth.dresser import Dresser
from wbkit.synth.fields import Fields, region
from wbkit.synth.hair import wear_hair
from wbkit.synth.headwear import wear_on_head
from wbkit.synth.render import TEXTURED, Mesh, join
from wbkit.synth.style import Outfit, cloth, cloth_colour, material

_HANDS = (region("hand.L"), region("hand.R"))
_FEET = (region("foot.L"), region("foot.R"))
_SHANKS = (region("shank.L"), region("shank.R"))
_FOREARMS = (region("forearm.L"), region("forearm.R"))
_UPPER_ARMS = (region("upperarm.L"), region("upperarm.R"))
_LEGS = tuple(region(f"{p}.{s}") for p in ("thigh", "shank", "foot") for s in "LR")


def dress(body: Body, posed: Posed, outfit: Outfit, tones: dict, person: int, table: list, rng) -> Mesh:
    """One person as a mesh in world axes; new materials are appended to `table`."""
    d = Dresser.start(body, posed, person, table, rng)
    numbers = {name: d.add(row) for name, row in tones.items()}
    _footwear(d, outfit)
    if outfit.tucked:
        _top(d, outfit)
        _bottom(d, outfit)
    else:
        _bottom(d, outfit)
        _top(d, outfit)
    if outfit.coat is not None:
        _coat(d, outfit)
    if outfit.gloves:
        _gloves(d)
    wear_hair(d, outfit, numbers["hair"])
    wear_on_head(d, outfit)
    _naked(d, numbers, outfit.beard > 0.003)
    return join(d.layers)


def _naked(d: Dresser, numbers: dict[str, int], bearded: bool) -> None:
    """Skin that no cloth covers, eyes, teeth."""
    groups, faces = d.body.face_groups, d.body.faces
    one = np.ones(len(d.body.template), np.float32)
    bare = np.where(d.hidden, np.float32(0), np.float32(1))
    d.append(d.posed.vertices, d.fields.skin_faces, bare, numbers["skin"], None)
    d.layers[-1].clip[:] = 1
    d.layers[-1].paint = d.layers[-1].paint * np.float32([1, 0.5 * (bearded or d.rng.uniform() < 0.15)])
    for group, name, coords in (
        (body_module.EYES, "eyes", d.fields.eye_coords),
        (body_module.TEETH, "teeth", None),
    ):
        d.append(d.posed.vertices, faces[groups == group], one, numbers[name], None, coords)


def _top(d: Dresser, outfit: Outfit) -> None:
    f, z = d.fields, d.body.template[:, 2]
    cover = _top_cover(f, z, outfit.collar, outfit.hem, outfit.sleeve)
    low = np.clip((0.35 - z) / 0.4, 0, 1) * (f.region == region("torso"))
    cuff = np.clip(f.arm, 0, 2) * np.isin(f.region, (*_FOREARMS, *_UPPER_ARMS))
    offset = outfit.top_offset * (0.7 + 0.6 * low * (not outfit.tucked) + 0.25 * cuff)
    crease = 0.22 * outfit.top_offset
    d.layer(cover, offset, d.add(cloth(d.rng)), rounds=outfit.top_smooth, passes=3, soften=4, crease=crease)


def _top_cover(f: Fields, z: np.ndarray, collar: float, hem: float, sleeve: float) -> np.ndarray:
    """Metres inside a top: below the collar, above the hem, up to the sleeve's end."""
    arms = np.isin(f.region, (*_FOREARMS, *_HANDS, *_UPPER_ARMS))
    trunk = np.minimum(f.collar + collar, z + hem)
    cover = np.where(arms, np.minimum((sleeve - f.arm) * 0.27, f.collar + collar + 0.1), trunk)
    return np.where(f.region == region("head"), np.minimum(trunk, f.collar + collar), cover)


def _coat(d: Dresser, outfit: Outfit) -> None:
    f, template = d.fields, d.body.template
    number = d.add(cloth(d.rng, plain=0.8, dark=True))
    opening = d.rng.choice([-1, d.rng.uniform(0.03, 0.09)])
    front = np.where(template[:, 1] < 0, np.abs(template[:, 0]) - opening, 1)
    cover = np.minimum(
        _top_cover(f, template[:, 2], outfit.collar + 0.01, 0.06, 1.98),
        np.where(np.abs(template[:, 0]) < 0.2, front, 1),
    )
    d.layer(cover, outfit.top_offset + 0.016, number, rounds=10, passes=2, crease=0.006, hide=opening < 0)
    _skirt(d, outfit.coat, number, opening, 0.035)


def _bottom(d: Dresser, outfit: Outfit) -> None:
    f, z = d.fields, d.body.template[:, 2]
    number = d.add(cloth(d.rng, plain=0.75, dark=True))
    legs, trunk = np.isin(f.region, _LEGS), f.region == region("torso")
    length = outfit.leg
    if outfit.skirt is not None:  # what is worn under it ends above its hem
        length = min(length, max((0.9 * outfit.skirt - 0.1) / 0.45 - 0.3, 0.2))
    cover = np.where(legs, np.minimum((length - f.leg) * 0.42, 0.1 - z), np.where(trunk, 0.09 - z, -1))
    wide = outfit.leg_offset * np.clip(0.25 + f.leg, 0.3, 1.1)
    rounds = 5 if outfit.leg_offset < 0.015 else 10
    d.layer(cover, wide, number, rounds=rounds, passes=3, soften=4, crease=0.25 * outfit.leg_offset)
    if outfit.skirt is not None:
        _skirt(d, outfit.skirt, number, -1, 0.03)


def _skirt(d: Dresser, length: float, number: int, opening: float, gap: float) -> None:
    """The helper skirt down to a hem `length` (0-1) of the way, outside both legs; `opening` > 0 leaves the
    front open."""
    template = d.body.template
    faces = d.body.faces[d.body.face_groups == body_module.SKIRT]
    clip = template[:, 2] - (0.1 - length * 0.9)
    if opening > 0:
        slit = np.abs(template[:, 0]) - opening - 0.05 * (0.1 - template[:, 2])
        clip = np.minimum(clip, np.where(template[:, 1] < 0, slit, 1))
    low = np.clip(0.1 - template[:, 2], 0, 1)
    angle = np.arctan2(template[:, 0], template[:, 1])
    ripple = 0.02 * np.sin(angle * d.rng.integers(5, 14)) * low
    out = template * [1, 1, 0]
    out /= np.maximum(np.linalg.norm(out, axis=1, keepdims=True), 1e-6)
    shape = d.posed.vertices + (out * ripple[:, None]).astype(np.float32)
    used = np.unique(faces)
    shape[used] = _outside_legs(d, shape[used], gap)
    d.append(shape, faces, np.clip(clip, -0.1, 0.1), number, region("skirt"))


def _outside_legs(d: Dresser, points: np.ndarray, gap: float) -> np.ndarray:
    """Points (N, 3) pushed `gap` metres out of thighs and shanks."""
    points = points.astype(np.float64)
    for _ in range(2):
        for side in "LR":
            ends = [d.posed.joints[d.body.bone(f"{b}.{side}")] for b in ("upperleg01", "lowerleg01", "foot")]
            for part, a, b in (("thigh", *ends[:2]), ("shank", *ends[1:])):
                here = (d.fields.region == region(f"{part}.{side}")) & d.fields.is_skin
                where, far = _along(d.posed.vertices[here], a, b)
                width = np.polynomial.Polynomial.fit(where, np.linalg.norm(far, axis=1), 1)
                where, far = _along(points, a, b)
                size = np.linalg.norm(far, axis=1)
                least = width(where) * 1.08 + gap
                points += far * (np.maximum(least / np.maximum(size, 1e-6), 1) - 1)[:, None]
    return points.astype(np.float32)


def _along(points: np.ndarray, a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Share 0-1 of the way from a to b at which points lie (N,), and their offset from it (N, 3)."""
    way = b - a
    share = np.clip((points - a) @ way / (way @ way), 0, 1)
    return share, points - a - share[:, None] * way


def _gloves(d: Dresser) -> None:
    f = d.fields
    wrist = np.where(np.isin(f.region, _FOREARMS), (f.arm - 1.93) * 0.27, -1)
    cover = np.where(np.isin(f.region, _HANDS), 0.02, wrist)
    d.layer(cover, 0.0025, d.add(cloth(d.rng, plain=1.0)))


def _footwear(d: Dresser, outfit: Outfit) -> None:
    """Socks, shoes, boots, sandals or nothing on the feet."""
    f, rng = d.fields, d.rng
    if outfit.shoes == "bare":
        return
    number, sole = _leather(rng), d.add(material(TEXTURED, _sole_colour(rng)))
    upper = d.add(number)
    lower_leg = np.isin(f.region, (*_FEET, *_SHANKS))
    ankle, z = d.body.template_joints[d.body.bone("foot.L")][2], d.body.template[:, 2]
    if outfit.socks:
        toes = d.body.template[:, 1] + (0.125 if outfit.shoes != "sandal" else 1)  # shoes hide them
        cover = np.where(lower_leg, np.minimum(ankle + outfit.socks - z, toes), -1)
        d.layer(cover, 0.003, d.add(cloth(rng, plain=0.8, dark=True)))
    if outfit.shoes == "sandal":
        for side in "LR":
            last = shoes.make_last(d.body, d.posed, side, 0.004)
            d.add_mesh(shoes.sole_only(last, 0.018, sole, d.person, side))
            for strap in shoes.straps(d.posed, last, upper, d.person, side):
                d.add_mesh(strap)
        return
    numbers = {"upper": upper, "sole": sole, "cap": upper, "laces": upper}
    if outfit.shoes == "sneaker":
        numbers["cap"] = rng.choice([upper, sole, d.add(_leather(rng))])
        numbers["laces"] = rng.choice([upper, sole, d.add(_leather(rng))])
    rim = {"sneaker": rng.uniform(0.085, 0.1), "low": rng.uniform(0.062, 0.075), "boot": 0.1}[outfit.shoes]
    thick = rng.uniform(0.016, 0.03) if outfit.shoes != "low" else rng.uniform(0.008, 0.018)
    for side in "LR":
        last = shoes.make_last(d.body, d.posed, side)
        d.add_mesh(shoes.shoe(last, rim, thick, numbers, d.person, side))
    toes = np.isin(f.region, _FEET) & (d.body.template[:, 1] < -0.12)
    d.hidden |= toes
    if outfit.shoes == "boot":
        high = ankle + rng.uniform(0.07, 0.28)
        cover = np.where(lower_leg, np.minimum(high - z, z - ankle + 0.045), -1)
        d.layer(cover, 0.013, upper, rounds=6, passes=2, crease=0.002)


def _leather(rng: np.random.Generator) -> np.ndarray:
    tile = "plain" if rng.uniform() < 0.75 else "wide_stripes"
    gloss = (rng.uniform(0, 0.2), 20)
    return material(
        TEXTURED, cloth_colour(rng), cloth_colour(rng), tile=tile, size=0.16, gloss=gloss, rng=rng
    )


def _sole_colour(rng: np.random.Generator) -> np.ndarray:
    grey = rng.choice([0.92, 0.86, 0.15, 0.08, 0.4])
    return np.full(3, grey) if rng.uniform() < 0.85 else cloth_colour(rng)
