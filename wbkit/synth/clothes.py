"""A posed body -> what is seen of a person: skin, hair, clothes that stand off it, shoes, hats, glasses."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from wbkit.synth import body as body_module
from wbkit.synth.body import Body, Posed
from wbkit.synth.fields import REGIONS, Fields, load_fields, region
from wbkit.synth.props import ball, tube
from wbkit.synth.raster import cut, drape, smooth, vertex_normals
from wbkit.synth.render import TEXTURED, Mesh, join
from wbkit.synth.style import Outfit, cloth, cloth_colour, material

_HANDS = (region("hand.L"), region("hand.R"))
_FEET = (region("foot.L"), region("foot.R"))
_COVER = region("cover")
_FOREARMS = (region("forearm.L"), region("forearm.R"))


@dataclass(eq=False)
class _Dresser:
    """What the layers of one person share."""

    body: Body
    fields: Fields
    posed: Posed
    normals: np.ndarray
    person: int
    rng: np.random.Generator
    table: list[np.ndarray]
    layers: list[Mesh]
    hidden: np.ndarray  # (V,) bool: under cloth, so its skin need not be drawn
    wrinkles: np.ndarray  # (V,) about -1 to 1

    def add(self, row: np.ndarray) -> int:
        """A material of the scene's table -> its number."""
        self.table.append(row)
        return len(self.table) - 1

    def layer(
        self,
        cover,
        offset,
        number: int,
        *,
        rounds: int = 0,
        shape: np.ndarray | None = None,
        crease: float = 0.0,
        hide: bool = True,
        over: int | None = None,
        margin: float = 0.006,
    ) -> None:
        """Cloth, hair or shoe over the skin where `cover` (V,), in metres inside its rim, is positive.

        Args:
            offset: distance from the skin in m, scalar or (V,). rounds: of smoothing, which lets it bridge
                hollows; or `shape`, smoothed already.
            crease: height of its folds in m. over: region of its faces; None: the skin's.
        """
        cover = np.where(self.fields.is_skin, cover, -1).astype(np.float32)
        v, n = self.posed.vertices, self.normals
        if shape is None:
            shape = self.smoothed(cover, rounds) if rounds else v
        above = np.broadcast_to(np.asarray(offset, np.float32), len(v))
        self._append(
            drape(shape, v, n, above, np.float32(crease), self.wrinkles),
            self.fields.skin_faces,
            cover,
            number,
            over,
        )
        if hide:
            self.hidden |= cover > margin

    def smoothed(self, cover: np.ndarray, rounds: int) -> np.ndarray:
        """The body with its hollows filled and its bumps worn off inside a cover: (V, 3)."""
        inside = np.clip(cover / 0.02 + 0.5, 0, 1).astype(np.float32) * np.float32(0.9)
        return smooth(self.posed.vertices, self.fields.starts, self.fields.neighbours, inside, rounds)

    def _append(self, shape, faces, clip, number: int, over: int | None, coords=None) -> None:
        """The part of the faces where `clip` > 0 as a mesh; faces take their region from their first
        vertex."""
        chosen, used, local = cut(faces, clip > 0)
        if not len(chosen):
            return
        regions = self.fields.region[faces[chosen, 0]]
        part = regions if over is None else np.full(len(chosen), over, np.int16)
        vertices = np.ascontiguousarray(shape[used], np.float32)
        self.layers.append(
            Mesh(
                vertices=vertices,
                normals=vertex_normals(vertices, local),
                coords=(self.body.template if coords is None else coords)[used],
                paint=self.fields.paint[used],
                clip=np.ascontiguousarray(clip[used], np.float32),
                faces=local,
                material=np.full(len(chosen), number, np.int16),
                frame=regions,
                person=np.full(len(chosen), self.person, np.int16),
                region=part.astype(np.int16),
            )
        )


def _folds(template: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Smooth random folds over the body: (V,) about -1 to 1, wavelengths of 4-15 cm."""
    ways = rng.normal(size=(3, 6))
    ways *= 2 * np.pi / rng.uniform(0.04, 0.15, 6) / np.linalg.norm(ways, axis=0)
    bent = template + np.float32(0.02) * np.sin(template @ (rng.normal(size=(3, 3)) * 20).astype(np.float32))
    waves = np.sin(bent @ ways.astype(np.float32) + rng.uniform(0, 6.3, 6).astype(np.float32))
    return waves @ np.full(6, 0.3, np.float32)


def dress(body: Body, posed: Posed, outfit: Outfit, tones: dict, person: int, table: list, rng) -> Mesh:
    """One person as a mesh in world axes; new materials are appended to `table`."""
    skin_faces = load_fields().skin_faces
    d = _Dresser(
        body,
        load_fields(),
        posed,
        vertex_normals(posed.vertices, skin_faces),
        person,
        rng,
        table,
        [],
        np.zeros(len(posed.vertices), bool),
        _folds(body.template, rng),
    )
    numbers = {name: d.add(row) for name, row in tones.items()}
    _shoes(d, outfit)
    _bottom(d, outfit)
    _top(d, outfit)
    _hair(d, outfit, numbers["hair"])
    _extras(d, outfit)
    _naked(d, numbers, outfit.beard > 0.003)
    return join(d.layers)


def _naked(d: _Dresser, numbers: dict[str, int], bearded: bool) -> None:
    """Skin that no cloth covers, eyes, teeth."""
    groups, faces = d.body.face_groups, d.body.faces
    one = np.ones(len(d.body.template), np.float32)
    bare = np.where(d.hidden, np.float32(0), np.float32(1))
    d._append(d.posed.vertices, d.fields.skin_faces, bare, numbers["skin"], None)
    d.layers[-1].clip[:] = 1
    d.layers[-1].paint = d.layers[-1].paint * np.float32([1, 0.5 * (bearded or d.rng.uniform() < 0.15)])
    for group, name, coords in (
        (body_module.EYES, "eyes", d.fields.eye_coords),
        (body_module.TEETH, "teeth", None),
    ):
        d._append(d.posed.vertices, faces[groups == group], one, numbers[name], None, coords)


def _top(d: _Dresser, outfit: Outfit) -> None:
    f, z = d.fields, d.body.template[:, 2]
    cover = _top_cover(f, z, outfit.collar, outfit.hem, outfit.sleeve)
    low = np.clip((0.35 - z) / 0.4, 0, 1) * (f.region == region("torso"))
    cuff = np.clip(f.arm, 0, 2) * np.isin(f.region, (*_FOREARMS, region("upperarm.L"), region("upperarm.R")))
    offset = outfit.top_offset * (0.7 + 0.6 * low + 0.25 * cuff)
    d.layer(cover, offset, d.add(cloth(d.rng)), rounds=outfit.top_smooth, crease=0.25 * outfit.top_offset)
    if outfit.coat is not None:
        number = d.add(cloth(d.rng, plain=0.8, dark=True))
        opening = d.rng.choice([-1, d.rng.uniform(0.03, 0.09)])
        open_front = np.where(d.body.template[:, 1] < 0, np.abs(d.body.template[:, 0]) - opening, 1)
        cover = np.minimum(
            _top_cover(f, z, outfit.collar + 0.01, 0.06, 1.98),
            np.where(np.abs(d.body.template[:, 0]) < 0.2, open_front, 1),
        )
        d.layer(cover, offset + 0.016, number, rounds=12, crease=0.006, hide=opening < 0)
        _skirt(d, outfit.coat, number, opening)


def _top_cover(f: Fields, z: np.ndarray, collar: float, hem: float, sleeve: float) -> np.ndarray:
    """Metres inside a top: below the collar, above the hem, up to the sleeve's end."""
    arms = np.isin(f.region, (*_FOREARMS, *_HANDS, region("upperarm.L"), region("upperarm.R")))
    trunk = np.minimum(f.collar + collar, z + hem)
    cover = np.where(arms, np.minimum((sleeve - f.arm) * 0.27, f.collar + collar + 0.1), trunk)
    return np.where(f.region == region("head"), np.minimum(trunk, f.collar + collar), cover)


def _bottom(d: _Dresser, outfit: Outfit) -> None:
    f, z = d.fields, d.body.template[:, 2]
    number = d.add(cloth(d.rng, plain=0.75, dark=True))
    legs = np.isin(f.region, [region(f"{p}.{s}") for p in ("thigh", "shank", "foot") for s in "LR"])
    trunk = f.region == region("torso")
    length = min(outfit.leg, 0.35) if outfit.skirt is not None else outfit.leg
    cover = np.where(legs, np.minimum((length - f.leg) * 0.42, 0.1 - z), np.where(trunk, 0.09 - z, -1))
    wide = outfit.leg_offset * np.clip(0.25 + f.leg, 0.3, 1.1)
    d.layer(
        cover, wide, number, rounds=4 if outfit.leg_offset < 0.015 else 12, crease=0.3 * outfit.leg_offset
    )
    if outfit.skirt is not None:
        _skirt(d, outfit.skirt, number, -1)


def _skirt(d: _Dresser, length: float, number: int, opening: float) -> None:
    """The helper skirt down to a hem `length` (0-1) of the way; `opening` > 0 leaves the front open."""
    template = d.body.template
    faces = d.body.faces[d.body.face_groups == body_module.SKIRT]
    clip = template[:, 2] - (0.1 - length * 0.9)
    if opening > 0:
        clip = np.minimum(
            clip,
            np.where(template[:, 1] < 0, np.abs(template[:, 0]) - opening - 0.05 * (0.1 - template[:, 2]), 1),
        )
    ripple = (
        0.012
        * np.sin(np.arctan2(template[:, 0], template[:, 1]) * d.rng.integers(5, 14))
        * np.clip(0.1 - template[:, 2], 0, 1)
    )
    out = template * [1, 1, 0]
    out /= np.maximum(np.linalg.norm(out, axis=1, keepdims=True), 1e-6)
    d._append(
        d.posed.vertices + (out * ripple[:, None]).astype(np.float32), faces, clip, number, region("skirt")
    )


def _shoes(d: _Dresser, outfit: Outfit) -> None:
    f, template = d.fields, d.body.template
    if outfit.shoes == "bare":
        return
    foot = np.isin(f.region, (*_FEET, region("shank.L"), region("shank.R")))
    ankle = d.body.template_joints[d.body.bone("foot.L")][2]
    top = {"sneaker": ankle + 0.015, "boot": ankle + 0.16, "sandal": ankle - 0.03}[outfit.shoes]
    sole_z = template[:, 2].min() + 0.02
    colour, sole = cloth_colour(d.rng), np.array((235, 40, 110))[d.rng.integers(3)] / 255 * np.ones(3)
    upper = d.add(
        material(
            TEXTURED,
            colour,
            cloth_colour(d.rng),
            tile="plain" if d.rng.uniform() < 0.6 else "wide_stripes",
            size=0.16,
            gloss=(d.rng.uniform(0, 0.2), 20),
            rng=d.rng,
        )
    )
    cover = np.where(foot, top + 0.25 * np.clip(template[:, 1], -0.1, 0.03) - template[:, 2], -1)
    if outfit.shoes == "sandal":
        strap = np.minimum(np.abs(np.sin(template[:, 1] * 45)) - 0.6, 1) * 0.02
        cover = np.minimum(cover, np.maximum(strap, sole_z - template[:, 2]))
    toes = outfit.shoes != "sandal"
    shape = d.smoothed(cover, 40) if toes else None
    d.layer(cover, 0.009, upper, shape=shape, hide=toes)
    bottom = np.where(foot, sole_z - template[:, 2], -1)
    d.layer(bottom, 0.014, d.add(material(TEXTURED, sole)), shape=shape, hide=toes)


def _hair(d: _Dresser, outfit: Outfit, number: int) -> None:
    f, template, style = d.fields, d.body.template, outfit.hair
    rough = 0.003 * np.sin(template @ d.rng.normal(0, 90, (3, 4))).sum(1) / 2
    line = f.hairline + d.rng.uniform(-0.008, 0.006) + rough
    if style != "bald":
        thick = {
            "buzz": 0.003,
            "short": d.rng.uniform(0.009, 0.02),
            "medium": d.rng.uniform(0.016, 0.03),
            "long": 0.018,
            "bun": 0.011,
            "tail": 0.011,
            "afro": d.rng.uniform(0.035, 0.07),
        }[style]
        if style in ("medium", "afro"):  # over the ears and down the neck, the face stays free
            side = np.minimum(template[:, 1] + 0.07, template[:, 2] - d.rng.uniform(0.62, 0.68))
            neck_or_head = np.isin(f.region, (region("head"), region("neck"))) & f.is_skin
            line = np.maximum(line, np.where(neck_or_head, side, -1))
        volume = (
            thick
            * np.clip(0.3 + line / 0.022, 0.15, 1)
            * np.clip(0.45 + (template[:, 2] - 0.66) / 0.12, 0.35, 1.15)
        )
        d.layer(
            line,
            volume,
            number,
            rounds=6 if thick > 0.01 else 0,
            crease=0.12 * thick,
            over=_COVER,
            margin=0.012,
        )
    if style == "long":
        faces = d.body.faces[d.body.face_groups == body_module.HAIR]
        center = template[faces].mean(1)
        faces = faces[(center[:, 1] > -0.085) | (center[:, 2] > 0.79)]
        clip = template[:, 2] - d.rng.choice([0.24, 0.38, 0.5, 0.58])
        d._append(d.posed.vertices, faces, clip, number, _COVER)
    head = _HeadFrame(d)
    if style == "bun":
        place = head(0, d.rng.uniform(0.05, 0.08), d.rng.uniform(0.77, 0.86))
        d.layers.append(
            ball(place, np.full(3, d.rng.uniform(0.03, 0.05)), number, person=d.person, region=_COVER)
        )
    if style == "tail":
        points = [head(0.02 * i * d.rng.normal(), 0.07 + 0.02 * i, 0.79 - 0.06 * i) for i in range(5)]
        d.layers.append(
            tube(points, [0.01, 0.03, 0.034, 0.028, 0.005], number, person=d.person, region=_COVER)
        )
    if outfit.beard > 0.003:
        beard = f.beard + 0.5 * rough
        d.layer(
            beard,
            outfit.beard * np.clip(0.3 + beard / 0.02, 0.2, 1),
            number,
            rounds=2,
            hide=False,
            crease=0.001,
        )


class _HeadFrame:
    """Template coordinates near the head -> world, moving with this person's head."""

    def __init__(self, d: _Dresser):
        bone = d.body.bone("head")
        self.turn, self.place = d.posed.turns[bone], d.posed.joints[bone]
        self.template = d.body.template_joints[bone].astype(float)
        eyes, template_eyes = d.posed.keypoints[1:3], d.body.template_keypoints[1:3]
        self.scale = np.linalg.norm(eyes[0] - eyes[1]) / np.linalg.norm(template_eyes[0] - template_eyes[1])

    def __call__(self, x: float, y: float, z: float) -> np.ndarray:
        return self.place + self.turn @ (self.scale * (np.array([x, y, z]) - self.template))


def _extras(d: _Dresser, outfit: Outfit) -> None:
    """Hat, glasses, face mask, gloves."""
    f, rng = d.fields, d.rng
    head = _HeadFrame(d)
    if outfit.hat:
        number = d.add(cloth(rng, plain=0.7))
        low = {"cap": 0.0, "beanie": 0.02, "brim": 0.0, "helmet": 0.025}[outfit.hat]
        thick = {"cap": 0.02, "beanie": 0.024, "brim": 0.028, "helmet": 0.04}[outfit.hat]
        d.layer(f.hat + low, thick, number, rounds=10, over=_COVER)
        if outfit.hat in ("cap", "brim"):
            d.layers.append(_brim(head, outfit.hat == "brim", number, d.person, d.rng))
    if outfit.mask:
        row = material(
            TEXTURED,
            *[rng.choice([(0.93, 0.94, 0.95), (0.55, 0.75, 0.85), (0.05, 0.05, 0.06)])] * 3,
            tile="plain",
            size=0.1,
        )
        d.layer(f.mask, 0.005, d.add(row), rounds=12, over=_COVER)
    if outfit.gloves:
        cover = np.where(
            np.isin(f.region, _HANDS), 0.02, np.where(np.isin(f.region, _FOREARMS), (f.arm - 1.93) * 0.27, -1)
        )
        d.layer(cover, 0.0025, d.add(cloth(rng, plain=1.0)))
    if outfit.glasses:
        d.layers += _glasses(d, head, outfit.glasses == "sun")


def _brim(head: _HeadFrame, around: bool, number: int, person: int, rng) -> Mesh:
    angle = np.linspace(-1.15, 1.15, 15) if not around else np.linspace(-np.pi, np.pi, 33)
    wide = rng.uniform(0.05, 0.09) if around else 0.065
    z = 0.772 + 0.25 * np.clip(-0.14 + 0.085 * np.cos(angle) + 0.2, 0, 0.02)
    inner = [head(0.088 * np.sin(a), -0.045 - 0.108 * np.cos(a), h) for a, h in zip(angle, z, strict=True)]
    reach = wide * (1 if around else np.clip(np.cos(angle * 1.2), 0.05, 1))
    outer = [
        head((0.088 + r) * np.sin(a), -0.045 - (0.108 + r) * np.cos(a), h - 0.12 * r)
        for a, h, r in zip(angle, z, np.broadcast_to(reach, len(angle)), strict=True)
    ]
    n = len(angle)
    v = np.array(inner + outer, np.float32)
    i = np.arange(n - 1)
    faces = np.concatenate([np.stack([i, i + 1, i + n], 1), np.stack([i + 1, i + n + 1, i + n], 1)]).astype(
        np.int32
    )
    mesh = ball((0, 0, 0), np.ones(3), number, person=person, region=_COVER)
    coords = v - v.mean(0)
    one = np.ones(len(faces), np.int16)
    return replace(
        mesh,
        vertices=v,
        normals=vertex_normals(v, faces),
        coords=coords,
        faces=faces,
        paint=np.zeros((2 * n, 2), np.float32),
        clip=np.ones(2 * n, np.float32),
        material=one * np.int16(number),
        frame=one * np.int16(len(REGIONS) + 2),
        person=one * np.int16(person),
        region=one * np.int16(_COVER),
    )


def _glasses(d: _Dresser, head: _HeadFrame, dark: bool) -> list[Mesh]:
    """Frames around both eyes, a bridge and temples; sunglasses have dark lenses."""
    number = d.add(material(TEXTURED, cloth_colour(d.rng) * 0.5, gloss=(0.4, 40)))
    radius, tall = d.rng.uniform(0.02, 0.027), d.rng.uniform(0.75, 1.0)
    angle, out = np.linspace(0, 2 * np.pi, 20, endpoint=False), []
    z, y = 0.726, -0.152
    more = {"person": d.person, "region": region("head")}
    for x in (-1, 1):
        rim = [
            head(
                x * 0.034 + radius * np.cos(a),
                y + 0.25 * abs(0.034 + x * radius * np.cos(a)) ** 1.4,
                z + tall * radius * np.sin(a),
            )
            for a in angle
        ]
        out.append(tube(rim, 0.0016, number, 6, closed=True, **more))
        out.append(
            tube(
                [
                    head(x * (0.034 + radius), y + 0.012, z + 0.006),
                    head(x * 0.078, -0.06, z),
                    head(x * 0.08, -0.035, z - 0.002),
                ],
                0.0018,
                number,
                6,
                **more,
            )
        )
        if dark:
            lens = d.add(material(TEXTURED, (0.04, 0.04, 0.05), gloss=(0.6, 60)))
            out.append(
                ball(
                    head(x * 0.034, y + 0.003, z),
                    (radius, 0.003, tall * radius),
                    lens,
                    person=d.person,
                    region=_COVER,
                )
            )
            out[-1] = replace(out[-1], vertices=_turned(out[-1].vertices, head, (x * 0.034, y + 0.003, z)))
    out.append(
        tube(
            [
                head(-0.034 + radius, y, z + 0.004),
                head(0, y - 0.004, z + 0.007),
                head(0.034 - radius, y, z + 0.004),
            ],
            0.0016,
            number,
            6,
            **more,
        )
    )
    return out


def _turned(vertices: np.ndarray, head: _HeadFrame, at: tuple) -> np.ndarray:
    """Vertices made in world axes around a point of the head -> turned with the head."""
    center = head(*at)
    return ((vertices - center) @ head.turn.T * head.scale + center).astype(np.float32)
