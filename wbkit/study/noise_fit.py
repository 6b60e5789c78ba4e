"""The noise model of predicted heatmaps by the method of moments, and how far it describes them.

No maximum likelihood and no search: every parameter is a mean, a spread or a correlation of what is seen
in the maps. The additive noise comes out a little too weak and too rough, because its smoothest part looks
like another height or place of the Gaussian (a tenth for noise as in the shipped model's maps).
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from wbkit.errors import InputError
from wbkit.study.noise import ENVELOPE, LOST_BEYOND, NoiseModel

_REACH = 2.0  # target sigmas: residuals so near to a peak count as near it
_FAR = 4.0  # ... and so far from it as far
PERCENTILES = (10, 25, 50, 75, 90, 95)


def fit_noise(
    heatmaps: Tensor,
    positions: Tensor,
    truth: Tensor,
    usable: Tensor,
    sigma: float,
    limit: float = LOST_BEYOND,
) -> NoiseModel:
    """The model whose moments are those of predicted maps.

    Args:
        heatmaps: (N, K, H, W) predicted.
        positions: (N, K, 2) decoded from them, heatmap px.
        truth: (N, K, 2) heatmap px.
        usable: (N, K) bool: labelled, and inside the map.
        sigma: of the targets, heatmap px.
        limit: see `LOST_BEYOND`.

    Raises:
        InputError: a keypoint has fewer than two maps to learn from.
    """
    height = heatmaps.shape[2]
    offsets = torch.where(usable[..., None], positions - truth, 0).double()  # (N, K, 2)
    square = offsets.square().sum(-1) / 2  # (N, K) per axis
    kept = usable & (offsets.norm(dim=-1) <= limit * sigma)
    if (kept.sum(0) < 2).any():
        few = torch.nonzero(kept.sum(0) < 2)[:, 0].tolist()
        raise InputError(
            f"keypoints {few} have fewer than two maps near the truth",
            "Give more people, or a better model: moments need several maps of every keypoint",
        )
    amplitude, amplitude_sd = _mean_and_sd(heatmaps.amax((-2, -1)).double(), usable)
    offset = (torch.where(kept, square, 0).sum(0) / kept.sum(0)).sqrt()  # (K,)
    gone = usable & ~kept
    lost_offset = (square[gone].mean().sqrt() if gone.any() else torch.zeros(())) / height
    width, near, far, length = _fit_field(heatmaps, positions, kept, sigma)
    return NoiseModel(
        amplitude=amplitude.numpy(),
        amplitude_sd=amplitude_sd.numpy(),
        width=width.numpy(),
        offset=(offset / height).numpy(),
        lost=(gone.sum(0) / usable.sum(0)).double().numpy(),
        lost_offset=float(lost_offset),
        person_spread=_person_spread(square / offset.clamp_min(1e-9).square(), kept),
        noise_near=near,
        noise_far=far,
        noise_length=length,
    )


def _mean_and_sd(values: Tensor, usable: Tensor) -> tuple[Tensor, Tensor]:
    """(N, K) -> (K,), (K,) over the usable ones."""
    count = usable.sum(0)
    mean = torch.where(usable, values, 0).sum(0) / count
    return mean, (torch.where(usable, (values - mean).square(), 0).sum(0) / count).sqrt()


def _person_spread(relative: Tensor, kept: Tensor) -> float:
    """Log-sd of the persons' factors f, from how much their mean squared relative offsets q differ.

    With offsets f z, z normal, E f^2 = 1 and n keypoints: var q = E f^4 (1 + 1 / n) - 1, and for a
    lognormal factor E f^4 = exp(4 v), v the variance of log f (each square is a mean over two axes).
    """
    n = kept.sum(1)
    some = n > 0
    q = torch.where(kept, relative, 0).sum(1)[some] / n[some]
    if not q.any():
        return 0.0
    fourth = (q.square().mean() / q.mean().square()) / (1 + (1 / n[some]).mean())
    return float((fourth.clamp_min(1.0).log() / 4).sqrt())


def _fit_field(
    heatmaps: Tensor, positions: Tensor, kept: Tensor, sigma: float
) -> tuple[Tensor, float, float, float]:
    """Widths (K,), then sd near a peak, sd far from it, and blur of the additive noise."""
    patches, distance, keypoint = _around_peaks(heatmaps, positions, kept, sigma)  # (M, n, n) twice, (M,)
    peak = patches.amax((-2, -1))
    width = _widths(patches, distance, peak, keypoint, heatmaps.shape[1], sigma)
    shape = torch.exp(-0.5 * (distance / (width[keypoint][:, None, None] * sigma)) ** 2)
    residual = patches - _height(patches, shape)[:, None, None] * shape
    close = distance <= _REACH * sigma
    near_square = float(residual[close].double().square().mean())
    far = _far_sd(heatmaps, positions, kept, sigma)
    envelope = torch.exp(-((distance / (ENVELOPE * sigma)) ** 2))[close].double().mean()
    near = float(np.sqrt(max(near_square - far**2, 0) / float(envelope)))
    pairs = close[:, :, 1:] & close[:, :, :-1]
    together = float((residual[:, :, 1:] * residual[:, :, :-1])[pairs].double().mean())
    correlation = min(max(together / near_square, 1e-3), 0.999) if near_square else 1e-3
    # A field blurred with a Gaussian of sd b is correlated by exp(-lag^2 / (4 b^2)).
    return width.double(), near, far, 0.5 / float(np.sqrt(-np.log(correlation))) / sigma


def _around_peaks(
    heatmaps: Tensor, positions: Tensor, usable: Tensor, sigma: float
) -> tuple[Tensor, Tensor, Tensor]:
    """Patches (M, n, n) around peaks that are not at the border, distance of every pixel, keypoints (M,)."""
    h, w = heatmaps.shape[2:]
    reach = int(np.ceil(LOST_BEYOND * sigma))
    middle = positions.round().long()
    inner = usable & (middle >= reach).all(-1) & (middle < torch.tensor([w, h]) - reach).all(-1)
    person, keypoint = inner.nonzero().T
    x, y = middle[inner].T
    around = torch.arange(-reach, reach + 1)
    rows, columns = y[:, None, None] + around[:, None], x[:, None, None] + around[None, :]
    patches = heatmaps[person[:, None, None], keypoint[:, None, None], rows, columns]
    return patches, _distances(positions[inner] - middle[inner], around), keypoint


def _distances(shift: Tensor, around: Tensor) -> Tensor:
    """From the decoded place, for every pixel of a patch: (M, 2) -> (M, n, n)."""
    dx, dy = around - shift[:, :1], around - shift[:, 1:]  # (M, n)
    return (dx[:, None, :] ** 2 + dy[:, :, None] ** 2).sqrt()


def _height(patches: Tensor, shape: Tensor) -> Tensor:
    """Least-squares height of a shape in each patch: (M, n, n), (M, n, n) -> (M,)."""
    return (patches * shape).sum((-2, -1)) / shape.square().sum((-2, -1))


def _widths(
    patches: Tensor, distance: Tensor, peak: Tensor, keypoint: Tensor, count: int, sigma: float
) -> Tensor:
    """(K,) widths in sigmas, from sum / maximum, which is proportional to the width squared."""
    target = torch.exp(-0.5 * (distance / sigma) ** 2)
    ratio = (patches.sum((-2, -1)) / peak) / (target.sum((-2, -1)) / target.amax((-2, -1)))  # (M,)
    total = torch.zeros(count).index_add_(0, keypoint, ratio)
    number = torch.bincount(keypoint, minlength=count)
    mean = torch.where(number > 0, total / number.clamp_min(1), ratio.mean())
    return mean.clamp_min(0.25).sqrt()


def _far_sd(heatmaps: Tensor, positions: Tensor, kept: Tensor, sigma: float) -> float:
    """Root mean square of the maps at more than `_FAR` sigmas, along both axes, from their peaks."""
    h, w = heatmaps.shape[2:]
    x, y = positions[kept].T
    away_x = (torch.arange(w) - x[:, None]).abs() > _FAR * sigma  # (M, w)
    away_y = (torch.arange(h) - y[:, None]).abs() > _FAR * sigma
    squares = heatmaps[kept].square()  # (M, h, w)
    rows = (squares * away_x[:, None, :]).sum(-1) * away_y  # far along both
    count = (away_x.sum(1) * away_y.sum(1)).sum()
    return float((rows.double().sum() / count.clamp_min(1)).sqrt())


# --- how well it fits ----------------------------------------------------------------------------------


def radial_profile(heatmaps: Tensor, positions: Tensor, usable: Tensor, sigma: float) -> pd.DataFrame:
    """What maps look like around their decoded peaks.

    Args:
        heatmaps: (N, K, H, W), predicted or drawn from a model.
        positions: (N, K, 2) decoded from them. usable: (N, K) bool. sigma: of the targets, heatmap px.

    Returns:
        A row for each half sigma of distance from the peak: height (mean of map over maximum), target (a
        Gaussian of the target's width), residual (root mean square of the map less the best Gaussian of
        the keypoint's width).
    """
    patches, distance, keypoint = _around_peaks(heatmaps, positions, usable, sigma)
    peak = patches.amax((-2, -1))
    width = _widths(patches, distance, peak, keypoint, heatmaps.shape[1], sigma)
    shape = torch.exp(-0.5 * (distance / (width[keypoint][:, None, None] * sigma)) ** 2)
    residual = patches - _height(patches, shape)[:, None, None] * shape
    ring = (distance / sigma * 2).long().flatten()  # half sigmas
    rings = int(2 * LOST_BEYOND)
    count = torch.bincount(ring, minlength=rings)
    mean = lambda v: (torch.bincount(ring, v.flatten().double(), minlength=rings) / count)[:rings]  # noqa: E731
    columns = {
        "height": mean(patches / peak[:, None, None]),
        "target": mean(torch.exp(-0.5 * (distance / sigma) ** 2)),
        "residual": mean(residual.square()).sqrt(),
    }
    index = pd.Index((np.arange(rings) + 0.5) / 2, name="sigmas from the peak")
    return pd.DataFrame({name: values.numpy() for name, values in columns.items()}, index=index)


def error_percentiles(positions: Tensor, truth: Tensor, usable: Tensor) -> pd.Series:
    """`PERCENTILES` of the distance between decoded place and truth, heatmap px."""
    distance = (positions - truth).norm(dim=-1)[usable].double().numpy()
    return pd.Series(np.percentile(distance, PERCENTILES), index=pd.Index(PERCENTILES, name="percentile"))
