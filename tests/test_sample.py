"""The two real pictures: a network can learn their people by heart, and truth as prediction is perfect."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.utils.data import Dataset

from wbkit.annotations import load_annotations, load_results, results_from_arrays
from wbkit.data import Persons, WholeBodyDataset, find_coco_folder, persons_from_annotations
from wbkit.evaluate import per_part_table
from wbkit.hardware import Hardware
from wbkit.hrnet import PoseNet
from wbkit.keypoints import PARTS
from wbkit.nms import rescore_and_nms
from wbkit.pipeline import predict_persons
from wbkit.predict import Predictor
from wbkit.recipes import RECIPES, Augmentation, Recipe, Schedule
from wbkit.train import fit

SAMPLE = Path(__file__).resolve().parents[2] / "shared" / "coco_wholebody_sample"
pytestmark = pytest.mark.skipif(not SAMPLE.is_dir(), reason="needs ../shared/coco_wholebody_sample")


class MirroredTwins(Dataset):
    """Every person once as in the picture and once mirrored, since flip test will ask for both."""

    def __init__(self, persons: Persons, images: Path, recipe: Recipe, seed: int = 0):
        always = Augmentation(
            flip_probability=1,
            half_body_probability=0,
            shift_probability=0,
            scale=(1.0, 1.0),
            rotation_probability=0,
        )
        self.seed = seed
        plain = WholeBodyDataset(persons, images, recipe)
        mirrored = WholeBodyDataset(persons, images, recipe, always, seed)
        self.samples = [dataset[i] for dataset in (plain, mirrored) for i in range(len(persons))]

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, key: int) -> dict:
        return self.samples[key % len(self)]

    def describe(self, index: int) -> str:
        return f"sample {index}"


def test_a_narrow_network_learns_six_people_by_heart(tmp_path):
    """A pipeline that cannot overfit six people is broken: in data, targets, loss, flip or decoding."""
    folder = find_coco_folder(SAMPLE)
    annotations = load_annotations(folder.annotations)
    persons = persons_from_annotations(annotations)
    assert len(persons) == 6
    schedule = Schedule(batch_size=6, learning_rate=3e-3, epochs=180, warmup_steps=20, milestones=(135, 165))
    recipe = replace(RECIPES["tiny"].at((96, 128)), sigma=1.5, schedule=schedule)
    torch.manual_seed(0)
    model = PoseNet(recipe.width)
    twins = MirroredTwins(persons, folder.images, recipe)
    fit(model, recipe, twins, hardware=Hardware(bf16=False), shuffle=False, progress=False)
    raw, failures = predict_persons(Predictor(model, recipe), persons, folder.images, workers=0)
    assert not failures
    table = per_part_table(annotations, rescore_and_nms(raw, input_size=recipe.input_size))
    assert table.AP["wholebody"] >= 0.9


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
