"""Fixtures for all tests: a private cache, a small COCO-WholeBody folder, a small checkpoint."""

import shutil
from pathlib import Path

import pytest
from small_coco import write_tiny_coco


@pytest.fixture(autouse=True)
def _private_cache(tmp_path_factory, monkeypatch):
    """No test reads or fills the user's cache."""
    monkeypatch.setenv("WBKIT_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))


@pytest.fixture(scope="session")
def _tiny_coco(tmp_path_factory) -> Path:
    return write_tiny_coco(tmp_path_factory.mktemp("tiny") / "coco")


@pytest.fixture
def tiny_coco(_tiny_coco, tmp_path) -> Path:
    """A folder that the test may change: 3 pictures, 5 people with all 133 labels, detections."""
    return Path(shutil.copytree(_tiny_coco, tmp_path / "coco"))


@pytest.fixture
def train_coco(tiny_coco) -> Path:
    """`tiny_coco` with its val pictures as training pictures too."""
    shutil.copytree(tiny_coco / "val2017", tiny_coco / "train2017")
    names = [tiny_coco / "annotations" / f"coco_wholebody_{s}_v1.0.json" for s in ("val", "train")]
    shutil.copy(*names)
    return tiny_coco


@pytest.fixture(scope="session")
def tiny_model():
    """PoseNet(16) whose heatmaps have clear, different peaks; the session's, don't change it."""
    import torch

    from wbkit.hrnet import PoseNet

    with torch.random.fork_rng():
        torch.manual_seed(3)
        model = PoseNet(16).eval()
        torch.nn.init.normal_(model.head.final_layer.weight, std=0.5)
    return model


@pytest.fixture(scope="session")
def tiny_checkpoint(tiny_model, tmp_path_factory) -> Path:
    """`tiny_model` as safetensors that name their recipe, "tiny"."""
    from wbkit.checkpoints import save_pose_weights

    path = tmp_path_factory.mktemp("checkpoint") / "tiny.safetensors"
    save_pose_weights(tiny_model, path, {"recipe": "tiny"})
    return path


@pytest.fixture
def one_thread():
    """Tiny tensors on a busy machine: waiting for a second thread costs more than it brings."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
