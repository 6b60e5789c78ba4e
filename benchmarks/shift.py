"""What bfloat16 does to keypoints: the shipped model on the embedded val people, beside float32."""

from __future__ import annotations

import numpy as np
import torch

from wbkit.annotations import load_annotations
from wbkit.commands.models import load_predictor
from wbkit.data import WholeBodyDataset, find_coco_folder, make_loader, persons_from_annotations
from wbkit.files import data_folder
from wbkit.predict import Predictor

SCORE, LIMIT_PX = 0.3, 0.1


def keypoint_shift(people: int | None = None, compile: bool = False) -> dict[str, float]:
    """`distances` of bfloat16 from float32; `compile`: as `Predictor`."""
    exact = load_predictor(None, device="cpu")
    fast = load_predictor(None, device="cpu", bf16=True, compile=compile)
    return distances(exact, fast, people)


def distances(exact: Predictor, fast: Predictor, people: int | None = None) -> dict[str, float]:
    """How far keypoints move in the input crop, px, of those whose score is above `SCORE` in `exact`.

    Args:
        people: the first so many of the embedded val people; None: all.

    Returns:
        mean, p95 and max of the distance; points, how many; share of all.
    """
    folder = find_coco_folder(data_folder() / "wholebody-mini")
    persons = persons_from_annotations(load_annotations(folder.annotations)).select(slice(people))
    moves, scores = [], []
    for batch in make_loader(WholeBodyDataset(persons, folder.images, exact.recipe), 32, workers=0):
        crops = batch["crop"]
        stay = np.tile(np.eye(2, 3), (len(crops), 1, 1))  # positions in the crop, not in the picture
        with torch.inference_mode():
            (points, heights), (moved, _) = (p.predict_crops(crops, stay) for p in (exact, fast))
        moves.append(np.linalg.norm(points - moved, axis=-1))  # (B, K)
        scores.append(heights)
    sure = np.concatenate(scores) > SCORE
    found = np.concatenate(moves)[sure]
    return {
        "mean": float(found.mean()),
        "p95": float(np.percentile(found, 95)),
        "max": float(found.max()),
        "points": int(sure.sum()),
        "share": float(sure.mean()),
    }


def in_words(shift: dict[str, float]) -> str:
    """One line below the table."""
    reached = "reached" if shift["mean"] <= LIMIT_PX else "MISSED"
    return (
        f"bfloat16 moves the shipped model's keypoints (score > {SCORE}: {shift['points']} points, "
        f"{shift['share']:.0%} of all) by {shift['mean']:.3f} px of the input on average, {shift['p95']:.2f} "
        f"px at the 95th percentile, at most {shift['max']:.1f} px; limit {LIMIT_PX} px on average: {reached}"
    )
