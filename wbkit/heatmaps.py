"""Keypoints to heatmaps and back: Gaussian targets, and the codec that ends in one of `wbkit.decoders`.

Batched torch on any device. Heatmaps are (B, K, H, W); positions are (x, y) in heatmap px, integer at pixel
centres, unless a name says "input".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from wbkit.decoders import argmax2d, gaussian_kernel, refine_dark, refine_quarter, refine_udp

Refine = Literal["none", "quarter", "dark"]

_SMALLEST_FACTOR = 1e-18  # Gaussian tails below it become 0: denormal floats are slow, and add nothing


def gaussian_1d(centers: Tensor, length: int, sigma: float) -> Tensor:
    """exp(-(i - centre)^2 / (2 sigma^2)) for i = 0 ... length - 1: (...) -> (..., length)."""
    grid = torch.arange(length, dtype=centers.dtype, device=centers.device)
    values = (grid - centers[..., None]).square_().mul_(-0.5 / sigma**2).exp_()
    return values.masked_fill_(values < _SMALLEST_FACTOR, 0)


def gaussian_heatmaps(
    centers: Tensor,
    visible: Tensor,
    heatmap_size: tuple[int, int],
    sigma: float,
    *,
    rounded: bool = False,
    windowed: bool = False,
    out: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """One Gaussian of height 1 a keypoint: the training targets.

    A 2-D Gaussian is the outer product of two 1-D ones, so a map costs H + W exponentials, not H * W.

    Args:
        centers: (B, K, 2) heatmap px.
        visible: (B, K); below 0.5 the map stays empty.
        heatmap_size: (W, H).
        sigma: heatmap px.
        rounded: put the Gaussian at the nearest pixel (the biased encoding of the original HRNet)
            instead of the true sub-pixel place (DARK's unbiased one).
        windowed: cut it off beyond 3 sigma of the nearest pixel, as the biased and UDP encodings do.
        out: (B, K, H, W) float32 to write into, for loops: fresh memory costs more than the Gaussians.

    Returns:
        heatmaps (B, K, H, W) float32 and weights (B, K) float32: `visible`, but 0 where the keypoint
        is visible and lies more than 3 sigma (and, as in MMPose, the pixel beyond) outside the map.
    """
    (width, height), radius = heatmap_size, 3 * sigma
    nearest = (centers + 0.5).trunc()  # (B, K, 2)
    center, edge = (nearest if rounded else centers), (nearest if rounded or windowed else centers)
    size = torch.tensor([width, height], device=centers.device)
    inside = ((edge - radius < size) & (edge + radius + 1 >= 0)).all(-1)  # (B, K)
    drawn = inside & (visible >= 0.5)
    factors = []
    for axis, length in enumerate((width, height)):
        values = gaussian_1d(center[..., axis], length, sigma)
        if rounded or windowed:
            grid = torch.arange(length, dtype=centers.dtype, device=centers.device)
            values = values * ((grid - nearest[..., axis, None]).abs() <= radius)
        factors.append(torch.where(drawn[..., None], values, 0).float())
    gx, gy = factors  # (B, K, W), (B, K, H)
    weights = torch.where(inside | (visible < 0.5), visible, 0).float()
    return torch.mul(gy[..., :, None], gx[..., None, :], out=out), weights


@dataclass(frozen=True)
class HeatmapCodec:
    """Keypoints in network-input px <-> heatmaps.

    Args:
        input_size: (W, H) of the network input, px.
        heatmap_size: (W, H) of the heatmaps.
        sigma: of the target Gaussian, heatmap px.
        unbiased: Gaussian at the true sub-pixel place (DARK) or at the nearest pixel (original HRNet).
        blur_kernel_size: of DARK's modulation; odd. 11 suits sigma 2 (and is what the published
            sigma-3 configuration uses too).
        udp: UDP's scale, input / (heatmap - 1) instead of input / heatmap (see `scale`), its targets and
            its refinement.
    """

    input_size: tuple[int, int]
    heatmap_size: tuple[int, int]
    sigma: float = 2.0
    unbiased: bool = True
    blur_kernel_size: int = 11
    udp: bool = False

    def __post_init__(self):
        for name in ("input_size", "heatmap_size"):
            object.__setattr__(self, name, tuple(getattr(self, name)))  # a list from JSON will do
        if min(*self.input_size, *self.heatmap_size) < 3 or not self.sigma > 0:
            raise ValueError(f"sizes must be at least 3 and sigma positive: {self}")
        gaussian_kernel(self.blur_kernel_size)  # raises when it is not odd

    @property
    def scale(self) -> tuple[float, float]:
        """Input px per heatmap px, (x, y); 4 for the published systems.

        UDP puts the region's edges at the centres of the outermost heatmap pixels: W / (w - 1). Its points
        stay in the frame in which the region spans [0, W], that of `warp_matrix(..., udp=False)`, as
        MMPose's decoder gives them; only the crop's *pixels* follow `warp_matrix(..., udp=True)`.
        """
        less = 1 if self.udp else 0
        (w_in, h_in), (w, h) = self.input_size, self.heatmap_size
        return w_in / (w - less), h_in / (h - less)

    def encode(self, keypoints: Tensor, visible: Tensor, out: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Targets for training.

        Args:
            keypoints: (B, K, 2) input px, in the frame of `warp_matrix(..., udp=False)` (see `scale`).
            visible: (B, K); below 0.5 counts as not visible.
            out: (B, K, H, W) float32 to write into, or None.

        Returns:
            heatmaps (B, K, H, W) float32; weights (B, K) float32 (see `gaussian_heatmaps`).

        Raises:
            ValueError: the shapes are not these.
        """
        if keypoints.ndim != 3 or keypoints.shape[-1] != 2 or visible.shape != keypoints.shape[:2]:
            raise ValueError(
                f"keypoints {tuple(keypoints.shape)} and visible {tuple(visible.shape)}: "
                "expected (B, K, 2) and (B, K)"
            )
        keypoints = keypoints if keypoints.dtype == torch.float64 else keypoints.float()
        centers = keypoints / torch.tensor(self.scale, dtype=keypoints.dtype, device=keypoints.device)
        biased = not self.unbiased and not self.udp
        return gaussian_heatmaps(
            centers, visible, self.heatmap_size, self.sigma, rounded=biased, windowed=self.udp, out=out
        )

    def decode(self, heatmaps: Tensor, refine: Refine = "dark") -> tuple[Tensor, Tensor]:
        """Keypoints from heatmaps.

        Args:
            heatmaps: (B, K, H, W), any float type.
            refine: "none" (the highest pixel), "quarter", or "dark" (UDP's variant with `udp=True`).

        Returns:
            keypoints (B, K, 2) float32 input px; scores (B, K) float32, the maps' maxima. A map without
            a positive value gives heatmap position (-1, -1), scaled, and its maximum as score.

        Raises:
            ValueError: the shape is not this codec's, or `refine` is unknown.
        """
        if heatmaps.ndim != 4 or tuple(heatmaps.shape[2:]) != self.heatmap_size[::-1]:
            w, h = self.heatmap_size
            raise ValueError(f"heatmaps have shape {tuple(heatmaps.shape)}, expected (B, K, {h}, {w})")
        heatmaps = heatmaps.float()
        peaks, scores = argmax2d(heatmaps)
        if refine == "none":
            refined = peaks.float()
        elif refine == "quarter":
            refined = refine_quarter(heatmaps, peaks)
        elif refine == "dark":
            step = refine_udp if self.udp else refine_dark
            refined = step(heatmaps, peaks, self.blur_kernel_size)
        else:
            raise ValueError(f'refine is {refine!r}, expected "none", "quarter" or "dark"')
        return refined * torch.tensor(self.scale, device=heatmaps.device), scores
