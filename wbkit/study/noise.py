"""How predicted heatmaps differ from their targets: a noise model, fitted by `wbkit.study.noise_fit`.

A predicted map is described as one Gaussian, higher or lower and wider than the target, in a place that is
off by some offset, plus a field of spatially correlated noise:

    predicted(x) = a G(x; c + d, w sigma) + s(x) n(x),    s(x)^2 = far^2 + near^2 G(x; c + d, 3 sigma)^2

with a, w and the spread of d for each keypoint, and n with unit variance and Gaussian correlation. Where
the truth is known exactly (synthetic people), maps drawn from the model tell what encoding and decoding
do, apart from what a network does. What it leaves out: offsets of one person's keypoints are independent
but for a common factor, and nothing ties an offset to a low maximum.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from wbkit.heatmaps import HeatmapCodec
from wbkit.keypoints import PARTS

LOST_BEYOND = 3.0  # target sigmas: farther off, a keypoint counts as lost, not as inexact
ENVELOPE = 3.0  # width of the noise around a peak, in target sigmas (as residuals of trained maps show)
_RANGE = (0.02, 1.2)  # of drawn amplitudes: a map's maximum is positive, and hardly above the target's 1
_SMALLEST = 1e-18  # tails below it become 0: denormal floats are slow


@dataclass(frozen=True, eq=False)
class NoiseModel:
    """The moments, K keypoints. Lengths are shares of the crop's height or multiples of the target's sigma.

    Attributes:
        amplitude, amplitude_sd: (K,) mean and standard deviation of the maps' maxima.
        width: (K,) width of the predicted Gaussians, in target sigmas.
        offset: (K,) standard deviation of the place along x or y, lost keypoints left out; share of the
            crop's height, so that the same number means the same distance on the person at every size.
        lost: (K,) share of keypoints that are more than `LOST_BEYOND` sigmas off.
        lost_offset: as `offset`, for the lost ones.
        person_spread: standard deviation of the logarithm of a person's factor on all its offsets.
        noise_near, noise_far: standard deviation of the additive noise at a peak and far from it.
        noise_length: standard deviation of the blur that correlates the noise, in target sigmas.
    """

    amplitude: np.ndarray
    amplitude_sd: np.ndarray
    width: np.ndarray
    offset: np.ndarray
    lost: np.ndarray
    lost_offset: float
    person_spread: float
    noise_near: float
    noise_far: float
    noise_length: float

    def rounded(self, digits: int = 2) -> NoiseModel:
        """The same to so many significant digits: equal on every machine, whatever its last bits."""
        return NoiseModel(**{f.name: _significant(getattr(self, f.name), digits) for f in fields(self)})

    def sharper(self, factor: float) -> NoiseModel:
        """A better network: offsets, lost keypoints and additive noise so many times less."""
        less = {name: getattr(self, name) / factor for name in ("offset", "lost", "noise_near", "noise_far")}
        return replace(self, **less)

    def table(self) -> pd.DataFrame:
        """Means over the keypoints of each part: rows are parts, columns amplitude ... lost."""
        names = ("amplitude", "amplitude_sd", "width", "offset", "lost")
        parts = [part for part in PARTS if PARTS[part].stop <= len(self.amplitude)]
        rows = {part: [getattr(self, name)[PARTS[part]].mean() for name in names] for part in parts}
        return pd.DataFrame.from_dict(rows, orient="index", columns=list(names)).rename_axis("part")


def _significant(values: np.ndarray | float, digits: int):
    values = np.asarray(values, np.float64)
    power = digits - 1 - np.floor(np.log10(np.where(values == 0, 1, np.abs(values))))
    out = np.round(values * 10.0**power) / 10.0**power
    return out if out.ndim else float(out)


# --- drawing from it -----------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Draw:
    """Random numbers for N persons, the same whatever the size and the encoding (so that they can be paired).

    Attributes:
        offsets: (N, K, 2) shares of the crop's height.
        amplitudes: (N, K).
    """

    offsets: Tensor
    amplitudes: Tensor

    def select(self, persons: slice) -> Draw:
        """Only the given persons."""
        return Draw(self.offsets[persons], self.amplitudes[persons])


def draw(model: NoiseModel, persons: int, seed: int = 0) -> Draw:
    """Offsets and amplitudes of so many persons.

    A sharper model with the same seed gives the same offsets, smaller.
    """
    generator = torch.Generator().manual_seed(seed)
    k = len(model.amplitude)
    tensor = lambda values: torch.as_tensor(values, dtype=torch.float32)  # noqa: E731
    factor = (model.person_spread * torch.randn(persons, 1, generator=generator)).exp()
    factor = factor / np.exp(model.person_spread**2)  # E f^2 = 1
    normal = torch.randn(persons, k, 2, generator=generator)
    lost = torch.rand(persons, k, generator=generator) < tensor(model.lost)
    spread = torch.where(lost, model.lost_offset, factor * tensor(model.offset))
    height = torch.randn(persons, k, generator=generator) * tensor(model.amplitude_sd) + tensor(
        model.amplitude
    )
    return Draw(normal * spread[..., None], height.clamp(*_RANGE))


def disturbed(
    codec: HeatmapCodec, keypoints: Tensor, model: NoiseModel, drawn: Draw, seed: int = 0
) -> Tensor:
    """Targets of keypoints, disturbed: what a network with this noise would predict.

    Without noise (amplitude 1, width 1, the rest 0) these are `codec.encode`'s targets, but for the tails
    beyond 3 sigma that biased and UDP targets lack.

    Args:
        codec: its encoding places the Gaussians: at the nearest pixel if biased, else at the true place.
        keypoints: (B, K, 2) input px.
        drawn: offsets and amplitudes of these persons.
        seed: of the additive noise.

    Returns:
        (B, K, H, W) float32.
    """
    w, h = codec.heatmap_size
    centers = keypoints.float() / torch.tensor(codec.scale)
    if not codec.unbiased and not codec.udp:
        centers = (centers + 0.5).trunc()
    centers = centers + drawn.offsets * h  # (B, K, 2)
    width = torch.as_tensor(model.width, dtype=torch.float32) * codec.sigma  # (K,)
    maps = _outer(centers, width, (w, h)) * drawn.amplitudes[..., None, None]
    if model.noise_near == 0 and model.noise_far == 0:
        return maps
    envelope = _outer(centers, torch.full_like(width, ENVELOPE * codec.sigma), (w, h))
    spread = envelope.square_().mul_(model.noise_near**2).add_(model.noise_far**2).sqrt_()
    generator = torch.Generator().manual_seed(seed)
    return maps.addcmul_(spread, correlated_noise(maps.shape, model.noise_length * codec.sigma, generator))


def _outer(centers: Tensor, width: Tensor, size_wh: tuple[int, int]) -> Tensor:
    """Gaussians of height 1, each keypoint with its width: (B, K, 2), (K,) -> (B, K, H, W)."""
    factors = []
    for axis, length in enumerate(size_wh):
        grid = (torch.arange(length) - centers[..., axis, None]) / width[:, None]
        values = (-0.5 * grid.square_()).exp_()
        factors.append(values.masked_fill_(values < _SMALLEST, 0))
    return factors[1][..., :, None] * factors[0][..., None, :]


def correlated_noise(shape: tuple[int, ...], blur_sd: float, generator: torch.Generator) -> Tensor:
    """White noise blurred by a Gaussian, each pixel scaled back to variance 1.

    Args:
        shape: (..., H, W).
        blur_sd: px; neighbours at a lag are then correlated by exp(-lag^2 / (4 blur_sd^2)). 0: white noise.
    """
    noise = torch.randn(shape, generator=generator)
    if blur_sd <= 0:
        return noise
    h, w = shape[-2:]
    return _blur_rows(h, blur_sd) @ noise @ _blur_rows(w, blur_sd).T


def _blur_rows(length: int, blur_sd: float) -> Tensor:
    """Row i holds a Gaussian around i with unit sum of squares: (length, length)."""
    place = torch.arange(length)
    rows = (-0.5 * ((place[:, None] - place) / blur_sd) ** 2).exp()
    rows = rows.masked_fill(rows < _SMALLEST, 0)
    return rows / rows.norm(dim=1, keepdim=True)
