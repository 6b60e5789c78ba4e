"""wbkit.export: the way back to MMPose, ONNX by another runtime, half-size files."""

import gzip
import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch

import wbkit.commands.models
import wbkit.geometry
from wbkit.checkpoints import load_pose_weights, save_pose_weights
from wbkit.cli import main
from wbkit.commands.models import load_predictor
from wbkit.errors import InputError
from wbkit.export import export_mmpose, export_onnx
from wbkit.help_texts import EXAMPLES
from wbkit.hrnet import PoseNet
from wbkit.predict import normalize
from wbkit.recipes import RECIPES
from wbkit.runs import Run, identity

pytestmark = pytest.mark.usefixtures("one_thread")


def export(checkpoint: Path, out: Path, *more: str) -> int:
    return main(["export", "--checkpoint", str(checkpoint), "--out", str(out), *more])


def test_mmpose_file_has_its_keys_and_comes_back(tiny_checkpoint, tiny_model, tmp_path):
    out = tmp_path / "tiny.pth"
    assert export(tiny_checkpoint, out) == 0
    content = torch.load(out, weights_only=True)
    with gzip.open(Path(__file__).parent / "golden" / "hrnet_keys_w32.json.gz") as file:
        listed = json.load(file)
    assert list(content["state_dict"]) == [name for name, _ in listed["state_dict"]]
    model = PoseNet(16)
    report = load_pose_weights(model, out)
    assert report.layout == "MMPose 1.x"
    for name, value in tiny_model.state_dict().items():
        assert torch.equal(model.state_dict()[name], value)


def test_a_pth_knows_its_recipe_and_the_size_of_its_crops(tiny_checkpoint, tiny_model, tmp_path):
    """Those of `wbkit export` and of a training run, at another input size than the recipe's."""
    other = tmp_path / "other.safetensors"
    save_pose_weights(tiny_model, other, RECIPES["tiny"].at((96, 128)).metadata())
    assert export(other, tmp_path / "other.pth") == 0
    recipe = replace(RECIPES["tiny"].at((64, 96)), head_channels=0)
    run = Run(tmp_path / "run", identity(recipe, 1, 0, 1, 0))
    run.save({"state_dict": tiny_model.state_dict()})
    for path, size in ((tmp_path / "other.pth", (96, 128)), (run.last, (64, 96))):
        predictor = load_predictor(path, device="cpu")
        assert (predictor.recipe.name, predictor.recipe.input_size) == ("tiny", size)
    torch.save({"state_dict": tiny_model.state_dict(), "meta": {"epoch": 3}}, tmp_path / "theirs.pth")
    with pytest.raises(InputError, match="does not say which recipe"):
        load_predictor(tmp_path / "theirs.pth", device="cpu")


@pytest.mark.parametrize("name", list(RECIPES))
def test_mmpose_s_configuration_fits_the_weights(name, tmp_path):
    """Read as Python. (MMPose 1.3.2 itself, the shipped model, one picture: within .001 px of ours.)"""
    recipe, out = RECIPES[name], tmp_path / "mine.pth"
    model = PoseNet(recipe.width, head_channels=recipe.head_channels)
    assert export_mmpose(model, out, recipe) == tmp_path / "mine.py"
    found: dict = {}
    exec((tmp_path / "mine.py").read_text(), found)
    weights, (backbone, head) = model.state_dict(), (found["model"][k] for k in ("backbone", "head"))
    for i in (2, 3, 4):
        stage = backbone["extra"][f"stage{i}"]
        for branch, channels in enumerate(stage["num_channels"]):
            for module in range(stage["num_modules"]):
                for block in range(stage["num_blocks"][branch]):
                    at = f"backbone.stage{i}.{module}.branches.{branch}.{block}.conv1.weight"
                    assert weights.pop(at).shape[0] == channels
    assert not [
        key for key in weights if re.search(r"stage.*branches.*conv1\.weight", key)
    ]  # no more of them
    assert (head["out_channels"], head["in_channels"]) == (133, recipe.width)
    convolutions = [
        w.shape[:1] + w.shape[2:3] for k, w in weights.items() if k == "head.conv_layers.0.weight"
    ]
    assert [*zip(head["conv_out_channels"], head["conv_kernel_sizes"], strict=True)] == convolutions
    decoder = head["decoder"]
    assert decoder["type"] == ("UDPHeatmap" if recipe.udp else "MSRAHeatmap")
    assert (decoder["input_size"], decoder["heatmap_size"], decoder["sigma"]) == (
        recipe.input_size,
        recipe.heatmap_size,
        recipe.sigma,
    )
    affine = found["test_dataloader"]["dataset"]["pipeline"][2]
    assert (affine["input_size"], affine["use_udp"]) == (recipe.input_size, recipe.udp)
    assert found["model"]["test_cfg"]["shift_heatmap"] == recipe.shift_flipped


def test_onnx_gives_the_same_heatmaps(tiny_checkpoint, tiny_model, tmp_path, capsys):
    out = tmp_path / "tiny.onnx"
    assert export(tiny_checkpoint, out) == 0
    assert "differ" in capsys.readouterr().out
    session = onnxruntime.InferenceSession(str(out), providers=["CPUExecutionProvider"])
    (w, h), (map_w, map_h) = RECIPES["tiny"].input_size, RECIPES["tiny"].heatmap_size
    crops = np.random.default_rng(0).integers(0, 256, (3, h, w, 3), dtype=np.uint8)
    theirs = session.run(None, {"crops": crops})[0]
    with torch.inference_mode():
        ours = tiny_model(normalize(torch.from_numpy(crops))).numpy()
    assert session.get_modelmeta().custom_metadata_map == RECIPES["tiny"].metadata()
    assert theirs.shape == (3, 133, map_h, map_w)
    assert np.abs(theirs - ours).max() <= 1e-4 * np.abs(ours).max()


def test_from_a_photo_to_points_by_onnx_as_the_help_says(tiny_checkpoint, tmp_path, monkeypatch):
    """The lines of `wbkit export --help`, run; beside the predictor without its flip test."""
    monkeypatch.chdir(tmp_path)
    shutil.copy(tiny_checkpoint, "best.safetensors")
    assert export(tiny_checkpoint, Path("tiny.onnx")) == 0
    names = {"wbkit": wbkit, "onnxruntime": onnxruntime, "np": np, "torch": torch}
    names["image"] = np.random.default_rng(0).integers(0, 256, (200, 150, 3), dtype=np.uint8)
    names["boxes"] = np.array([[10.0, 20, 90, 160], [40, 5, 80, 120]])
    lines = EXAMPLES["export"].split("with it:\n")[1].splitlines()
    exec("\n".join(line.strip() for line in lines), names)
    expected, scores = load_predictor(tiny_checkpoint, flip_test=False)(names["image"], names["boxes"])
    np.testing.assert_allclose(names["scores"].numpy(), scores, atol=1e-4 * scores.max())
    assert np.median(np.abs(names["points"] - expected)) < 0.01


def test_onnx_that_differs_is_not_kept(tiny_model, tmp_path, monkeypatch):
    monkeypatch.setattr("wbkit.export._difference", lambda *_: float("nan"))
    with pytest.raises(ValueError, match="differ by nan"):
        export_onnx(tiny_model, tmp_path / "x.onnx", RECIPES["tiny"])
    assert not list(tmp_path.iterdir())


def test_half_the_size(tiny_checkpoint, tmp_path, capsys):
    out = tmp_path / "half.safetensors"
    assert export(tiny_checkpoint, out, "--half") == 0
    assert out.stat().st_size < 0.52 * tiny_checkpoint.stat().st_size
    assert load_pose_weights(PoseNet(16), out).info.metadata["recipe"] == "tiny"


@pytest.mark.parametrize(
    ("name", "more", "message"),
    [("x.tflite", [], ".onnx"), ("x.onnx", ["--half"], "--half"), ("missing/../x", [], "End it with")],
)
def test_what_cannot_be_written(tiny_checkpoint, tmp_path, capsys, name, more, message):
    assert export(tiny_checkpoint, tmp_path / name, *more) == 2
    assert message in capsys.readouterr().err
