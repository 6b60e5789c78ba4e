"""How a person looks: colours of skin, hair, eyes and cloth, and which clothes; no geometry."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from wbkit.synth.render import EYE, HAIR, MATERIAL_FIELDS, SKIN, TEXTURED
from wbkit.synth.rig import choose
from wbkit.synth.textures import CLOTH, tile_index

SKIN_TONES = np.array([[230, 198, 178], [222, 184, 160], [208, 166, 136], [190, 144, 112], [164, 118, 86],
                       [136, 92, 66], [106, 68, 48], [78, 50, 36], [56, 36, 28]]) / 255  # fmt: skip
HAIR_COLOURS = {
    "black": (18, 16, 16),
    "dark brown": (46, 32, 24),
    "brown": (84, 58, 38),
    "light brown": (126, 92, 60),
    "blond": (196, 158, 102),
    "red": (138, 62, 28),
    "grey": (130, 128, 126),
    "white": (214, 212, 208),
}
EYE_COLOURS = ((60, 38, 22), (82, 52, 28), (104, 82, 44), (88, 104, 66), (84, 112, 138), (110, 122, 130))
NEUTRALS = (
    (18, 18, 20),
    (38, 38, 42),
    (70, 70, 74),
    (120, 120, 122),
    (190, 190, 190),
    (238, 238, 236),
    (24, 30, 52),
    (36, 48, 84),
    (62, 84, 122),
    (98, 124, 160),
    (60, 62, 46),
    (44, 42, 40),
)


@dataclass(frozen=True, eq=False)
class Outfit:
    """What is worn. Lengths: `sleeve` 0 shoulder - 2 wrist, `leg` 0 hip - 2 ankle, `hem` m below the hip
    joint,
    `collar` m above the neck line, `socks` m above the ankle (0: none); offsets from the skin in m.
    `tucked`: the top ends inside the bottom. None: not worn."""

    hair: str
    fringe: bool
    curly: bool
    beard: float
    sleeve: float
    hem: float
    collar: float
    tucked: bool
    top_offset: float
    top_smooth: int
    leg: float
    leg_offset: float
    skirt: float | None
    coat: float | None
    shoes: str
    socks: float
    hat: str | None
    glasses: str | None
    mask: bool
    gloves: bool


def linear(rgb) -> np.ndarray:
    """sRGB 0-1 -> linear."""
    rgb = np.asarray(rgb, np.float64)
    return np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)


def is_skin_like(rgb: np.ndarray) -> bool:
    """Whether an sRGB colour (0-1) could be taken for skin: orange hues of medium saturation."""
    h, s, v = cv2.cvtColor(np.float32([[rgb]]), cv2.COLOR_RGB2HSV)[0, 0]
    return bool((h < 46 or h > 345) and 0.1 < s < 0.75 and v > 0.2)


def cloth_colour(rng: np.random.Generator) -> np.ndarray:
    """sRGB 0-1: half of all cloth is black, white, grey, navy or denim; never the colour of skin."""
    while True:
        if rng.uniform() < 0.5:
            rgb = np.array(NEUTRALS[rng.integers(len(NEUTRALS))]) / 255 * rng.uniform(0.85, 1.1)
        else:
            hsv = np.float32([[[rng.uniform(0, 360), rng.beta(2, 1.6), rng.uniform(0.2, 0.95)]]])
            rgb = cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB)[0, 0]
        rgb = np.clip(rgb, 0, 1)
        if not is_skin_like(rgb):
            return rgb


def material(
    kind: int,
    *colours,
    tile: str | None = None,
    size: float = 0.25,
    gloss=(0.0, 8.0),
    shade: float = 0.6,
    rng: np.random.Generator | None = None,
    **extra: float,
) -> np.ndarray:
    """A row of the material table; `colours` are sRGB 0-1, `size` the tile's width in metres."""
    row = np.zeros(MATERIAL_FIELDS, np.float32)
    row[0] = kind
    for i in range(3):
        row[1 + 3 * i : 4 + 3 * i] = linear(colours[min(i, len(colours) - 1)])
    row[10] = -1 if tile is None else tile_index(tile)
    row[11], row[12], row[13], row[14] = size, gloss[0], gloss[1], shade
    if rng is not None:
        row[16:18] = rng.uniform(0, 1, 2)
    row[15], row[18] = extra.get("brow", 0), extra.get("freckles", 0)
    return row


def cloth(rng: np.random.Generator, plain: float = 0.45, size: float = 1.0, dark: bool = False) -> np.ndarray:
    """A random cloth material; none of its colours is like skin."""
    tile = (
        rng.choice(["plain", "plain2", "knit", "heather", "denim"])
        if rng.uniform() < plain
        else rng.choice(CLOTH)
    )
    colours = _cloth_colours(rng, str(tile), dark)
    while any(is_skin_like(c) for c in colours):  # mixtures may be, and a neutral of a warm tone
        colours = _cloth_colours(rng, str(tile), dark)
    return material(
        TEXTURED,
        *colours,
        tile=str(tile),
        size=size * rng.uniform(0.16, 0.45),
        shade=rng.uniform(0.5, 1.1),
        gloss=(rng.choice([0, 0, 0.02, 0.06]), rng.uniform(6, 30)),
        rng=rng,
    )


def _cloth_colours(rng: np.random.Generator, tile: str, dark: bool) -> list[np.ndarray]:
    """The three colours of a cloth, sRGB 0-1; those of heather and denim are shades of one."""
    colours = [cloth_colour(rng) for _ in range(3)]
    if dark and rng.uniform() < 0.6:
        colours[0] = np.array(NEUTRALS[rng.choice([0, 1, 2, 6, 7, 8, 9, 10])]) / 255
    if tile in ("heather", "denim"):
        colours[1], colours[2] = np.clip(colours[0] * 0.6 + 0.12, 0, 1), np.clip(colours[0] * 0.5 + 0.3, 0, 1)
    return colours


def sample_tones(rng: np.random.Generator, traits: dict[str, float]) -> dict[str, np.ndarray]:
    """Materials of the body itself: skin, eyes, hair, teeth."""
    african, asian, caucasian = (traits[k] for k in ("african", "asian", "caucasian"))
    depth = np.clip(6.3 * african + 2.4 * asian + 1.2 * caucasian + rng.normal(0, 1.1), 0, 8)
    skin = np.array([np.interp(depth, range(9), SKIN_TONES[:, i]) for i in range(3)])
    skin = np.clip(skin * rng.uniform(0.93, 1.05) * (1 + rng.normal(0, 0.015, 3)), 0, 1)
    dark = african + 0.8 * asian > rng.uniform(0.1, 0.9)
    shares = (
        {"black": 6, "dark brown": 3, "brown": 0.6}
        if dark
        else {"black": 1, "dark brown": 2.2, "brown": 2.5, "light brown": 2, "blond": 1.8, "red": 0.7}
    )
    if traits["age"] > rng.uniform(0.72, 0.9):
        shares = {"grey": 2, "white": 1, "dark brown": 1}
    hair = np.array(HAIR_COLOURS[choose(rng, shares)]) / 255 * rng.uniform(0.8, 1.2)
    if rng.uniform() < 0.03:
        hair = cv2.cvtColor(np.float32([[[rng.uniform(0, 360), 0.7, 0.6]]]), cv2.COLOR_HSV2RGB)[0, 0]
    hair = np.clip(hair, 0, 1)
    iris = np.array(EYE_COLOURS[rng.integers(0, 2 if dark else len(EYE_COLOURS))]) / 255
    female = traits["gender"] > 0.5
    lips = skin * np.array([0.92, 0.66, 0.66])
    if female and rng.uniform() < 0.35:
        lips = np.array([rng.uniform(0.45, 0.75), rng.uniform(0.08, 0.25), rng.uniform(0.12, 0.3)])
    return {
        "skin": _skin(rng, skin, lips, hair),
        "eyes": material(EYE, (0.74, 0.71, 0.69), iris, gloss=(0.4, 80)),
        "hair": material(HAIR, hair, shade=rng.uniform(0.12, 0.32), gloss=(rng.uniform(0.01, 0.06), 14)),
        "teeth": material(TEXTURED, (0.86, 0.83, 0.76), gloss=(0.1, 30)),
    }


def _skin(rng: np.random.Generator, skin: np.ndarray, lips: np.ndarray, hair: np.ndarray) -> np.ndarray:
    """The material of skin: its blotches, shine and freckles differ from person to person."""
    return material(
        SKIN,
        skin,
        lips,
        0.75 * hair + 0.25 * skin * 0.5,
        tile="skin",
        size=rng.uniform(0.16, 0.4),
        shade=rng.uniform(0.5, 1.3),
        gloss=(rng.uniform(0.01, 0.06), rng.uniform(10, 24)),
        rng=rng,
        brow=rng.uniform(0.55, 0.95),
        freckles=rng.choice([0, 0.05, 0.25]),
    )


def sample_outfit(rng: np.random.Generator, female: bool) -> Outfit:
    """Which clothes; everybody wears a top, and trousers, shorts or a skirt."""
    u = rng.uniform
    warm = u() < 0.35
    loose = u() < 0.5
    skirt = u(0.3, 0.9) if u() < (0.26 if female else 0.02) else None
    tucked = skirt is not None or u() < 0.25
    # never in the fold between trunk and thigh, where a hem would be torn when the hip bends
    hem = u(-0.085, -0.07) if tucked else u(-0.07, -0.035) if u() < 0.75 else u(0.07, 0.16)
    hair = _sample_hair(rng, female)
    return Outfit(
        hair=hair,
        fringe=hair in ("short", "medium", "long", "tail", "bun") and u() < (0.35 if female else 0.3),
        curly=u() < 0.2,
        beard=0.0 if female or u() < 0.55 else rng.choice([0.0015, 0.004, 0.008, 0.014]),
        sleeve=_sample_sleeve(rng, warm),
        hem=hem,
        collar=rng.choice([u(-0.05, 0), u(0, 0.03), u(0.04, 0.08)], p=[0.4, 0.4, 0.2]),
        tucked=tucked,
        top_offset=u(0.014, 0.035) if loose else u(0.007, 0.013),
        top_smooth=int(rng.integers(8, 16) if loose else rng.integers(4, 8)),
        leg=float(rng.choice([u(0.45, 0.6), u(0.6, 0.95), u(1.2, 1.5), u(1.8, 1.95)],
                             p=[0.06, 0.2, 0.06, 0.68])),
        leg_offset=u(0.018, 0.045) if u() < 0.5 else u(0.006, 0.014),
        skirt=skirt,
        coat=u(0.05, 0.75) if warm and u() < 0.6 else None,
        shoes=choose(rng, {"sneaker": 0.5, "low": 0.2, "boot": 0.15, "bare": 0.09, "sandal": 0.06}),
        socks=rng.choice([0.0, u(0.03, 0.08), u(0.1, 0.3)], p=[0.35, 0.4, 0.25]),
        hat=choose(rng, {"cap": 0.4, "beanie": 0.3, "brim": 0.2, "helmet": 0.1}) if u() < 0.16 else None,
        glasses=choose(rng, {"clear": 0.7, "sun": 0.3}) if u() < 0.2 else None,
        mask=u() < 0.05,
        gloves=u() < (0.15 if warm else 0.03),
    )  # fmt: skip


def _sample_hair(rng: np.random.Generator, female: bool) -> str:
    shares = (
        {"short": 0.18, "medium": 0.2, "long": 0.34, "bun": 0.11, "afro": 0.05, "tail": 0.14, "buzz": 0.02}
        if female
        else {
            "short": 0.54,
            "buzz": 0.15,
            "medium": 0.11,
            "bald": 0.1,
            "long": 0.03,
            "afro": 0.05,
            "bun": 0.02,
        }
    )
    return choose(rng, shares)


def _sample_sleeve(rng: np.random.Generator, warm: bool) -> float:
    """Where a sleeve ends: 0 shoulder - 2 wrist."""
    u = rng.uniform
    lengths = [0.15, u(0.4, 0.7), u(0.85, 1.0), u(1.4, 1.6), u(1.85, 2)]
    return float(u(1.75, 2.02) if warm else rng.choice(lengths, p=[0.1, 0.4, 0.1, 0.08, 0.32]))
