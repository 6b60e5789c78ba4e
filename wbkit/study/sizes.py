"""The same people at every input size: exact targets, disturbed by a noise model, encoded and decoded.

Nothing but encoding and decoding changes, so that what DARK adds can be seen alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from wbkit.columns import Annotations
from wbkit.data import Persons
from wbkit.geometry import box_matrices, warp_points
from wbkit.heatmaps import HeatmapCodec
from wbkit.recipes import Recipe
from wbkit.study.decoding import decode_persons, decoder_table
from wbkit.study.noise import Draw, NoiseModel, disturbed, draw
from wbkit.study.published_dark import SIZES

ENCODINGS: tuple[str, ...] = ("biased", "unbiased")


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
        model: of the noise (`wbkit.study.noise_fit.fit_noise`).
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
