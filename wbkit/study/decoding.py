"""Heatmaps decoded four ways, sent back to their pictures, and scored: which decoder is worth what.

`wbkit.study.sizes` makes heatmaps in which nothing but encoding and decoding changes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from wbkit.columns import Annotations
from wbkit.data import Persons
from wbkit.decoders import argmax2d, refine_dark, refine_quarter, refine_udp
from wbkit.evaluate import per_part_table
from wbkit.geometry import box_matrices, points_to_image, warp_points
from wbkit.heatmaps import HeatmapCodec
from wbkit.keypoints import PARTS, SIGMAS
from wbkit.matching import oks
from wbkit.nms import rescore_and_nms
from wbkit.pipeline import results_from_predictions
from wbkit.recipes import RECIPES, Recipe
from wbkit.study.noise import correlated_noise

DECODERS: tuple[str, ...] = ("argmax", "quarter", "DARK", "UDP")
"""The highest pixel; a quarter pixel from it; DARK's Taylor step; UDP's variant of that step."""


def decode_all(codec: HeatmapCodec, heatmaps: Tensor) -> tuple[dict[str, Tensor], Tensor]:
    """Every decoder on the same maps.

    UDP's refinement is used in the codec's own frame, whatever its scale: only the steps differ.

    Args:
        heatmaps: (B, K, H, W).

    Returns:
        `DECODERS` -> (B, K, 2) input px; scores (B, K).
    """
    heatmaps = heatmaps.float()
    peaks, scores = argmax2d(heatmaps)
    kernel = codec.blur_kernel_size
    refined = {
        "argmax": peaks.float(),
        "quarter": refine_quarter(heatmaps, peaks),
        "DARK": refine_dark(heatmaps, peaks, kernel),
        "UDP": refine_udp(heatmaps, peaks, kernel),
    }
    scale = torch.tensor(codec.scale, device=heatmaps.device)
    return {name: points * scale for name, points in refined.items()}, scores


@dataclass(frozen=True, eq=False)
class Decoded:
    """N persons decoded several ways.

    Attributes:
        keypoints: decoder -> (N, K, 2) float64 image px.
        scores: (N, K), the maps' maxima.
    """

    keypoints: dict[str, np.ndarray]
    scores: np.ndarray


def decode_persons(codec: HeatmapCodec, batches: Iterable[tuple[Tensor, np.ndarray]]) -> Decoded:
    """Heatmaps decoded four ways and sent back to their pictures.

    Args:
        batches: of heatmaps (B, K, H, W) and image -> crop matrices (B, 2, 3).
    """
    points: dict[str, list] = {name: [] for name in DECODERS}
    scores = []
    for heatmaps, matrices in batches:
        decoded, maxima = decode_all(codec, heatmaps)
        for name, xy in decoded.items():
            points[name].append(points_to_image(xy.cpu().numpy(), matrices))
        scores.append(maxima.cpu().numpy())
    return Decoded({name: np.concatenate(p) for name, p in points.items()}, np.concatenate(scores))


def decoder_table(
    annotations: Annotations, persons: Persons, decoded: Decoded, recipe: Recipe
) -> pd.DataFrame:
    """Error and AP of each decoder.

    Args:
        annotations: of the persons' pictures.
        persons: who was decoded, in order (ground-truth boxes).
        recipe: its thresholds for rescoring and suppression.

    Returns:
        Rows are the decoders; error: median distance to the truth over labelled keypoints, image px; then
        AP of each part in points (0 to 100), as `per_part_table` (whole-body parts are NaN where the
        decoder gave fewer than 133 keypoints).
    """
    rows = {}
    for name, points in decoded.keypoints.items():
        k = points.shape[1]
        truth = persons.keypoints[:, :k]
        distance = np.linalg.norm(points - truth[..., :2], axis=-1)[truth[..., 2] > 0]
        keypoints = np.concatenate([points, decoded.scores[..., None]], -1)
        results = results_from_predictions(persons, keypoints, recipe)
        found = rescore_and_nms(results, input_size=recipe.input_size)
        ap = per_part_table(annotations, found)["AP"] * 100
        if k < 133:
            ap[ap.index != "body"] = np.nan
        rows[name] = {"error": float(np.median(distance)), **ap.to_dict()}
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("decoder")


def ceiling_table(annotations: Annotations, persons: Persons, points: dict[str, np.ndarray]) -> pd.DataFrame:
    """The highest AP of given points: everybody is ranked by their own OKS, in every part.

    AP asks that right detections come first. A network's scores know that in part, equal scores do not at
    all; here only the places count. A part without labels is not predicted (score 0).

    Args:
        points: label -> (N, 133, 2) image px.

    Returns:
        A row a label; AP of each part in points, as `per_part_table`.
    """
    areas = pd.Series(annotations.areas, annotations.ids)[persons.ids].to_numpy()  # (N,) px^2
    truth, labelled = persons.keypoints[..., :2], persons.keypoints[..., 2] > 0
    rows = {}
    for label, found in points.items():
        similarity = {
            part: np.nan_to_num(oks(found[:, k], truth[:, k], labelled[:, k], areas, SIGMAS[k]))
            for part, k in PARTS.items()
        }
        body, *others = similarity.values()
        results = results_from_predictions(persons, np.dstack([found, labelled]), RECIPES["w32_dark_256x192"])
        results = replace(results, scores=body, part_scores=np.stack(others, -1))
        rows[label] = per_part_table(annotations, results)["AP"] * 100
    return pd.DataFrame(rows).T


def rounded_keypoints(codec: HeatmapCodec, persons: Persons, padding: float = 1.25) -> np.ndarray:
    """Where exact keypoints end up if a heatmap can say no more than "this pixel": (N, 133, 2) image px.

    The best that decoding by the highest pixel can do.
    """
    matrices = box_matrices(persons.boxes_xywh, codec.input_size, padding)
    centers = warp_points(persons.keypoints[..., :2], matrices[:, None]) / codec.scale
    nearest = np.floor(centers + 0.5) * codec.scale
    return points_to_image(nearest, matrices)


def errors_under_noise(
    codec: HeatmapCodec,
    noise_sds: Sequence[float],
    *,
    length: float = 0.0,
    count: int = 500,
    kernels: Sequence[int] = (1, 11),
    seed: int = 0,
) -> pd.DataFrame:
    """Mean error of every decoder on single Gaussians of height 1 with additive noise.

    Args:
        codec: its sigma, size and encoding.
        noise_sds: standard deviations of the noise.
        length: blur that correlates it, heatmap px; 0 for white noise.
        count: Gaussians, at places uniform within the inner half of the map.
        kernels: of DARK's blur; 1 is no blur.

    Returns:
        A row a noise level, a column a decoder ("argmax", "quarter", "DARK, blur 11" ...), heatmap px.
    """
    generator = torch.Generator().manual_seed(seed)
    size = torch.tensor(codec.input_size, dtype=torch.float32)
    places = (0.25 + 0.5 * torch.rand(1, count, 2, generator=generator)) * size
    maps, _ = codec.encode(places, torch.ones(1, count))
    noise = correlated_noise(maps.shape, length, generator)
    scale, truth = torch.tensor(codec.scale), places / torch.tensor(codec.scale)
    rows = {}
    for sd in noise_sds:
        noisy = maps + sd * noise
        decoded = {}
        for kernel in kernels:
            points, _ = decode_all(replace(codec, blur_kernel_size=kernel), noisy)
            decoded[f"DARK, blur {kernel}" if kernel > 1 else "DARK, no blur"] = points["DARK"]
        decoded = {"argmax": points["argmax"], "quarter": points["quarter"], **decoded}
        rows[sd] = {name: float((xy / scale - truth).norm(dim=-1).mean()) for name, xy in decoded.items()}
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("noise")
