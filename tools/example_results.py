"""The results files in data/results: what the shipped model finds on the embedded validation people.

python tools/example_results.py     predicts (some minutes on two cores) and writes both files again

In one look (`--zoom none`), with and without averaging over the mirrored picture, in the labelled boxes,
rescored and suppressed as MMPose does; x and y to a tenth of a pixel, keypoints' scores to a thousandth,
persons' finer, so that few tie. The failure analysis in the notebooks and the README reads them, so that its
numbers are the same everywhere. Call this after data/models/tiny.safetensors has changed.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from wbkit.annotations import load_annotations, save_results
from wbkit.columns import Results
from wbkit.commands.models import load_predictor
from wbkit.data import Persons, find_coco_folder, persons_from_annotations
from wbkit.files import data_folder
from wbkit.nms import rescore_and_nms
from wbkit.pipeline import predict_persons

FILES = {"flip_test": True, "no_flip_test": False}
"""Name of each file -> whether predictions are averaged over the mirrored picture."""


def example(persons: Persons, images: Path, *, flip_test: bool, progress: bool = False) -> Results:
    """Predictions of the given people, rescored and rounded as in the files."""
    predictor = load_predictor(None, flip_test=flip_test, zoom="none")
    raw, failures = predict_persons(predictor, persons, images, workers=0, progress=progress)
    assert not failures, failures
    return rounded(rescore_and_nms(raw, input_size=predictor.recipe.input_size))


def rounded(results: Results) -> Results:
    """x, y to .1 px, keypoints' scores to .001, persons' to 1e-5; areas follow from the rounded body."""
    keypoints = np.concatenate(
        [results.keypoints[..., :2].round(1), results.keypoints[..., 2:].round(3)], axis=2
    )
    scores = {name: getattr(results, name).round(5) for name in ("scores", "part_scores")}
    return replace(results, keypoints=keypoints, **scores)


def main() -> None:
    """Write both files."""
    folder = find_coco_folder(data_folder() / "wholebody-mini")
    persons = persons_from_annotations(load_annotations(folder.annotations))
    for name, flip_test in FILES.items():
        results = example(persons, folder.images, flip_test=flip_test, progress=True)
        save_results(data_folder() / "results" / f"{name}.json", results)


if __name__ == "__main__":
    main()
