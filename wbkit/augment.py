"""Training crops differ every time: where they are cut, how they are mirrored, lit, blurred and covered.

Geometry (`Outcome`, `Region`) follows MMPose 1.3.2 in order, precision and distribution. The changes of
pixels (`change_pixels`) are ours, to go from rendered people to photographs; published recipes have none.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from statistics import NormalDist

import cv2
import numpy as np

from wbkit.geometry import fix_aspect, flip_keypoints, half_body_box, warp_matrix
from wbkit.keypoints import FLIP_INDICES, LOWER_BODY, UPPER_BODY
from wbkit.recipes import Augmentation


@dataclass(frozen=True)
class Outcome:
    """What chance decided for one sample; `Region.augmented` carries it out.

    Attributes:
        flip: mirror the picture.
        half_body: indices of the keypoints to zoom in on, or None.
        offset: (x, y) shift of the centre in units of the region's (w, h).
        scale_factor: factor on the region's size.
        rotation_deg: its rotation.
    """

    flip: bool = False
    half_body: tuple[int, ...] | None = None
    offset: tuple[float, float] = (0.0, 0.0)
    scale_factor: float = 1.0
    rotation_deg: float = 0.0


def truncated_normal(rng: np.random.Generator, size: int) -> np.ndarray:
    """Standard normal values between -1 and 1, by inverting the distribution function: (size,)."""
    normal = NormalDist()
    return np.array([normal.inv_cdf(u) for u in rng.uniform(normal.cdf(-1), normal.cdf(1), size)])


def draw_half_body(
    visible: np.ndarray, settings: Augmentation, rng: np.random.Generator
) -> tuple[int, ...] | None:
    """Which half of a person to zoom in on, if any.

    Args:
        visible: (133,) bool, after mirroring.

    Returns:
        The visible keypoints of the chosen half, or None: too few are visible, or chance says no.
    """
    if visible.sum() < settings.half_body_min_keypoints or rng.random() > settings.half_body_probability:
        return None
    upper, lower = (tuple(i for i in ids if visible[i]) for ids in (UPPER_BODY, LOWER_BODY))
    few_upper, few_lower = (
        len(upper) < settings.half_body_min_upper,
        len(lower) < settings.half_body_min_lower,
    )
    if few_upper and few_lower:
        return None
    if few_upper or few_lower:
        return lower if few_upper else upper
    return upper if rng.random() < settings.prefer_upper_probability else lower


def draw_outcome(visible: np.ndarray, settings: Augmentation, rng: np.random.Generator) -> Outcome:
    """Throw the dice for one sample: (133,) bool visibilities -> `Outcome`."""
    flip = bool(rng.random() < settings.flip_probability)
    half = draw_half_body(visible[FLIP_INDICES] if flip else visible, settings, rng)
    shift_x, shift_y, scale, rotation = truncated_normal(rng, 4)
    shifted = rng.random() < settings.shift_probability
    rotated = rng.random() < settings.rotation_probability
    low, high = settings.scale
    return Outcome(
        flip=flip,
        half_body=half,
        offset=(shift_x * settings.shift, shift_y * settings.shift) if shifted else (0.0, 0.0),
        scale_factor=(low + high) / 2 + (high - low) / 2 * scale,
        rotation_deg=rotation * settings.rotation_deg if rotated else 0.0,
    )


@dataclass(frozen=True)
class Region:
    """One person in a picture: where to cut, and the points that travel along.

    Numbers keep the precision in which MMPose carries them (float32 from boxes, float64 from half
    bodies), so that crops agree to the last grey level.

    Attributes:
        center: (2,) middle of the region.
        scale: (2,) its padded (w, h), of any aspect ratio.
        keypoints: (133, 2) image px.
        visible: (133,) bool, labelled.
    """

    center: np.ndarray
    scale: np.ndarray
    keypoints: np.ndarray
    visible: np.ndarray

    def mirrored(self, image_width: int) -> Region:
        """The same person in the mirrored picture."""
        center = self.center.copy()
        center[0] = image_width - 1 - center[0]
        keypoints = flip_keypoints(self.keypoints, image_width)
        return Region(center, self.scale, keypoints, self.visible[FLIP_INDICES])

    def augmented(self, outcome: Outcome, image_width: int, half_body_padding: float) -> Region:
        """Mirror, zoom on half the body, shift, scale: in MMPose's order (rotation is for the warp)."""
        region = self.mirrored(image_width) if outcome.flip else self
        center, scale = region.center, region.scale
        if outcome.half_body:
            half = half_body_box(region.keypoints, list(outcome.half_body), half_body_padding)
            center, scale = half if half[1].all() else (center, scale)  # not if all lie in one line
        center = center + np.array(outcome.offset, np.float32) * scale
        return replace(region, center=center, scale=scale * np.float32(outcome.scale_factor))

    def matrix(self, input_size: tuple[int, int], rotation_deg: float = 0.0, udp: bool = False) -> np.ndarray:
        """(2, 3) image -> crop."""
        return warp_matrix(self.center, fix_aspect(self.scale, input_size), rotation_deg, input_size, udp)


# --- pixels --------------------------------------------------------------------------------------------


def change_pixels(crop: np.ndarray, settings: Augmentation, rng: np.random.Generator) -> np.ndarray:
    """What light, lens, compression and things in front do to a crop: (H, W, 3) uint8 RGB -> the same.

    Each change has its own chance, times `settings.photometric`; patches are covered with
    `settings.erase_probability`. Labels stay. With both at 0 no dice are thrown, and the crop is untouched.
    """
    if settings.photometric > 0:
        for change, chance in ((_relight, 0.8), (_blur, 0.25), (_add_noise, 0.25), (_compress, 0.2)):
            if rng.random() < chance * settings.photometric:
                crop = change(crop, rng)
    if settings.erase_probability > 0 and rng.random() < settings.erase_probability:
        crop = _erase(crop, rng)
    return crop


def _relight(crop: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Another exposure, contrast, gamma, saturation and white balance; sometimes no colour at all."""
    light = (np.arange(256, dtype=np.float32) / 255) ** np.float32(np.exp(rng.normal(0, 0.25)))
    mean = light @ cv2.calcHist([crop.reshape(-1, 1)], [0], None, [256], [0, 256]).ravel() / crop.size
    table = (light - mean) * np.exp(rng.normal(0, 0.25)) + mean + rng.normal(0, 0.08)  # (256,)
    table = table[:, None] * np.exp(rng.normal(0, 0.08, 3))  # (256, 3), a column for each colour
    saturation = 0.0 if rng.random() < 0.12 else np.exp(rng.normal(0, 0.35))
    mixed = saturation * np.eye(3) + (1 - saturation) / 3  # the colours' mean + saturation x the rest
    x = cv2.transform(cv2.LUT(crop, 255 * table[None].astype(np.float32)), mixed)  # (H, W, 3)
    return cv2.add(x, 0, dtype=cv2.CV_8U)  # rounded, and cut off at 0 and 255


def _blur(crop: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Out of focus, or enlarged from fewer pixels, as small people in photographs are."""
    size = crop.shape[1::-1]
    if rng.random() < 0.5:
        return cv2.GaussianBlur(crop, (0, 0), rng.uniform(0.4, 0.016 * min(size)))
    share = rng.uniform(0.3, 0.8)
    small = cv2.resize(crop, None, fx=share, fy=share, interpolation=cv2.INTER_AREA)
    return cv2.resize(small, size, interpolation=cv2.INTER_LINEAR)


def _add_noise(crop: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A sensor's noise, of one pixel or of two."""
    cv2.setRNGSeed(int(rng.integers(2**31)))  # OpenCV draws in half of NumPy's time
    grain = cv2.randn(np.empty(crop.size, np.float32), 0, rng.uniform(3, 18)).reshape(crop.shape)
    if rng.random() < 0.5:
        grain = cv2.blur(grain, (2, 2)) * 1.5
    return cv2.add(crop, grain, dtype=cv2.CV_8U)


def _compress(crop: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """JPEG and back."""
    coded = cv2.imencode(".jpg", crop, [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(25, 90))])[1]
    return cv2.imdecode(coded, cv2.IMREAD_COLOR)


def _erase(crop: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """One to three patches covered: by one colour, by noise, or by another place of the same crop.

    The points below stay labelled: the network learns to tell where a covered joint must be.
    """
    crop, (height, width) = crop.copy(), crop.shape[:2]
    for _ in range(rng.integers(1, 4)):
        share, aspect = rng.uniform(0.005, 0.06), np.exp(rng.uniform(-1, 1))
        h = int(min(max(np.sqrt(share * height * width * aspect), 2), height // 2))
        w = int(min(max(np.sqrt(share * height * width / aspect), 2), width // 2))
        y, x, y0, x0 = rng.integers(0, (height - h, width - w, height - h, width - w))
        fill = rng.integers(3)
        if fill == 0:
            crop[y : y + h, x : x + w] = rng.integers(0, 256, 3)
        elif fill == 1:
            crop[y : y + h, x : x + w] = rng.integers(0, 256, (h, w, 3))
        else:
            crop[y : y + h, x : x + w] = crop[y0 : y0 + h, x0 : x0 + w].copy()
    return crop
