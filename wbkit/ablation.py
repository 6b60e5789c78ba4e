"""Which encoding, which decoder, which size: the same heatmaps decoded four ways, and scored.

Two sources of heatmaps: a network's, of real or synthetic pictures (`decode_persons`), and exact targets
disturbed by a noise model (`size_ablation`), where nothing but encoding and decoding changes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from wbkit.annotations import Annotations
from wbkit.data import Persons
from wbkit.evaluate import per_part_table
from wbkit.geometry import box_to_center_scale, fix_aspect, invert_warp, warp_matrix, warp_points
from wbkit.heatmaps import HeatmapCodec, argmax2d, refine_dark, refine_quarter, refine_udp
from wbkit.keypoints import PARTS, SIGMAS
from wbkit.matching import oks
from wbkit.nms import rescore_and_nms
from wbkit.noise import Draw, NoiseModel, correlated_noise, disturbed, draw
from wbkit.predict import results_from_predictions
from wbkit.recipes import RECIPES, Recipe

ENCODINGS: tuple[str, ...] = ("biased", "unbiased")
DECODERS: tuple[str, ...] = ("argmax", "quarter", "DARK", "UDP")
"""The highest pixel; a quarter pixel from it; DARK's Taylor step; UDP's variant of that step."""


@dataclass(frozen=True)
class Size:
    """One of DARK's input sizes.

    Attributes:
        codec: with DARK's unbiased encoding.
        published: AP on COCO val2017 of HRNet-W32 and -W48 without and with DARK, in points; Zhang et al.,
            CVPR 2020, and the table in the README of the authors' code (github.com/ilovepose/DarkPose).
    """

    codec: HeatmapCodec
    published: dict[str, tuple[float, float]]


def _size(width: int, height: int, sigma: float, kernel: int, **published: tuple[float, float]) -> Size:
    codec = HeatmapCodec((width, height), (width // 4, height // 4), sigma, blur_kernel_size=kernel)
    return Size(codec, published)


SIZES: dict[str, Size] = {
    "128x96": _size(96, 128, 1.0, 3, W32=(66.9, 70.7), W48=(68.0, 71.9)),
    "256x192": _size(192, 256, 2.0, 11, W32=(74.4, 75.6)),
    "384x288": _size(288, 384, 3.0, 11, W32=(75.8, 76.6), W48=(76.3, 76.8)),
}
"""Input sizes (named height x width, as in the paper), with the sigma and the blur kernel of the authors'
configuration files (experiments/coco/hrnet/w32_*.yaml in their repository)."""


PUBLISHED_PARTS: dict[str, tuple[float, float]] = {
    "body": (67.8, 69.3),
    "foot": (54.3, 56.4),
    "face": (63.0, 73.7),
    "hand": (46.7, 50.3),
    "wholebody": (53.6, 58.2),
}
"""AP of HRNet-W32 at 256x192 without and with DARK, COCO-WholeBody v1.0 val, in points; MMPose 1.x's zoo
(configs/wholebody_2d_keypoint/topdown_heatmap/coco-wholebody/, hrnet_ and hrnet_dark_coco-wholebody.md)."""

PUBLISHED_PARTS_0X: dict[str, tuple[float, float]] = {
    "body": (70.0, 69.4),
    "foot": (56.7, 56.5),
    "face": (63.7, 73.6),
    "hand": (47.3, 50.3),
    "wholebody": (55.3, 58.2),
}
"""The same two checkpoints on MMPose 0.x's pages (configs/wholebody/2d_kpt_sview_rgb_img/topdown_heatmap/
coco-wholebody/); "with" is what `RECIPES["w32_dark_256x192"].published` holds."""


def published_table() -> pd.DataFrame:
    """The published AP without and with DARK: rows are sizes and networks; columns without, with, gain."""
    rows = [
        {"size": name, "network": network, "without": before, "with": after, "gain": round(after - before, 1)}
        for name, size in SIZES.items()
        for network, (before, after) in size.published.items()
    ]
    return pd.DataFrame(rows).set_index(["size", "network"])


# --- decoding four ways --------------------------------------------------------------------------------


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
        to_image = np.stack([invert_warp(m) for m in matrices])[:, None]  # (B, 1, 2, 3)
        for name, xy in decoded.items():
            points[name].append(warp_points(xy.cpu().numpy(), to_image))
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


# --- the same people at every size ---------------------------------------------------------------------


def size_ablation(
    annotations: Annotations,
    persons: Persons,
    model: NoiseModel,
    recipe: Recipe,
    *,
    sizes: Sequence[str] = tuple(SIZES),
    encodings: Sequence[str] = ENCODINGS,
    keypoints: int = 133,
    seeds: Sequence[int] = (0,),
) -> pd.DataFrame:
    """Exact targets at every size, encoded two ways, disturbed by the same noise, decoded four ways.

    Offsets are the same share of the crop at every size: people, and what a network knows of them, stay;
    the pixels grow and shrink. What is drawn differs between seeds only.

    Args:
        annotations, persons: exact people and their ground-truth boxes.
        model: of the noise (`wbkit.noise.fit_noise`).
        recipe: padding, and thresholds of rescoring and suppression.
        sizes: keys of `SIZES`. encodings: of `ENCODINGS`.
        keypoints: 133, or the first 17 only, which is all that the published comparison of sizes has.
        seeds: of the noise; the table holds the mean over them.

    Returns:
        A row for each size, encoding and decoder, with the columns of `decoder_table`.
    """
    tables = []
    for seed in seeds:
        drawn = draw(model, len(persons), seed)
        for size in sizes:
            for encoding in encodings:
                codec = replace(SIZES[size].codec, unbiased=encoding == "unbiased")
                batches = disturbed_persons(codec, persons, model, drawn, recipe.padding, keypoints, seed)
                sized = replace(recipe, input_size=codec.input_size)
                table = decoder_table(annotations, persons, decode_persons(codec, batches), sized)
                tables.append(table.reset_index().assign(size=size, encoding=encoding))
    return pd.concat(tables).groupby(["size", "encoding", "decoder"], sort=False).mean()


def disturbed_persons(
    codec: HeatmapCodec,
    persons: Persons,
    model: NoiseModel,
    drawn: Draw,
    padding: float = 1.25,
    keypoints: int = 133,
    seed: int = 0,
    batch_size: int = 32,
) -> Iterator[tuple[Tensor, np.ndarray]]:
    """Disturbed targets of persons, for `decode_persons`: heatmaps (B, K, H, W), matrices (B, 2, 3)."""
    matrices = box_matrices(persons.boxes_xywh, codec.input_size, padding)
    points = warp_points(persons.keypoints[..., :2], matrices[:, None])  # (N, 133, 2)
    model = replace(model, width=model.width[:keypoints])
    drawn = Draw(drawn.offsets[:, :keypoints], drawn.amplitudes[:, :keypoints])
    for start in range(0, len(persons), batch_size):
        part = slice(start, start + batch_size)
        xy = torch.from_numpy(points[part, :keypoints])
        # The noise depends on seed and batch only: every encoding gets the same.
        yield disturbed(codec, xy, model, drawn.select(part), seed=1000 * seed + start + 1), matrices[part]


def matching_sharpness(
    annotations: Annotations,
    persons: Persons,
    model: NoiseModel,
    recipe: Recipe,
    target: float,
    size: str = "256x192",
    highest: float = 10.0,
    seeds: Sequence[int] = (0,),
) -> float:
    """How many times better (`NoiseModel.sharper`) a network must be for a body AP with DARK of `target`.

    Found by bisection, to a twentieth. One number, so that networks can be compared at equal AP.

    Args:
        target: AP in points. size: a key of `SIZES`. highest: the answer if even that is not enough.
        seeds: of the noise.
    """
    low, high = 10, round(20 * highest)  # twentieths
    while low < high:
        middle = (low + high) // 2
        table = size_ablation(
            annotations,
            persons,
            model.sharper(middle / 20),
            recipe,
            sizes=[size],
            encodings=["unbiased"],
            keypoints=17,
            seeds=seeds,
        )
        enough = table["body"].xs("DARK", level="decoder").iloc[0] >= target
        low, high = (low, middle) if enough else (middle + 1, high)
    return low / 20


def box_matrices(boxes_xywh: np.ndarray, input_size: tuple[int, int], padding: float = 1.25) -> np.ndarray:
    """Image -> crop matrices of boxes, without rotation: (N, 4) -> (N, 2, 3)."""
    center, scale = box_to_center_scale(boxes_xywh, padding)
    scale = fix_aspect(scale, input_size)
    return np.stack([warp_matrix(c, s, 0.0, input_size) for c, s in zip(center, scale, strict=True)])


def gains(table: pd.DataFrame, column: str = "body", before: str = "biased") -> pd.DataFrame:
    """What DARK adds in a `size_ablation`: a row a size; without, with, gain, in points to one digit.

    Args:
        table: of `size_ablation`.
        column: part.
        before: encoding of "without", which is decoded by quarter shift. "biased": what HRNet did before
            DARK, so the gain is that of encoding and decoding. "unbiased": the gain of decoding alone.
            "With" is the unbiased encoding and DARK's step in either case.
    """
    values = table[column].round(1)
    without = values.xs((before, "quarter"), level=("encoding", "decoder"))
    after = values.xs(("unbiased", "DARK"), level=("encoding", "decoder"))
    return pd.DataFrame({"without": without, "with": after, "gain": (after - without).round(1)})


def rounded_keypoints(codec: HeatmapCodec, persons: Persons, padding: float = 1.25) -> np.ndarray:
    """Where exact keypoints end up if a heatmap can say no more than "this pixel": (N, 133, 2) image px.

    The best that decoding by the highest pixel can do.
    """
    matrices = box_matrices(persons.boxes_xywh, codec.input_size, padding)
    centers = warp_points(persons.keypoints[..., :2], matrices[:, None]) / codec.scale
    nearest = np.floor(centers + 0.5) * codec.scale
    return warp_points(nearest, np.stack([invert_warp(m) for m in matrices])[:, None])


# --- single Gaussians ----------------------------------------------------------------------------------


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
