"""The published rows, measured: needs COCO val2017, COCO-WholeBody and the official checkpoints.

Run it with `data/coco` in place (`wbkit download coco-val` says how) and the checkpoint fetched
(`wbkit download checkpoint NAME`). With a GPU it takes minutes, on a CPU hours.
"""

import pytest

from wbkit.annotations import load_annotations, load_detections
from wbkit.checkpoints import OFFICIAL_CHECKPOINTS, load_pose_weights
from wbkit.data import find_coco_folder, persons_from_detections
from wbkit.evaluate import per_part_table
from wbkit.files import cache_folder, data_folder
from wbkit.hrnet import PoseNet
from wbkit.nms import rescore_and_nms
from wbkit.pipeline import predict_persons
from wbkit.predict import Predictor
from wbkit.recipes import RECIPES

TOLERANCE = 0.002


@pytest.mark.parametrize("name", sorted(OFFICIAL_CHECKPOINTS))
def test_published_row(name):
    coco = data_folder() / "coco"
    file = OFFICIAL_CHECKPOINTS[name].rsplit("/", 1)[1]
    places = [coco / file, data_folder() / "models" / file, cache_folder("checkpoints") / file]
    checkpoint = next((p for p in places if p.is_file()), None)
    if not (coco / "annotations").is_dir() or checkpoint is None:
        pytest.skip(f"the published numbers are UNVERIFIED here: needs data/coco and {file}")
    recipe, folder = RECIPES[name], find_coco_folder(coco)
    assert folder.detections, "the published rows are with the detector's boxes"
    annotations = load_annotations(folder.annotations)
    model = PoseNet(recipe.width)
    load_pose_weights(model, checkpoint)
    persons = persons_from_detections(annotations, load_detections(folder.detections))
    raw, failures = predict_persons(Predictor(model, recipe), persons, folder.images)
    assert not failures
    table = per_part_table(annotations, rescore_and_nms(raw, input_size=recipe.input_size))
    for part, (ap, ar) in recipe.published.items():
        assert table.AP[part] == pytest.approx(ap, abs=TOLERANCE), part
        assert table.AR[part] == pytest.approx(ar, abs=TOLERANCE), part
