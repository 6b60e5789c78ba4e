"""data/results holds what the shipped model finds, and the README's picture is drawn from it."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from wbkit.annotations import load_annotations, load_results
from wbkit.data import find_coco_folder, persons_from_annotations
from wbkit.evaluate import per_part_table
from wbkit.files import data_folder

ROOT = Path(__file__).resolve().parent.parent
REMEDY = "data/models has changed: run tools/example_results.py, tools/failure_picture.py and notebook 08"


def tool(name):
    spec = importlib.util.spec_from_file_location(name, ROOT / "tools" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def folder():
    return find_coco_folder(data_folder() / "wholebody-mini")


@pytest.mark.parametrize("name", ["flip_test", "no_flip_test"])
def test_the_shipped_model_finds_what_the_file_says(folder, name, one_thread):
    example_results = tool("example_results")
    persons = persons_from_annotations(load_annotations(folder.annotations))
    largest = persons.select(np.argsort(-persons.boxes_xywh[:, 2:].prod(1), kind="stable")[:4])
    again = example_results.example(largest, folder.images, flip_test=example_results.FILES[name])
    kept = load_results(data_folder() / "results" / f"{name}.json")
    for image_id, keypoints in zip(again.image_ids, again.keypoints, strict=True):
        there = kept.keypoints[kept.image_ids == image_id]  # (n, 133, 3)
        distance = np.linalg.norm(there[..., :2] - keypoints[:, :2], axis=-1)
        assert np.median(distance, axis=1).min() < 0.11, REMEDY
        assert np.mean(distance[np.median(distance, axis=1).argmin()] < 0.3) > 0.95, REMEDY


def test_files_are_rounded_and_belong_to_the_embedded_people(folder):
    truth = load_annotations(folder.annotations)
    for name in ("flip_test", "no_flip_test"):
        results = load_results(data_folder() / "results" / f"{name}.json")
        assert np.isin(results.image_ids, truth.image_ids).all()
        np.testing.assert_array_equal(results.keypoints[..., :2], results.keypoints[..., :2].round(1))
        assert 0.9 * len(truth) < len(results) <= len(truth)
        assert per_part_table(truth, results).AP["body"] > 0.2


def test_the_picture_holds_the_numbers_of_these_files(folder):
    import matplotlib.pyplot as plt

    figure = tool("failure_picture").draw()
    results = load_results(data_folder() / "results" / "flip_test.json")
    ap = per_part_table(folder.annotations, results).AP["wholebody"]
    texts = [t.get_text() for part in figure.subfigs for ax in part.axes for t in ax.texts]
    assert f"{ap:.3f}" in texts
    plt.close(figure)
    assert (ROOT / "docs" / "failures.png").stat().st_size > 20_000
