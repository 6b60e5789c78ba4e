"""The data set on disk: format, determinism, resuming, errors."""

import argparse
import json
import os
import subprocess
import sys
import time

import cv2
import numpy as np
import pytest
from pycocotools import mask as coco_mask

from wbkit import options
from wbkit.annotations import load_annotations
from wbkit.errors import InputError
from wbkit.files import data_folder
from wbkit.synth import scene, write

SIZE = (120, 160)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    out = tmp_path_factory.mktemp("synth") / "set"
    write.generate(out, 4, seed=5, workers=2, size_wh=SIZE, val_pictures=2)
    return out


def _load(out, split="train"):
    return json.loads((out / "annotations" / f"coco_wholebody_{split}_v1.0.json").read_text())


def _without_ids(records):
    return [{k: v for k, v in r.items() if k not in ("id", "image_id")} for r in records]


def test_the_layout_is_cocos_and_the_loader_takes_it(made):
    assert sorted(p.name for p in made.iterdir()) == ["annotations", "train2017", "val2017"]
    loaded = load_annotations(made / "annotations" / "coco_wholebody_train_v1.0.json", cache=False)
    assert len(loaded.image_ids) == 4
    assert len(loaded) >= 4
    for name in loaded.file_names:
        assert cv2.imread(str(made / "train2017" / name)).shape == (SIZE[1], SIZE[0], 3)


def test_picture_i_is_the_same_whatever_the_workers(made):
    content = _load(made)
    for i in (0, 3):
        sample = write.make_picture(5, i, SIZE)
        records = [r for r in content["annotations"] if r["image_id"] == i + 1]
        assert _without_ids(records) == json.loads(json.dumps(_without_ids(sample.annotations)))
        coded = cv2.imencode(
            ".jpg", sample.image[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, sample.jpeg_quality]
        )[1]
        assert coded.tobytes() == (made / "train2017" / f"{i + 1:012d}.jpg").read_bytes()


def test_boxes_and_areas_are_those_of_the_mask(made):
    for record in _load(made)["annotations"] + _load(made, "val")["annotations"]:
        rle = record["segmentation"]
        assert rle["size"] == [SIZE[1], SIZE[0]]
        assert record["area"] == coco_mask.area(rle)
        assert record["bbox"] == coco_mask.toBbox(rle).tolist()
        assert record["num_keypoints"] == sum(v > 0 for v in record["keypoints"][2::3])
        points = np.array(record["keypoints"]).reshape(-1, 3)
        assert (points[points[:, 2] == 0] == 0).all()


def test_the_reference_evaluator_takes_it(made):
    pytest.importorskip("xtcocotools")
    import sys

    import pycocotools._mask

    sys.modules.setdefault("xtcocotools._mask", pycocotools._mask)  # its own was compiled for NumPy 1
    from xtcocotools.coco import COCO
    from xtcocotools.cocoeval import COCOeval

    path = made / "annotations" / "coco_wholebody_train_v1.0.json"
    truth = COCO(str(path))
    results = [
        {
            k: r[k]
            for k in (
                "image_id",
                "category_id",
                "keypoints",
                "foot_kpts",
                "face_kpts",
                "lefthand_kpts",
                "righthand_kpts",
            )
        }
        | {"score": 1.0}
        for r in _load(made)["annotations"]
        if r["num_keypoints"]
    ]
    evaluation = COCOeval(
        truth, truth.loadRes(results), "keypoints_body", np.array([0.05] * 17), use_area=True
    )
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()
    assert evaluation.stats[0] > 0.99


def test_a_killed_run_goes_on(made, tmp_path, monkeypatch):
    calls = []
    real = write.make_picture

    def dies_after_two(seed, index, size, **options):
        calls.append(index)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return real(seed, index, size, **options)

    monkeypatch.setattr(write, "make_picture", dies_after_two)
    with pytest.raises(KeyboardInterrupt):
        write.generate(tmp_path / "set", 4, seed=5, workers=1, size_wh=SIZE, val_pictures=2)
    assert not (tmp_path / "set" / "annotations").exists()
    with pytest.raises(InputError, match="other options"):
        write.generate(tmp_path / "set", 4, seed=6, workers=1, size_wh=SIZE)
    write.generate(tmp_path / "set", 4, seed=5, workers=1, size_wh=SIZE, val_pictures=2)
    assert calls.count(0) == calls.count(1) == 1
    assert _load(tmp_path / "set") == _load(made)
    assert not (tmp_path / "set" / ".parts").exists()


def test_workers_end_with_a_killed_command(tmp_path):
    out = tmp_path / "set"
    command = ["synth", "--out", str(out), "--pictures", "500", "--workers", "2", "--size", "96x128"]
    process = subprocess.Popen([sys.executable, "-m", "wbkit.cli", *command], stderr=subprocess.DEVNULL)

    def count() -> int:
        return len(list(out.glob("train2017/0*.jpg")))

    while count() < 2:
        assert process.poll() is None
        time.sleep(0.05)
    process.kill()
    process.wait()
    time.sleep(3)  # the pictures that were begun
    left = count()
    assert left < 100
    time.sleep(2)
    assert count() == left


def test_what_killed_runs_left_is_removed(made, tmp_path):
    out = tmp_path / "set"
    options = {"format": write.FORMAT, "seed": 5, "size": list(SIZE)}
    write.write_json(out / ".parts" / "options.json", options)
    (out / "train2017").mkdir()
    for name in (".000000000001.jpg.77.tmp.jpg", "000000000009.jpg"):  # half a picture, one too many
        (out / "train2017" / name).write_bytes(b"left")
    write.generate(out, 4, seed=5, workers=1, size_wh=SIZE, val_pictures=2)
    assert sorted(p.name for p in (out / "train2017").iterdir()) == [f"{i:012d}.jpg" for i in range(1, 5)]
    assert _load(out) == _load(made)


def test_a_full_disk_leaves_no_half_picture(tmp_path, monkeypatch):
    real = type(tmp_path).write_bytes

    def full(self, data):
        real(self, data[:100])
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(type(tmp_path), "write_bytes", full)
    with pytest.raises(InputError, match=r"No space left.*Choose a writable place"):
        write.generate(tmp_path / "set", 2, workers=1, size_wh=SIZE)
    assert not list((tmp_path / "set").rglob("*.jpg"))


@pytest.mark.parametrize(
    ("options", "what"),
    [
        ({"pictures": 0}, "pictures is 0"),
        ({"pictures": 1, "seed": -1}, "seed is -1"),
        ({"pictures": 1, "workers": -2}, "workers is -2"),
        ({"pictures": 1, "workers": 0}, "workers is 0"),
        ({"pictures": 1, "size_wh": (10, 512)}, "size is 10x512"),
        ({"pictures": 1, "val_pictures": -3}, "val is -3"),
        ({"pictures": 1, "mix": "odd"}, "there is no mix 'odd'.*everyday, hard"),
    ],
)
def test_a_bad_option_is_named(tmp_path, options, what):
    with pytest.raises(InputError, match=what):
        write.generate(tmp_path / "set", **options)
    assert not (tmp_path / "set").exists()


def test_the_mix_is_kept_with_the_set_and_changes_pictures(made, tmp_path):
    hard = tmp_path / "hard"
    write.generate(hard, 4, seed=5, workers=1, size_wh=SIZE, mix="hard")
    assert json.loads(_load(hard)["info"]["options"])["mix"] == "hard"
    assert "mix" not in json.loads(_load(made)["info"]["options"])
    assert _without_ids(_load(hard)["annotations"]) != _without_ids(_load(made)["annotations"])
    assert _without_ids(_load(hard)["annotations"][:1]) == _without_ids(
        write.make_picture(5, 0, SIZE, mix="hard").annotations[:1]
    )


def test_a_finished_data_set_is_not_overwritten(made):
    with pytest.raises(InputError, match="holds a data set already"):
        write.generate(made, 4, seed=5, workers=1, size_wh=SIZE)


def test_command_line_options():
    parser = argparse.ArgumentParser(exit_on_error=False)
    options.synth(parser)
    (mixes,) = (action.choices for action in parser._actions if action.dest == "mix")
    assert [*mixes] == [*scene.MIXES]
    parsed = parser.parse_args(["--out", "x", "--pictures", "3", "--size", "96x128", "--workers", "2"])
    assert (parsed.pictures, parsed.size, parsed.seed) == (3, (96, 128), 0)
    with pytest.raises(argparse.ArgumentError, match="WIDTHxHEIGHT"):
        parser.parse_args(["--out", "x", "--pictures", "3", "--size", "96"])


def test_the_embedded_set_can_be_made_again():
    """A few pictures: labels exactly, pixels closely.

    What is discrete is equal. Other processors may round a coordinate's last decimal, and a few samples on
    the rim of a mask, differently; JPEG may differ too.
    """
    out = data_folder() / "wholebody-mini"
    for split, number in (("train", 1), ("train", 120), ("train", 290), ("val", 53), ("val", 98)):
        content = _load(out, split)
        options = json.loads(content["info"]["options"])
        index = number - 1 + (write.VAL_OFFSET if split == "val" else 0)
        sample = write.make_picture(options["seed"], index, tuple(options["size"]))
        records = [r for r in content["annotations"] if r["image_id"] == number]
        for stored, again in zip(_without_ids(records), _without_ids(sample.annotations), strict=True):
            assert stored.keys() == again.keys()
            for field, value in stored.items():
                if field.endswith(("keypoints", "_kpts")) and field != "num_keypoints":
                    np.testing.assert_allclose(value, again[field], rtol=0, atol=1.1e-3)
                    assert value[2::3] == again[field][2::3]
                elif field.endswith("box"):
                    np.testing.assert_allclose(value, again[field], rtol=0, atol=1)
                elif field == "segmentation":
                    assert coco_mask.iou([value], [again[field]], [0]) > 0.999
                elif field == "area":
                    assert value == pytest.approx(again[field], rel=1e-3)
                else:
                    assert value == again[field], field
        stored = cv2.imread(str(out / f"{split}2017" / f"{number:012d}.jpg"))
        again = cv2.imdecode(sample.jpeg(), cv2.IMREAD_COLOR)
        assert np.abs(stored.astype(int) - again).mean() < 1


def test_the_embedded_set_is_whole():
    out = data_folder() / "wholebody-mini"
    for split, low in (("train", 300), ("val", 100)):
        loaded = load_annotations(out / "annotations" / f"coco_wholebody_{split}_v1.0.json", cache=False)
        assert len(loaded.image_ids) == low
        assert all((out / f"{split}2017" / name).stat().st_size > 2000 for name in loaded.file_names)


def test_a_failure_in_a_worker_names_the_picture(tmp_path):
    options = {"format": write.FORMAT, "seed": 0, "size": list(SIZE)}
    write.write_json(tmp_path / "set" / ".parts" / "options.json", options)
    (tmp_path / "set" / "train2017").write_text("a file where the folder should be")
    with pytest.raises(InputError, match="train2017"):
        write.generate(tmp_path / "set", 4, workers=2, size_wh=SIZE, progress=False)


def test_progress_shows_in_a_log_without_a_terminal(tmp_path, capfd):
    write.generate(tmp_path / "set", 1, workers=1, size_wh=SIZE)
    assert "1/1" in capfd.readouterr().err
