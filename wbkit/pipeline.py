"""From many boxes in many pictures to a table of AP by part: predict, rescore, suppress, score."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from tqdm import tqdm

from wbkit.columns import Annotations, Results, body_extent_areas
from wbkit.data import Persons, WholeBodyDataset, make_loader
from wbkit.evaluate import per_part_table
from wbkit.keypoints import NUM_KEYPOINTS
from wbkit.nms import rescore, rescore_and_nms
from wbkit.predict import Predictor
from wbkit.recipes import Recipe


def predict_persons(
    predictor: Predictor,
    persons: Persons,
    image_folder: str | Path,
    *,
    workers: int = 2,
    progress: bool = True,
) -> tuple[Results, list[str]]:
    """Predict many boxes in many pictures, read and cut by worker processes.

    Args:
        persons: boxes to look into (`wbkit.data.persons_from_...`).
        image_folder: where their pictures lie.
        workers: processes that read pictures.
        progress: show a bar with persons a second.

    Returns:
        Results with scores rescored as the recipe says (not yet suppressed), boxes and box scores;
        and one message for every person that is missing because its picture could not be used.
    """
    dataset = WholeBodyDataset(persons, image_folder, predictor.recipe, keep_failures=True)
    keypoints = np.zeros((len(persons), predictor.recipe.num_keypoints, 3))
    failures: dict[int, str] = {}
    with tqdm(total=len(persons), desc="predict", unit="person", disable=not progress) as bar:
        for batch in make_loader(dataset, predictor.batch_size, workers=workers):
            failures.update(batch["failures"])
            if "crop" in batch:
                xy, scores = predictor.predict_crops(batch["crop"], batch["matrix"].numpy())
                keypoints[batch["person"].numpy()] = np.concatenate([xy, scores[..., None]], -1)
            bar.update(len(batch["failures"]) + len(batch.get("person", ())))
    good = np.array([i not in failures for i in range(len(persons))], dtype=bool)
    kept = persons.select(good)
    results = results_from_predictions(kept, keypoints[good], predictor.recipe)
    return results, [f"person {persons.ids[i]}: {message}" for i, message in sorted(failures.items())]


def results_from_predictions(persons: Persons, keypoints: np.ndarray, recipe: Recipe) -> Results:
    """Predicted keypoints (N, K, 3) of `persons` as rescored `Results`; for K < 133 the rest is 0."""
    rest = NUM_KEYPOINTS - keypoints.shape[1]
    keypoints = np.pad(keypoints, ((0, 0), (0, rest), (0, 0)))  # (N, 133, 3)
    raw = Results(
        source="predictions",
        image_ids=persons.image_ids,
        keypoints=keypoints,
        scores=persons.box_scores,
        areas=body_extent_areas(keypoints),
        part_scores=np.repeat(persons.box_scores[:, None], 5, axis=1),
        boxes_xywh=persons.boxes_xywh,
        box_scores=persons.box_scores,
        ids=persons.ids,
    )
    return rescore(raw, recipe.keypoint_threshold)


def score(annotations: Annotations, raw: Results, recipe: Recipe) -> tuple[Results, pd.DataFrame]:
    """Suppress duplicates as the recipe says, and compare with the labels.

    Args:
        raw: predictions with boxes and box scores, such as those of `predict_persons`.

    Returns:
        the results that are left; their `per_part_table`, of a network of 17 keypoints only the row "body".
    """
    names = ("input_size", "keypoint_threshold", "nms_threshold")
    results = rescore_and_nms(raw, **{name: getattr(recipe, name) for name in names})
    table = per_part_table(annotations, results)
    return results, table if recipe.num_keypoints == NUM_KEYPOINTS else table.loc[["body"]]
