"""The two real pictures: the demo fits their six labelled people, and truth as prediction is perfect."""

from pathlib import Path

import numpy as np
import pytest

from wbkit.annotations import load_annotations, load_results, results_from_arrays
from wbkit.commands.demo import run_demo
from wbkit.evaluate import per_part_table
from wbkit.keypoints import PARTS

SAMPLE = Path(__file__).resolve().parents[2] / "shared" / "coco_wholebody_sample"
pytestmark = pytest.mark.skipif(not SAMPLE.is_dir(), reason="needs ../shared/coco_wholebody_sample")


def test_the_demo_fits_six_people(tmp_path):
    """A pipeline that cannot overfit six people is broken: in data, targets, loss, flip or decoding."""
    table = run_demo(SAMPLE, tmp_path)
    assert table.AP["wholebody"] >= 0.9
    for name in ("results.json", "table.csv", "poses.png", "heatmaps.png", "precision_recall.png"):
        assert (tmp_path / name).stat().st_size > 1000 or name == "table.csv"


def test_ground_truth_as_prediction_is_perfect_in_every_part_with_labels():
    annotations = load_annotations(SAMPLE / "annotations" / "coco_wholebody_val_v1.0.json")
    persons = annotations.select(~annotations.crowd)
    keypoints = persons.keypoints.copy()
    keypoints[..., 2] = keypoints[..., 2] > 0  # the scores; an unlabelled part predicts nothing
    scores = np.linspace(0.5, 1, len(persons))
    results = load_results(results_from_arrays(keypoints, None, persons.person_image_ids, scores))
    table = per_part_table(annotations, results)
    for part, keypoints_of_part in PARTS.items():
        assert (annotations.keypoints[:, keypoints_of_part, 2] > 0).any()
        # The reference divides by 1 + 2^-52, so that its perfect AP is 0.9999999999999998.
        perfect = table.loc[part, ["AP", "AP50", "AP75", "AR", "AR50", "AR75"]].to_numpy(float)
        np.testing.assert_allclose(perfect, 1, rtol=0, atol=1e-15)
