"""What is where on the template body: regions, places along limbs, hair lines, lips; made once a process."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np

from wbkit.keypoints import FACE_REGIONS, PARTS
from wbkit.synth import body as body_module
from wbkit.synth.body import Body, load_body

REGIONS = (
    "head",
    "neck",
    "torso",
    *(f"{p}.{s}" for s in "LR" for p in ("upperarm", "forearm", "hand", "thigh", "shank", "foot")),
    "cover",
    "skirt",
    "object",
)
"""Names of a mesh's `region` values; "cover" is hair, hats, dark glasses and masks, which hide what lies
under them."""
_BONES_OF = {
    "head": ("head", "eye"),
    "neck": ("neck",),
    "upperarm": ("upperarm",),
    "forearm": ("lowerarm",),
    "hand": ("wrist", "finger", "metacarpal"),
    "thigh": ("upperleg",),
    "shank": ("lowerleg",),
    "foot": ("foot", "toe"),
}


EAR = -0.012  # m: what `hairline` is on the ears, whatever the hair


def region(name: str) -> int:
    """The number of a named region of the body."""
    return REGIONS.index(name)


@dataclass(frozen=True, eq=False)
class Fields:
    """Per vertex of the template body (V) and for all of it.

    Attributes:
        region: (V,) int16 number of REGIONS. is_skin: (V,) bool.
        arm: 0 shoulder - 1 elbow - 2 wrist. leg: 0 hip - 1 knee - 2 ankle.
        collar: m below the neck line. hairline: m inside the hair. beard: m inside a beard.
        hat: m above a hat's rim. bust: 0-1, where cloth evens out the chest.
        paint: (V, 2): share of the lips' colour (2 inside the mouth), share of beard shadow.
        eye_coords: (V, 3) for eyes, in iris radii. brows: (2, 5, 4) x, y, z, half width along each eyebrow.
        frames: (K, 14) pattern frames, one a region.
        starts, neighbours: who is joined to whom by skin. skin_faces: (F, 3).
    """

    region: np.ndarray
    is_skin: np.ndarray
    arm: np.ndarray
    leg: np.ndarray
    collar: np.ndarray
    hairline: np.ndarray
    beard: np.ndarray
    hat: np.ndarray
    bust: np.ndarray
    paint: np.ndarray
    eye_coords: np.ndarray
    brows: np.ndarray
    frames: np.ndarray
    starts: np.ndarray
    neighbours: np.ndarray
    skin_faces: np.ndarray


@lru_cache(maxsize=1)
def load_fields() -> Fields:
    """The fields of the body asset, computed once."""
    body = load_body()
    v = body.template.astype(np.float64)
    regions = _regions(body)
    skin = np.zeros(len(v), bool)
    skin[np.unique(body.faces[body.face_groups == body_module.SKIN])] = True
    head = np.isin(regions, (region("head"), region("neck"))) & skin
    starts, neighbours = _adjacency(body)
    paint = np.zeros((len(v), 2), np.float32)
    beard = np.where(head, _beard(body, v), -1)
    paint[:, 0] = np.maximum(_lips(body, v) * head, _flush(body, v, regions))
    paint[:, 1] = np.clip(beard / 0.012 + 0.3, 0, 1) * (beard > -0.004)
    return Fields(
        region=regions,
        is_skin=skin,
        arm=_along_limb(body, v, "upperarm01", "lowerarm01", "wrist"),
        leg=_along_limb(body, v, "upperleg01", "lowerleg01", "foot"),
        collar=(
            body.template_joints[body.bone("neck01")][2]
            - 0.03
            + 0.4 * np.clip(np.abs(v[:, 0]) - 0.05, 0, 0.2)
            + 0.3 * np.clip(v[:, 1] + 0.02, -0.12, 0.1)
            - v[:, 2]
        ),
        hairline=np.where(head, _hairline(v), -1),
        beard=beard,
        hat=np.where(head, v[:, 2] - (0.772 + 0.25 * (v[:, 1] + 0.14) * -1 * (v[:, 1] > -0.14)), -1),
        bust=_bust(v, regions),
        paint=paint,
        eye_coords=_eye_coords(body, v),
        brows=_brows(body),
        frames=_frames(body),
        starts=starts,
        neighbours=neighbours,
        skin_faces=body.faces[body.face_groups == body_module.SKIN],
    )


def _regions(body: Body) -> np.ndarray:
    """The part of the body that each vertex's strongest bone belongs to; helper skirt and hair apart."""
    of_bone = np.full(len(body.bones), region("torso"))
    for i, name in enumerate(body.bones):
        for part, prefixes in _BONES_OF.items():
            if name.startswith(prefixes):
                of_bone[i] = region(part if part in ("head", "neck") else f"{part}.{name[-1]}")
    out = of_bone[np.take_along_axis(body.skin_bones, body.skin_weights.argmax(1)[:, None], 1)[:, 0]]
    out[np.unique(body.faces[body.face_groups == body_module.SKIRT])] = region("skirt")
    out[np.unique(body.faces[body.face_groups == body_module.HAIR])] = region("cover")
    return out.astype(np.int16)


def _along_limb(body: Body, v: np.ndarray, *bones: str) -> np.ndarray:
    out = np.zeros(len(v))
    for side, here in (("L", v[:, 0] > 0), ("R", v[:, 0] <= 0)):
        joints = [body.template_joints[body.bone(f"{b}.{side}")].astype(float) for b in bones]
        nearest = np.full(len(v), np.inf)
        for i, (a, b) in enumerate(itertools.pairwise(joints)):
            d = b - a
            s = np.clip((v - a) @ d / (d @ d), -0.5 if i == 0 else 0, 1 if i == 0 else 1.6)
            far = np.linalg.norm(v - a - s[:, None] * d, axis=1)
            closer = here & (far < nearest)
            nearest[closer], out[closer] = far[closer], i + s[closer]
    return out


def _hairline(v: np.ndarray) -> np.ndarray:
    """How far above the hair line a point of the head lies; the ears stay free."""
    line = np.interp(
        v[:, 1],
        [-0.15, -0.115, -0.09, -0.07, -0.05, -0.02, 0.05],
        [0.795, 0.79, 0.772, 0.74, 0.72, 0.675, 0.635],
    )
    ear = (
        (np.abs(v[:, 0]) > 0.0755)
        & (v[:, 1] > -0.075)
        & (v[:, 1] < 0.005)
        & (v[:, 2] > 0.655)
        & (v[:, 2] < 0.74)
    )
    canal = (
        (np.abs(v[:, 0]) > 0.066)
        & (v[:, 1] > -0.055)
        & (v[:, 1] < -0.005)
        & (v[:, 2] > 0.655)
        & (v[:, 2] < 0.715)
    )
    return np.where(ear | canal, EAR, v[:, 2] - line)


def _beard(body: Body, v: np.ndarray) -> np.ndarray:
    """How far inside the beard: below a line from the ear past the mouth's corner, and around the lips."""
    line = np.interp(v[:, 1], [-0.15, -0.125, -0.09, -0.06], [0.676, 0.664, 0.675, 0.70])
    mouth = body.template_keypoints[FACE_REGIONS["outer_lips"]]
    low, high = mouth[:, 2].min() - 0.001, mouth[:, 2].max() + 0.0015
    middle, half = (low + high) / 2, (high - low) / 2
    lips = 0.006 * (np.hypot(v[:, 0] / 0.031, (v[:, 2] - middle) / half) - 1)
    lips = np.where(v[:, 1] < -0.11, lips, 1)
    bottom = v[:, 2] - 0.592 - 0.25 * np.clip(v[:, 1] + 0.1, 0, 1)
    return np.minimum.reduce([line - v[:, 2], lips, -0.045 - v[:, 1], bottom])


def _lips(body: Body, v: np.ndarray) -> np.ndarray:
    """1 on the lips, 2 inside the mouth, 0 outside, from the outline of the outer lip points."""
    outline = (body.template_keypoints[FACE_REGIONS["outer_lips"]][:, [0, 2]] * 1000).astype(np.float32)
    out = np.zeros(len(v), np.float32)
    near = np.flatnonzero((np.abs(v[:, 0]) < 0.03) & (v[:, 1] < -0.1) & (np.abs(v[:, 2] - 0.655) < 0.02))
    for i in near:
        inside = cv2.pointPolygonTest(outline.reshape(-1, 1, 2), (v[i, 0] * 1000, v[i, 2] * 1000), True)
        out[i] = np.clip(inside / 1.0 + 0.5, 0, 1)
    inner = (
        (np.abs(v[:, 0]) < 0.03) & (v[:, 1] > -0.108) & (v[:, 1] < -0.03) & (np.abs(v[:, 2] - 0.66) < 0.035)
    )
    out[inner] = 2
    return out


def _bust(v: np.ndarray, regions: np.ndarray) -> np.ndarray:
    """1 at the tips of the breasts, falling to 0 within some centimetres."""
    far = np.hypot(np.abs(v[:, 0]) - 0.106, v[:, 2] - 0.355)
    front = (regions == region("torso")) & (v[:, 1] < -0.05)
    return (0.95 * np.exp(-((far / 0.03) ** 2)) * front).astype(np.float32)


def _flush(body: Body, v: np.ndarray, regions: np.ndarray) -> np.ndarray:
    """Share of the lips' colour in skin that is redder: cheeks, nose, ears, knuckles, elbows and knees."""
    points, out = body.template_keypoints, np.zeros(len(v))
    face = points[PARTS["face"]]
    cheeks = [(face[a] + face[b]) / 2 for a, b in ((2, 31), (14, 35))]
    joints = [f"{b}.{s}" for b in ("lowerarm01", "lowerleg01") for s in "LR"]
    spots = [(p, 0.022, 0.16) for p in cheeks] + [(p, 0.014, 0.18) for p in points[[0, 3, 4]]]
    spots += [(body.template_joints[body.bone(b)], 0.06, 0.12) for b in joints]
    spots += [(points[k], 0.009, 0.14) for k in range(91, 133) if (k - 91) % 21 % 4 != 1]
    for place, size, share in spots:
        out = np.maximum(out, share * np.exp(-(((v - place) ** 2).sum(1) / size**2)))
    return out * (regions < region("cover"))


def _eye_coords(body: Body, v: np.ndarray) -> np.ndarray:
    out = np.zeros((len(v), 3), np.float32)
    eyes = np.unique(body.faces[body.face_groups == body_module.EYES])
    for here in (eyes[v[eyes, 0] > 0], eyes[v[eyes, 0] < 0]):
        low, high = v[here].min(0), v[here].max(0)
        out[here] = (v[here] - (low + high) / 2) / (0.5 * (high - low)[2] * np.sin(np.radians(25)))
    return out


def _brows(body: Body) -> np.ndarray:
    points = body.template_keypoints
    out = []
    for name, widths in (
        ("right_eyebrow", (0.0022, 0.0036, 0.0042, 0.0046, 0.004)),
        ("left_eyebrow", (0.004, 0.0046, 0.0042, 0.0036, 0.0022)),
    ):
        out.append(np.concatenate([points[FACE_REGIONS[name]], np.array(widths)[:, None]], 1))
    out = np.array(out, np.float32)
    out[:, :, 2] += 0.0024  # the ridge slopes: the drawn band would look low
    return out


def _frames(body: Body) -> np.ndarray:
    """(R, 14) float32: kind 1 (around an axis), origin, axis, side, front, radius for every region."""
    at = dict(zip(body.bones, body.template_joints.astype(float), strict=True))
    table = np.zeros((len(REGIONS), 14), np.float32)
    for i, name in enumerate(REGIONS):
        origin, axis, radius = np.array([0, -0.02, 0]), np.array([0, 0, 1.0]), 0.15
        part, _, side = name.partition(".")
        ends = {
            "upperarm": ("upperarm01", "lowerarm01", 0.05),
            "forearm": ("lowerarm01", "wrist", 0.04),
            "thigh": ("upperleg01", "lowerleg01", 0.08),
            "shank": ("lowerleg01", "foot", 0.055),
        }.get(part)
        if ends:
            origin, end, radius = at[f"{ends[0]}.{side}"], at[f"{ends[1]}.{side}"], ends[2]
            axis = (origin - end) / np.linalg.norm(origin - end)
        across = np.cross([0, -1.0, 0], axis)
        across /= np.linalg.norm(across)
        table[i] = [1, *origin, *axis, *across, *np.cross(axis, across), radius]
    return table


def _adjacency(body: Body) -> tuple[np.ndarray, np.ndarray]:
    faces = body.faces[body.face_groups == body_module.SKIN]
    edges = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    edges = np.unique(np.concatenate([edges, edges[:, ::-1]]), axis=0)
    starts = np.searchsorted(edges[:, 0], np.arange(len(body.template) + 1))
    return starts.astype(np.int64), edges[:, 1].astype(np.int64)
