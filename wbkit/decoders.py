"""From a heatmap to its peak: the highest pixel, the quarter shift, DARK's Taylor step, UDP's.

Heatmaps are (B, K, H, W); positions are (x, y) in heatmap px, integer at pixel centres. Everything is
batched torch on any device: no loop over keypoints or persons.

DARK: Zhang et al., "Distribution-Aware Coordinate Representation for Human Pose Estimation" (CVPR 2020).
UDP: Huang et al., "The Devil is in the Details: Delving into Unbiased Data Processing" (CVPR 2020).
"""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor
from torch.nn import functional as F

_SMALLEST_VALUE = 1e-10  # DARK takes the logarithm of no less than this
_UDP_RANGE = (1e-3, 50.0)  # ... and UDP of nothing outside this (both as the published decoders)


def argmax2d(heatmaps: Tensor) -> tuple[Tensor, Tensor]:
    """The highest pixel of every map; the first in row order where several are equal.

    Args:
        heatmaps: (B, K, H, W).

    Returns:
        peaks (B, K, 2) int64, (x, y) heatmap px, (-1, -1) for a map without a positive value;
        scores (B, K), the value there.
    """
    b, k, h, w = heatmaps.shape
    flat = heatmaps.reshape(b * k, h * w)
    scores, index = flat.max(-1) if flat.is_cuda else _max_by_blocks(flat, 64 if h * w % 64 == 0 else w)
    peaks = torch.stack([index % w, index // w], -1)  # (B * K, 2)
    peaks = torch.where(scores[:, None] > 0, peaks, -1)
    return peaks.view(b, k, 2), scores.view(b, k)


def _max_by_blocks(flat: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """`flat.max(-1)`, faster on a CPU: values first (vectorised), then the index in the winning block."""
    blocks = flat.view(len(flat), flat.shape[1] // size, size)  # (N, n, size); -1 fails for N = 0
    scores, block = blocks.amax(-1).max(-1)  # (N,): the first block that holds the maximum
    winner = blocks[torch.arange(len(flat), device=flat.device), block]  # (N, size)
    return scores, block * size + winner.argmax(-1)


# --- the quarter shift -------------------------------------------------------------------------------


def refine_quarter(heatmaps: Tensor, peaks: Tensor) -> Tensor:
    """A quarter pixel from the peak towards its higher neighbour, along each axis.

    The rule of thumb of Newell et al. (Stacked Hourglass, ECCV 2016) and HRNet. As in MMPose, nothing moves
    along an axis on which the peak is one of the first two pixels or the last one.

    Args:
        heatmaps: (B, K, H, W).
        peaks: (B, K, 2) integer positions of `argmax2d`.

    Returns:
        (B, K, 2) float32 heatmap px.
    """
    b, k, h, w = heatmaps.shape
    x, y = peaks.long().unbind(-1)
    ok_x = (x > 1) & (x < w - 1) & (y > 0) & (y < h)
    ok_y = (y > 1) & (y < h - 1) & (x > 0) & (x < w)
    xs, ys = x.clamp(1, w - 2), y.clamp(1, h - 2)  # a legal look-up; the masks drop what was moved
    row, column = y.clamp(0, h - 1), x.clamp(0, w - 1)
    maps = heatmaps.reshape(b, k, h * w)
    at = lambda yy, xx: maps.gather(-1, (yy * w + xx)[..., None])[..., 0]  # noqa: E731  (B, K)
    dx = torch.where(ok_x, at(row, xs + 1) - at(row, xs - 1), 0)
    dy = torch.where(ok_y, at(ys + 1, column) - at(ys - 1, column), 0)
    return peaks + 0.25 * torch.stack([dx, dy], -1).float().sign()


# --- DARK --------------------------------------------------------------------------------------------


def gaussian_kernel(size: int) -> Tensor:
    """1-D blur kernel (size,), summing to 1; sigma = 0.3 ((size - 1) / 2 - 1) + 0.8, OpenCV's rule.

    11 gives sigma 2, 17 gives 2.9. (Below 11 OpenCV uses rounded tables instead of the formula.)

    Raises:
        ValueError: `size` is not odd and positive.
    """
    if size < 1 or size % 2 == 0:
        raise ValueError(f"blur kernel size is {size}, it must be odd and positive")
    sigma = 0.3 * ((size - 1) / 2 - 1) + 0.8
    distance = torch.arange(size) - size // 2
    return torch.softmax(-0.5 * (distance / sigma) ** 2, dim=0)


def blur(heatmaps: Tensor, kernel_size: int = 11) -> Tensor:
    """Gaussian blur of whole maps, zero outside: (B, K, H, W) -> (B, K, H, W).

    A banded matrix from each side, blurred = A_H @ map @ A_W^T. DARK itself needs only a 5x5 patch of
    the result (`log_patches`); this is for looking at it, and for UDP.
    """
    h, w = heatmaps.shape[-2:]
    return _band(h, kernel_size).to(heatmaps) @ heatmaps @ _band(w, kernel_size).to(heatmaps).T


@lru_cache(maxsize=64)
def _band(length: int, kernel_size: int, margin: int = 0) -> Tensor:
    """Row i holds the kernel centred on pixel i - margin: (length + 2 margin, length)."""
    with torch.inference_mode(False):  # what is cached must also serve a caller who wants gradients
        kernel, radius = gaussian_kernel(kernel_size), kernel_size // 2
        centers = torch.arange(-margin, length + margin)
        offset = torch.arange(length)[None, :] - centers[:, None] + radius
        inside = (offset >= 0) & (offset < kernel_size)
        return torch.where(inside, kernel[offset.clamp(0, kernel_size - 1)], 0)


def modulate(heatmaps: Tensor, kernel_size: int = 11) -> Tensor:
    """DARK's distribution modulation, equation 11: blur, then scale back to the old maximum.

    Maps whose blurred maximum is 0 are left unscaled. (B, K, H, W) -> (B, K, H, W).
    """
    blurred = blur(heatmaps, kernel_size)
    return blurred * _modulation_factor(heatmaps, blurred)


def _modulation_factor(heatmaps: Tensor, blurred: Tensor) -> Tensor:
    """Old maximum over new, 1 where the new one is 0: (..., H, W), (..., H, W) -> (..., 1, 1)."""
    new_max = blurred.amax((-2, -1), keepdim=True)
    return torch.where(new_max == 0, 1, heatmaps.amax((-2, -1), keepdim=True) / new_max)


def log_patches(heatmaps: Tensor, peaks: Tensor, kernel_size: int = 11) -> Tensor:
    """Logarithm of the blurred map in the 5x5 pixels around each peak: (B, K, 5, 5).

    All that DARK reads. Blurring only these pixels costs a hundredth of blurring the map. Scaling to the
    old maximum (equation 11) only adds a constant to the logarithm, which no derivative sees: it is left
    out, except for the rare maps with values next to the peak too small (or negative) to take the
    logarithm of, where the published decoder's floor of 1e-10 holds after scaling.

    Args:
        heatmaps: (B, K, H, W).
        peaks: (B, K, 2) integers, at least 2 px from every border (others: what lies outside counts 0).
        kernel_size: of the blur; odd.
    """
    b, k, h, w = heatmaps.shape
    x, y = peaks.reshape(-1, 2).long().unbind(-1)  # (B * K,)
    left, blur_x = _reach(x, w, kernel_size)  # (B * K,), (B * K, 5, n_x)
    top, blur_y = _reach(y, h, kernel_size)  # (B * K,), (B * K, 5, n_y)
    map_top = torch.arange(b * k, device=heatmaps.device) * h + top
    rows = map_top[:, None] + torch.arange(blur_y.shape[-1], device=heatmaps.device)  # (B * K, n_y)
    window = _segments(heatmaps.reshape(-1), rows * w + left[:, None], blur_x.shape[-1])  # (B * K, n_y, n_x)
    blurred = blur_y.to(heatmaps) @ window @ blur_x.to(heatmaps).transpose(1, 2)  # (B * K, 5, 5)
    floored = (blurred < _SMALLEST_VALUE).flatten(1).any(1).nonzero()[:, 0]
    if len(floored):
        maps = heatmaps.reshape(b * k, h, w)[floored]
        blurred[floored] *= _modulation_factor(maps, blur(maps, kernel_size))
    return blurred.clamp_min(_SMALLEST_VALUE).log().view(b, k, 5, 5)


def _reach(center: Tensor, length: int, kernel_size: int) -> tuple[Tensor, Tensor]:
    """What the blur of the 5 pixels around `center` reads of a row of `length` pixels.

    Windows near a border are moved inside and their weights with them, which does what zero padding would.

    Returns:
        (N,) first pixel of each window; (N, 5, n) weights of its n = 5 + 2r pixels (or all, if fewer).
    """
    size = min(length, 5 + 2 * (kernel_size // 2))
    center = center.clamp(0, length - 1)
    first = (center - size // 2).clamp(0, length - size)
    rows = (center - first)[:, None] + torch.arange(5, device=center.device)  # (N, 5)
    return first, _band(size, kernel_size, margin=2).to(center.device)[rows]


def _segments(values: Tensor, starts: Tensor, length: int) -> Tensor:
    """values[start : start + length] for every start: (V,), (N, n) -> (N, n, length).

    An index for every segment, not for every value, is what makes it fast.
    """
    if not starts.numel():
        return values.new_zeros(*starts.shape, length)
    return values.unfold(0, length, 1).index_select(0, starts.flatten()).view(*starts.shape, length)


def log_derivatives(patches: Tensor) -> tuple[Tensor, Tensor]:
    """First and second central differences at the middle of 5x5 log patches, equations 5 to 7.

    Args:
        patches: (..., 5, 5), rows are y.

    Returns:
        gradient (..., 2), (d/dx, d/dy); hessian (..., 2, 2). Second derivatives are differences of
        first ones, so they reach two pixels far, as in the published decoder.
    """
    p = patches
    gx, gy = (p[..., 2, 3] - p[..., 2, 1]) / 2, (p[..., 3, 2] - p[..., 1, 2]) / 2
    hxx = (p[..., 2, 4] - 2 * p[..., 2, 2] + p[..., 2, 0]) / 4
    hyy = (p[..., 4, 2] - 2 * p[..., 2, 2] + p[..., 0, 2]) / 4
    hxy = (p[..., 3, 3] - p[..., 1, 3] - p[..., 3, 1] + p[..., 1, 1]) / 4
    return torch.stack([gx, gy], -1), torch.stack([hxx, hxy, hxy, hyy], -1).unflatten(-1, (2, 2))


def taylor_step(gradient: Tensor, hessian: Tensor) -> Tensor:
    """Newton's step -H^-1 g to the extremum of a quadratic, equation 9; 0 where H has no inverse.

    On the logarithm of a Gaussian, which *is* a quadratic, one step is exact.
    Args: (..., 2) and (..., 2, 2). Returns: (..., 2) heatmap px.
    """
    gx, gy = gradient.unbind(-1)
    hxx, hxy, hyy = hessian[..., 0, 0], hessian[..., 0, 1], hessian[..., 1, 1]
    det = hxx * hyy - hxy**2
    inverse = torch.where(det == 0, 0, 1 / torch.where(det == 0, 1, det))
    return torch.stack([hxy * gy - hyy * gx, hxy * gx - hxx * gy], -1) * inverse[..., None]


def refine_dark(heatmaps: Tensor, peaks: Tensor, kernel_size: int = 11) -> Tensor:
    """DARK: peak + Taylor step on the log of the blurred map.

    Args:
        heatmaps: (B, K, H, W).
        peaks: (B, K, 2) integer positions of `argmax2d`.
        kernel_size: of the blur; 11 matches targets with sigma 2.

    Returns:
        (B, K, 2) float32 heatmap px; a peak closer than 2 px to the border stays where it is.
    """
    h, w = heatmaps.shape[-2:]
    x, y = peaks.unbind(-1)
    inside = (x > 1) & (x < w - 2) & (y > 1) & (y < h - 2)  # (B, K)
    step = taylor_step(*log_derivatives(log_patches(heatmaps, peaks, kernel_size)))
    return peaks + torch.where(inside[..., None], step, 0).float()


def refine_udp(heatmaps: Tensor, peaks: Tensor, kernel_size: int = 11) -> Tensor:
    """UDP's refinement: DARK's step with nearest-neighbour differences, defined up to the border.

    The modulated map is clipped to [1e-3, 50] before the logarithm and continued by its edge values;
    float32's epsilon on the Hessian's diagonal keeps it invertible. An empty map gives its peak, (-1, -1).

    Args, returns: as `refine_dark`.
    """
    h, w = heatmaps.shape[2:]
    logs = modulate(heatmaps, kernel_size).clamp(*_UDP_RANGE).log()
    logs = F.pad(logs, (1, 1, 1, 1), mode="replicate").flatten(2)  # (B, K, (H + 2) * (W + 2))
    x, y = peaks.long().clamp_min(-1).unbind(-1)
    at = lambda dy, dx: logs.gather(  # noqa: E731  (B, K)
        -1, ((y + 1 + dy).clamp(0, h + 1) * (w + 2) + (x + 1 + dx).clamp(0, w + 1))[..., None]
    )[..., 0]
    middle, left, right, above, below = at(0, 0), at(0, -1), at(0, 1), at(-1, 0), at(1, 0)
    gradient = torch.stack([(right - left) / 2, (below - above) / 2], -1)
    epsilon = torch.finfo(torch.float32).eps
    hxx, hyy = right - 2 * middle + left + epsilon, below - 2 * middle + above + epsilon
    hxy = (at(1, 1) - right - below + 2 * middle - left - above + at(-1, -1)) / 2
    hessian = torch.stack([hxx, hxy, hxy, hyy], -1).unflatten(-1, (2, 2))
    step = taylor_step(gradient, hessian)
    return peaks + torch.where((peaks >= 0).all(-1, keepdim=True), step, 0).float()
