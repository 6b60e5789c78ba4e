"""The unfinished model of data/training: what its README says of it."""

import re

import pytest

from wbkit.annotations import load_annotations
from wbkit.commands.models import load_predictor
from wbkit.data import find_coco_folder, persons_from_annotations
from wbkit.evaluate import per_part_table
from wbkit.files import data_folder
from wbkit.nms import rescore_and_nms
from wbkit.predict import predict_persons


def test_its_readme_states_its_ap():
    folder = data_folder() / "training"
    predictor = load_predictor(folder / "tiny_stage1.safetensors", device="cpu")
    val = find_coco_folder(data_folder() / "wholebody-mini")
    annotations = load_annotations(val.annotations)
    persons = persons_from_annotations(annotations)
    raw, failures = predict_persons(predictor, persons, val.images, workers=0, progress=False)
    assert not failures
    table = per_part_table(annotations, rescore_and_nms(raw, input_size=predictor.recipe.input_size))
    line = re.search(r"`data/wholebody-mini` val \|(.*)\|", (folder / "README.md").read_text())[1]
    stated = [float(number) for number in line.split("|")]
    assert stated == pytest.approx(table.AP[["body", "foot", "face", "hand", "wholebody"]].tolist(), abs=0.01)
