"""From many boxes in many pictures to a table of AP by part: predict, rescore, suppress, score."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from tqdm import tqdm

from wbkit.columns import Annotations, Results, body_extent_areas
from wbkit.data import Persons, WholeBodyDataset, make_loader, part_persons
from wbkit.evaluate import per_part_table
from wbkit.keypoints import NUM_KEYPOINTS, PARTS
from wbkit.nms import rescore, rescore_and_nms
from wbkit.predict import Predictor
from wbkit.recipes import Recipe
from wbkit.zoom import ZOOMED, fuse, where_to_look


def predict_persons(
    predictor: Predictor,
    persons: Persons,
    image_folder: str | Path,
    *,
    workers: int = 2,
    progress: bool = True,
) -> tuple[Results, list[str]]:
    """Predict many boxes in many pictures, read and cut by worker processes; twice if the predictor zooms.

    Args:
        persons: boxes to look into (`wbkit.data.persons_from_...`).
        image_folder: where their pictures lie.
        workers: processes that read pictures.
        progress: show a bar with persons a second.

    Returns:
        Results with scores rescored as the recipe says (not yet suppressed), boxes and box scores;
        and one message for every person that is missing because its picture could not be used (in
        either look).
    """
    how = {"workers": workers, "progress": progress}
    keypoints, failures = predict_boxes(predictor, persons, image_folder, **how)
    if predictor.zoom:
        person, part, boxes = where_to_look(keypoints, persons.image_sizes_wh)
        parts = replace(persons.select(person), boxes_xywh=boxes)
        seen, unseen = predict_boxes(predictor.zoom, parts, image_folder, unit="part", **how)
        keypoints = fuse(keypoints, person, part, seen)
        failures |= {int(person[i]): message for i, message in unseen.items()}
    good = np.array([i not in failures for i in range(len(persons))], dtype=bool)
    kept = persons.select(good)
    results = results_from_predictions(kept, keypoints[good], predictor.recipe)
    return results, [f"person {persons.ids[i]}: {message}" for i, message in sorted(failures.items())]


def predict_parts(
    predictor: Predictor, persons: Persons, image_folder: str | Path, *, workers: int = 2
) -> tuple[Results, list[str]]:
    """The second look alone, where labels say that faces and hands are: `predict_persons` of a zoom recipe.

    Returns:
        Results in which the other parts are 0, and messages as `predict_persons`.
    """
    parts, owner, part = part_persons(persons)
    seen, failures = predict_boxes(predictor, parts, image_folder, workers=workers, unit="part")
    keypoints = np.zeros((len(persons), NUM_KEYPOINTS, 3))
    for j, name in enumerate(ZOOMED):
        keypoints[owner[part == j], PARTS[name]] = seen[part == j, PARTS[name]]
    missed = {int(parts.ids[i]): message for i, message in failures.items()}  # one a person
    messages = [f"person {i}: {message}" for i, message in sorted(missed.items())]
    return results_from_predictions(persons, keypoints, predictor.recipe), messages


def predict_boxes(
    predictor: Predictor,
    persons: Persons,
    image_folder: str | Path,
    *,
    workers: int = 2,
    progress: bool = True,
    unit: str = "person",
) -> tuple[np.ndarray, dict[int, str]]:
    """One look into each box, of people or of parts, without rescoring; arguments as in `predict_persons`.

    Args:
        unit: what the bar counts.

    Returns:
        keypoints (N, K, 3) image px and score; index into `persons` -> message where it failed (zeros there).
    """
    dataset = WholeBodyDataset(persons, image_folder, predictor.recipe, keep_failures=True)
    keypoints = np.zeros((len(persons), predictor.recipe.num_keypoints, 3))
    failures: dict[int, str] = {}
    with tqdm(total=len(persons), desc="predict", unit=unit, disable=not progress) as bar:
        for batch in make_loader(dataset, predictor.batch_size, workers=workers):
            failures.update(batch["failures"])
            if "crop" in batch:
                xy, scores = predictor.predict_crops(batch["crop"], batch["matrix"].numpy())
                keypoints[batch["person"].numpy()] = np.concatenate([xy, scores[..., None]], -1)
            bar.update(len(batch["failures"]) + len(batch.get("person", ())))
    return keypoints, failures


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
        the results that are left; their `per_part_table`, of a network of 17 keypoints only the row "body",
        of a second look only those of faces and hands.
    """
    names = ("input_size", "keypoint_threshold", "nms_threshold")
    results = rescore_and_nms(raw, **{name: getattr(recipe, name) for name in names})
    table = per_part_table(annotations, results)
    if recipe.zoom:
        return results, table.loc[[*ZOOMED, "hand"]]
    return results, table if recipe.num_keypoints == NUM_KEYPOINTS else table.loc[["body"]]
