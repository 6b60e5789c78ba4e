"""How often each cause would come about if errors had their lengths but no direction."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from wbkit.errors import InputError
from wbkit.failures.analysis import Analysis
from wbkit.failures.causes import classify
from wbkit.failures.classes import CODES, LABELLED_CAUSES, PART_SLICES
from wbkit.failures.pairs import Pairs


def chance_rates(analysis: Analysis, draws: int = 5, seed: int = 0) -> pd.DataFrame:
    """The share of each cause when every error keeps its length and gets a random direction.

    Errors of a given size hit some wrong keypoint by accident. A cause says something about the model only as
    far as its share (`cause_table`) exceeds the share here. Persons, their detections, missed persons and
    parts left out stay as they are, and so does what is good.

    Args:
        analysis: of `analyse`. draws: how many times directions are drawn; shares are means over these.
        seed: of the directions.

    Returns:
        A row for each of the five parts with labels: `labelled` (keypoints) and the share of each of
        `LABELLED_CAUSES`, as in `cause_table(table)`; shares add up to 1.

    Raises:
        InputError: no draws.
    """
    if draws < 1:
        raise InputError(f"{draws} draws", "Give 1 or more; 5 is usual")
    rng, pairs = np.random.default_rng(seed), analysis.pairs
    counts = np.zeros((len(PART_SLICES), len(LABELLED_CAUSES)))
    for _ in range(draws):
        causes = classify(_turned(pairs, rng)).causes  # (P, 133)
        for row, part in enumerate(PART_SLICES.values()):
            found = causes[:, part][pairs.labelled[:, part]]
            counts[row] += [np.count_nonzero(found == CODES[name]) for name in LABELLED_CAUSES]
    total = counts.sum(1)
    parts = pd.CategoricalIndex(list(PART_SLICES), categories=list(PART_SLICES), name="part")
    shares = pd.DataFrame(counts / np.maximum(total, 1)[:, None], parts, list(LABELLED_CAUSES))
    shares.insert(0, "labelled", (total / draws).round().astype(np.int64))
    return shares[shares["labelled"] > 0]


def _turned(pairs: Pairs, rng: np.random.Generator) -> Pairs:
    """Labelled predictions turned around their labels by random angles; similarities stay as they are."""
    offsets = pairs.predicted[..., :2] - pairs.truth[..., :2]
    angle = rng.uniform(0, 2 * np.pi, pairs.labelled.shape)
    way = np.stack([np.cos(angle), np.sin(angle)], -1) * np.hypot(offsets[..., :1], offsets[..., 1:])
    turned = (pairs.labelled & ~pairs.left_out)[..., None]  # missed persons stay NaN
    predicted = pairs.predicted.copy()
    predicted[..., :2] = np.where(turned, pairs.truth[..., :2] + way, predicted[..., :2])
    return replace(pairs, predicted=predicted)
