"""Where the camera stands, and what it does to a picture: focus, motion, exposure, noise, colour."""

from __future__ import annotations

import cv2
import numba
import numpy as np

from wbkit.keypoints import LOWER_BODY
from wbkit.synth.render import Camera
from wbkit.synth.rig import choose

FRAMINGS = {"full": 0.44, "knee": 0.14, "half": 0.18, "bust": 0.1, "far": 0.1, "hands": 0.04}
HARD_FRAMINGS = {"full": 0.46, "knee": 0.08, "half": 0.14, "bust": 0.06, "far": 0.16, "hands": 0.1}


def look_at(position, target, focal: float, size_wh: tuple[int, int], roll: float = 0.0) -> Camera:
    """A camera at `position` looking at `target`; `roll` in degrees; the target is at the picture's
    centre."""
    forward = np.asarray(target, float) - position
    forward /= np.linalg.norm(forward)
    right = np.cross(forward, [0, 0, 1.0])
    right /= np.linalg.norm(right)
    down = np.cross(forward, right)
    c, s = np.cos(np.radians(roll)), np.sin(np.radians(roll))
    axes = np.stack([c * right + s * down, c * down - s * right, forward])
    return Camera(np.asarray(position, float), axes, focal, (np.array(size_wh) - 1) / 2, size_wh)


def place_camera(
    rng: np.random.Generator,
    people: list[np.ndarray],
    size_wh: tuple[int, int],
    framings: dict[str, float] = FRAMINGS,
) -> Camera:
    """A camera that frames the first person or the group, from -y, from any height.

    Args:
        people: keypoints (133, 3) of every person, the most important first.
        framings: how often each part of them fills the picture.
    """
    framing = choose(rng, framings)
    group = framing in ("full", "far") or (framing == "knee" and rng.uniform() < 0.5)
    points = np.concatenate(people) if group else people[0]
    if framing == "knee":
        points = points[np.arange(len(points)) % 133 < 15]
    elif framing == "half":
        points = np.delete(people[0], [*LOWER_BODY[2:]], axis=0)
    elif framing == "bust":
        points = people[0][[*range(7), *range(23, 91)]]
    elif framing == "hands":
        hand = [*range(91, 112)] if rng.uniform() < 0.5 else [*range(112, 133)]
        points = people[0][[*range(91, 133), 0] if rng.uniform() < 0.4 else hand]
    low, high = points.min(0), points.max(0)
    middle, extent = (low + high) / 2, high - low
    width, height = size_wh
    elevation = np.radians(
        rng.choice([rng.normal(4, 7), rng.uniform(12, 50), rng.uniform(-20, -4)], p=[0.7, 0.19, 0.11])
    )
    margin = {"full": rng.uniform(1.05, 1.5), "far": rng.uniform(2, 4.5)}.get(framing, rng.uniform(1.0, 1.45))
    fov = np.radians(rng.uniform(24, 62))  # vertical
    focal = 0.5 * height / np.tan(fov / 2)
    tall, wide = extent[2] + 0.2, max(extent[0], extent[1] * 0.6) + 0.25
    away = margin * focal * max(tall / height, wide / width) + 0.5 * extent[1]
    away = max(away, 0.55)
    middle = middle + rng.normal(0, 0.05, 3) * [wide, 0, tall]
    position = middle + away * np.array([0, -np.cos(elevation), np.sin(elevation)])
    position[2] = max(position[2], 0.12)
    roll = rng.normal(0, 2.5) if rng.uniform() < 0.6 else 0.0
    return look_at(position, middle, focal, size_wh, roll)


def defocus(rng: np.random.Generator, size_wh: tuple[int, int]):
    """A function that blurs the background as a lens does, or None."""
    radius = rng.choice([0, rng.uniform(0.5, 2), rng.uniform(2, 9)], p=[0.4, 0.35, 0.25]) * size_wh[1] / 512
    if radius < 0.4:
        return None
    size = int(2 * np.ceil(radius) + 1)
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size)).astype(np.float32)
    return lambda colours: cv2.filter2D(colours, -1, kernel / kernel.sum())


def crease_shadows(picture: np.ndarray, depth: np.ndarray, focal: float, strength: float) -> np.ndarray:
    """Darken what lies just behind a nearer surface, where less light of the sky arrives: (H, W, 3) -> (H,
    W, 3).

    Args:
        depth: (H, W) m. focal: px. strength: 0-1.
    """
    ways = np.array(
        [[r * np.sin(a), r * np.cos(a)] for r, b in ((1, 0.4), (2, 0.0)) for a in b + 0.785 * np.arange(8)]
    )
    hidden = _hidden_share(depth[::2, ::2].copy(), np.float32(focal * 0.03), ways.astype(np.float32))
    dark = cv2.resize(hidden, depth.shape[::-1], interpolation=cv2.INTER_LINEAR)
    return picture * (1 - np.float32(strength) * dark)[:, :, None]


@numba.njit(cache=True, fastmath=True)
def _hidden_share(depth, radius_at_1m, ways):
    """Share 0-1 of a pixel's surroundings (6 and 12 cm around) that lies slightly nearer to the camera."""
    height, width = depth.shape
    out = np.zeros((height, width), np.float32)
    for y in range(height):
        for x in range(width):
            z = depth[y, x]
            if z > 50:
                continue
            radius = min(max(radius_at_1m / z, np.float32(0.6)), np.float32(12))
            for k in range(len(ways)):
                yy, xx = (
                    int(y + radius * ways[k, 0] + np.float32(0.5)),
                    int(x + radius * ways[k, 1] + np.float32(0.5)),
                )
                if 0 <= yy < height and 0 <= xx < width:
                    step = z - depth[yy, xx] - np.float32(0.015)
                    if 0 < step < np.float32(0.5):
                        out[y, x] += (
                            min(step * np.float32(12), np.float32(1)) * (1 - 2 * step) / np.float32(16)
                        )
    return out


def develop(rng: np.random.Generator, picture: np.ndarray) -> np.ndarray:
    """Linear RGB (H, W, 3) -> sRGB uint8: exposure, tone curve, colour cast, blur, vignetting, noise."""
    height, width = picture.shape[:2]
    grey = cv2.transform(picture, np.full((1, 3), 1 / 3, np.float32))
    wanted = 0.2 * rng.choice([1.0, 0.5, 1.6], p=[0.82, 0.12, 0.06]) * rng.lognormal(0, 0.2)
    few = grey[::4, ::4]
    exposure = min(
        wanted / (0.5 * np.median(few) + 0.5 * few.mean() + 1e-3), 0.9 / (np.quantile(few, 0.96) + 1e-3)
    )
    x = picture * np.float32(exposure) * (1 + rng.normal(0, 0.045, 3)).astype(np.float32)
    x = _blur(rng, x)
    if rng.uniform() < 0.35:
        yy, xx = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
        x *= (1 - rng.uniform(0.1, 0.45) * (xx**2 + yy**2) / 2).astype(np.float32)[:, :, None]
    gain = rng.choice([0.0004, 0.002, 0.008], p=[0.5, 0.35, 0.15])
    grain = rng.standard_normal((height, width), np.float32) * np.float32(0.7)
    grain = np.stack([grain, np.roll(grain, 97, 0), np.roll(grain, 61, 1)], 2)
    x = x + np.sqrt(np.maximum(x, 0) * gain + gain * 0.02) * grain
    x = np.clip(x, 0, None)
    shoulder = rng.uniform(1.6, 5.0)
    x = x * (1 + x / shoulder**2) / (1 + x)  # Reinhard's curve with a white point
    x = cv2.pow(np.clip(x * np.float32(1.35), 0, 1), 1 / 2.2)
    contrast = rng.uniform(0.95, 1.35)
    x = np.clip((x - 0.42) * contrast + 0.42, 0, 1)
    if rng.uniform() < 0.25:
        x = x.mean(2, keepdims=True) + (x - x.mean(2, keepdims=True)) * np.float32(
            rng.choice([0, rng.uniform(0.3, 1.4)], p=[0.15, 0.85])
        )
    return (np.clip(x, 0, 1) * 255 + 0.5).astype(np.uint8)


def _blur(rng: np.random.Generator, x: np.ndarray) -> np.ndarray:
    """Sometimes a moving camera, a soft lens, or a picture enlarged from fewer pixels."""
    kind = choose(rng, {"sharp": 0.74, "motion": 0.07, "soft": 0.1, "small": 0.09})
    unit = x.shape[0] / 512
    if kind == "motion":
        length, angle = max(3, int(rng.uniform(4, 12) * unit)), rng.uniform(0, np.pi)
        kernel = np.zeros((length | 1, length | 1), np.float32)
        c, d = (length | 1) // 2, 0.5 * length * np.array([np.cos(angle), np.sin(angle)])
        cv2.line(kernel, (round(c - d[0]), round(c - d[1])), (round(c + d[0]), round(c + d[1])), 1)
        return cv2.filter2D(x, -1, kernel / kernel.sum())
    if kind == "soft":
        return cv2.GaussianBlur(x, (0, 0), rng.uniform(0.5, 1.6) * unit)
    if kind == "small":
        k = rng.uniform(0.35, 0.8)
        small = cv2.resize(x, None, fx=k, fy=k, interpolation=cv2.INTER_AREA)
        return cv2.resize(small, x.shape[1::-1], interpolation=cv2.INTER_LINEAR)
    return x
