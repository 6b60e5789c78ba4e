"""Checkpoints of every layout, written here from a small PoseNet and loaded back; and those to refuse."""

import os
import pickle
import sys
import types
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from wbkit.checkpoints import (
    HEAD_BIAS,
    HEAD_WEIGHT,
    OFFICIAL_CHECKPOINTS,
    describe_checkpoint,
    load_pose_weights,
    save_pose_weights,
)
from wbkit.download import hash_in_name
from wbkit.errors import InputError
from wbkit.hrnet import PoseNet, make_stage
from wbkit.weight_files import read_metadata

WIDTH, KEYPOINTS = 8, 17
SLOW_FILES = settings(
    max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def small_net(
    seed: int = 0, num_keypoints: int = KEYPOINTS, width: int = WIDTH, head_channels: int = 0
) -> PoseNet:
    """A net whose every tensor, running statistics too, differs from a fresh one's."""
    torch.manual_seed(seed)
    net = PoseNet(width, num_keypoints, head_channels).eval()
    for name, value in net.state_dict().items():
        if name.endswith("num_batches_tracked"):
            value.fill_(7)
        elif value.ndim == 1:
            value.add_(torch.rand_like(value) * 0.1)
    return net


@pytest.fixture(scope="module", autouse=True)
def _one_thread():
    """Thousands of small tensors: on a busy machine waiting for a second thread costs minutes."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def net() -> PoseNet:
    return small_net()


@pytest.fixture(scope="module")
def state(net) -> dict[str, torch.Tensor]:
    return {k: v.clone() for k, v in net.state_dict().items()}


def as_mmpose0(state):
    return {
        k.replace("head.", "keypoint_head.", 1) if k.startswith("head.") else k: v for k, v in state.items()
    }


def as_original(state):
    return {k.removeprefix("backbone.").removeprefix("head."): v for k, v in state.items()}


def as_imagenet(state):
    """The backbone without prefix, all four outputs of stage 4, and the HRNet repository's classifier."""
    full = make_stage([WIDTH * 2**i for i in range(4)], num_modules=3).state_dict()
    extra = {f"stage4.{k}": v for k, v in full.items() if k.startswith("2.fuse_layers.") and k[14] != "0"}
    names = ("incre_modules.0.0.conv1.weight", "downsamp_modules.2.1.bias", "final_layer.0.weight")
    extra |= {k: torch.zeros(3) for k in (*names, "final_layer.1.running_mean", "classifier.weight")}
    return {k: v for k, v in as_original(state).items() if not k.startswith("final_layer")} | extra


LAYOUTS = {"MMPose 1.x": dict, "MMPose 0.x": as_mmpose0, "original HRNet": as_original}


def assert_same(model: PoseNet, other: PoseNet):
    a, b = model.state_dict(), other.state_dict()
    assert all(torch.equal(a[k], b[k]) for k in b)
    images = torch.randn(1, 3, 64, 32, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        assert torch.equal(model.eval()(images), other.eval()(images))


def fails_unchanged(path, *words, model=None, **options):
    """Loading raises an InputError with these words, and leaves the model as it was."""
    model = model or small_net(seed=1)
    before = {k: v.clone() for k, v in model.state_dict().items()}
    with pytest.raises(InputError) as caught:
        load_pose_weights(model, path, **options)
    assert all(torch.equal(v, before[k]) for k, v in model.state_dict().items())
    for word in words:
        assert word in str(caught.value)
    assert caught.value.remedy


@pytest.mark.parametrize("layout", LAYOUTS)
def test_each_layout_loads_bit_for_bit(layout, net, state, tmp_path):
    path = tmp_path / "weights.pth"
    torch.save({"meta": {"epoch": 210}, "state_dict": LAYOUTS[layout](state)}, path)
    model = small_net(seed=1)
    report = load_pose_weights(model, path)
    assert_same(model, net)
    assert (report.layout, report.info.width, report.info.num_keypoints) == (layout, WIDTH, KEYPOINTS)
    assert report.source == str(path)
    assert set(report.used) == set(state)
    assert [report.missing, report.leftover, report.skipped, report.kept, report.mismatched] == [[]] * 4 + [
        {}
    ]
    expected = {"MMPose 1.x": 0, "MMPose 0.x": 2, "original HRNet": len(state)}[layout]
    assert len(report.renamed) == expected
    for word in (str(path), layout, f"{len(state)} weights loaded", "17 keypoints"):
        assert word in str(report)


@given(
    layout=st.sampled_from(list(LAYOUTS)),
    prefixes=st.lists(st.sampled_from(["module.", "_orig_mod.", "model.", "pose_net."]), max_size=3),
    wrappers=st.lists(st.sampled_from(["state_dict", "model", "model_state_dict", "net", "ema"]), max_size=2),
    zipped=st.booleans(),
)
@SLOW_FILES
def test_wrappers_and_prefixes_in_any_combination(layout, prefixes, wrappers, zipped, state, tmp_path):
    content = {"".join(prefixes) + k: v for k, v in LAYOUTS[layout](state).items()}
    for wrapper in wrappers:
        content = {wrapper: content, "epoch": 3, "optimizer": {"state": {0: {"step": torch.zeros(())}}}}
    path = tmp_path / "wrapped.pth"
    torch.save(content, path, _use_new_zipfile_serialization=zipped)
    model = small_net(seed=1)
    report = load_pose_weights(model, path)
    assert report.layout == layout
    assert all(torch.equal(value, state[key]) for key, value in model.state_dict().items())


def test_averaged_model_and_other_entries(net, state, tmp_path):
    averaged = {"n_averaged": torch.tensor(5)} | {f"module.{k}": v for k, v in state.items()}
    torch.save({"state_dict": small_net(seed=2).state_dict(), "state_dict_ema": averaged}, tmp_path / "a.pth")
    model = small_net(seed=1)
    report = load_pose_weights(model, tmp_path / "a.pth")
    assert "state_dict_ema" in report.notes[0]
    report = load_pose_weights(model, tmp_path / "a.pth", entry="state_dict_ema")
    assert report.skipped == ["n_averaged"]
    assert_same(model, net)
    fails_unchanged(tmp_path / "a.pth", "no entry", "state_dict_ema", entry="weights_of_yesterday")


def test_own_files_keep_weights_and_metadata(net, tmp_path):
    path = tmp_path / "new folder" / "tiny.safetensors"
    save_pose_weights(net.to(memory_format=torch.channels_last), path, {"recipe": "tiny"})
    assert read_metadata(path)["recipe"] == "tiny"
    assert read_metadata(path) | {"width": "8", "num_keypoints": "17"} == read_metadata(path)
    info = describe_checkpoint(path)
    assert (info.layout, info.width, info.num_keypoints) == ("wbkit", WIDTH, KEYPOINTS)
    model = PoseNet(info.width, info.num_keypoints)
    report = load_pose_weights(model, str(path))
    assert_same(model, net.to(memory_format=torch.contiguous_format))
    assert (report.info.metadata["recipe"], report.layout) == ("tiny", "wbkit")
    assert os.listdir(path.parent) == [path.name]


def test_half_precision_files(net, tmp_path):
    save_pose_weights(net, tmp_path / "full.safetensors", {})
    save_pose_weights(net, tmp_path / "half.safetensors", {}, dtype=torch.float16)
    model = small_net(seed=1)
    report = load_pose_weights(model, tmp_path / "half.safetensors")
    assert "float16" in str(report)
    assert model.backbone.conv1.weight.dtype == torch.float32
    assert torch.equal(model.backbone.conv1.weight, net.backbone.conv1.weight.half().float())
    assert torch.equal(model.backbone.bn1.running_var, net.backbone.bn1.running_var)
    sizes = [(tmp_path / f"{name}.safetensors").stat().st_size for name in ("half", "full")]
    assert sizes[0] < 0.7 * sizes[1]


def test_metadata_and_range_are_checked_before_writing(tmp_path):
    net, path = small_net(), tmp_path / "x.safetensors"
    for bad in ({"epoch": 3}, {3: "epoch"}, {"width": "32"}):
        with pytest.raises(InputError, match="metadata"):
            save_pose_weights(net, path, bad)
    with torch.no_grad():
        net.backbone.conv1.weight[0] = 1e6
    with pytest.raises(InputError, match=r"backbone\.conv1\.weight.*float16"):
        save_pose_weights(net, path, {}, dtype=torch.float16)
    (tmp_path / "folder").mkdir()
    with pytest.raises(InputError, match="cannot be written"):
        save_pose_weights(net, tmp_path / "folder", {})
    assert os.listdir(tmp_path) == ["folder"]


@pytest.mark.parametrize("prefix", ["", "backbone."])
def test_imagenet_backbone_needs_head_fresh(prefix, net, state, tmp_path):
    path = tmp_path / "hrnet.pth"
    torch.save({prefix + k: v for k, v in as_imagenet(state).items()}, path)
    fails_unchanged(path, "2 keys missing", "left over", 'head="fresh"')
    model = small_net(seed=1)
    head = model.head.final_layer.weight.clone()
    report = load_pose_weights(model, path, head="fresh")
    assert (report.layout, report.info.num_keypoints) == ("ImageNet backbone", None)
    assert report.kept == [HEAD_WEIGHT, HEAD_BIAS]
    assert prefix + "classifier.weight" in report.skipped
    assert any("stage4.2.fuse_layers.3" in key for key in report.skipped)
    assert torch.equal(model.head.final_layer.weight, head)
    expected = net.backbone.state_dict()
    assert all(torch.equal(v, expected[k]) for k, v in model.backbone.state_dict().items())


def test_bare_backbone(state, tmp_path):
    torch.save({k: v for k, v in state.items() if k.startswith("backbone")}, tmp_path / "b.pth")
    fails_unchanged(tmp_path / "b.pth", "2 keys missing", HEAD_WEIGHT, 'head="fresh"')
    report = load_pose_weights(small_net(seed=1), tmp_path / "b.pth", head="fresh")
    assert report.layout == "backbone only"


def test_fresh_head_still_wants_every_other_key(state, tmp_path):
    state = dict(state) | {"backbone.stage9.weight": torch.zeros(1), "head.deconv.weight": torch.zeros(1)}
    del state["backbone.conv2.weight"]
    torch.save(state, tmp_path / "b.pth")
    words = ("1 keys missing: backbone.conv2.weight", "2 keys left over: backbone.stage9.weight, head.deconv")
    fails_unchanged(tmp_path / "b.pth", *words, head="fresh")


def test_from_17_keypoints_to_133(net, state, tmp_path):
    path = tmp_path / "coco.pth"
    torch.save(as_mmpose0(state), path)
    words = ("17 keypoints, the model 133", "num_keypoints=17", 'head="fresh"', 'head="carry_body"')
    fails_unchanged(path, *words, model=small_net(1, num_keypoints=133))

    model = small_net(1, num_keypoints=133)
    report = load_pose_weights(model, path, head="fresh")
    assert report.skipped == ["keypoint_head.final_layer.weight", "keypoint_head.final_layer.bias"]
    assert torch.equal(model.head.final_layer.bias, small_net(1, num_keypoints=133).head.final_layer.bias)

    report = load_pose_weights(model, path, head="carry_body")
    assert set(report.used) == set(model.state_dict())
    assert "0..16" in str(report)
    fresh = small_net(1, num_keypoints=133).head.final_layer
    for name in ("weight", "bias"):
        mine, theirs = getattr(model.head.final_layer, name), getattr(net.head.final_layer, name)
        assert torch.equal(mine[:17], theirs)
        assert torch.equal(mine[17:], getattr(fresh, name)[17:])


def test_carry_body_needs_body_points(tmp_path):
    hands = small_net(num_keypoints=21)
    torch.save(hands.state_dict(), tmp_path / "hands.pth")
    fails_unchanged(tmp_path / "hands.pth", "21 keypoints", "carry_body", head="carry_body")
    torch.save(as_imagenet(hands.state_dict()), tmp_path / "imagenet.pth")
    fails_unchanged(tmp_path / "imagenet.pth", "no keypoints", head="carry_body")


@pytest.mark.parametrize("layout", ["wbkit", "MMPose 0.x"])
def test_a_head_with_channels_of_its_own(layout, tmp_path):
    net, path = small_net(head_channels=6), tmp_path / "wide.safetensors"
    if layout == "wbkit":
        save_pose_weights(net, path, {})
    else:
        torch.save(as_mmpose0(net.state_dict()), path := tmp_path / "wide.pth")
    info = describe_checkpoint(path)
    assert (info.layout, info.num_keypoints, info.head_channels) == (layout, KEYPOINTS, 6)
    assert "head of 6 channels" in str(info)
    model = small_net(1, head_channels=6)
    load_pose_weights(model, path)
    assert_same(model, net)

    words = (
        "has 6 channels here, in the model 0",
        f"num_keypoints={KEYPOINTS}, head_channels=6)",
        'head="fresh"',
    )
    fails_unchanged(path, *words)
    model = small_net(1, num_keypoints=133)
    report = load_pose_weights(model, path, head="fresh")
    assert sum("head." in k for k in report.skipped) == 9
    assert report.kept == [HEAD_WEIGHT, HEAD_BIAS]
    assert torch.equal(model.head.final_layer.weight, small_net(1, num_keypoints=133).head.final_layer.weight)

    other = small_net(1, num_keypoints=133)
    fails_unchanged(path, "num_keypoints=133, head_channels=6)", model=other, head="carry_body")
    model = small_net(1, num_keypoints=133, head_channels=6)
    report = load_pose_weights(model, path, head="carry_body")
    assert set(report.used) == set(model.state_dict())
    assert torch.equal(model.head.conv_layers[0].weight, net.head.conv_layers[0].weight)
    assert torch.equal(model.head.final_layer.weight[:17], net.head.final_layer.weight)


def test_a_plain_file_for_a_wider_head(state, tmp_path):
    torch.save(state, tmp_path / "plain.pth")
    words = (
        "has 0 channels here, in the model 6",
        f"PoseNet(width={WIDTH}, num_keypoints={KEYPOINTS})",
        "conv_layers",
    )
    fails_unchanged(tmp_path / "plain.pth", *words, model=small_net(1, head_channels=6))
    model = small_net(1, head_channels=6)
    report = load_pose_weights(model, tmp_path / "plain.pth", head="fresh")
    assert all(k.startswith("head.") for k in report.kept)
    assert len(report.kept) == 9
    assert report.notes == []  # a counter of the fresh head is none that the file should have had


@pytest.mark.parametrize("strict", [True, False])
def test_another_width_is_named(strict, tmp_path):
    torch.save(as_original(small_net(width=16).state_dict()), tmp_path / "w16.pth")
    words = ("this checkpoint is width 16, the model is width 8", "PoseNet(width=16, num_keypoints=17)")
    fails_unchanged(tmp_path / "w16.pth", *words, strict=strict)


def test_old_files_without_batch_counters(state, tmp_path):
    old = {k: v for k, v in as_original(state).items() if not k.endswith("num_batches_tracked")}
    torch.save(old, tmp_path / "old.pth", _use_new_zipfile_serialization=False)
    model = small_net(seed=1)
    report = load_pose_weights(model, tmp_path / "old.pth")
    assert len(report.kept) == sum(k.endswith("num_batches_tracked") for k in state)
    assert "num_batches_tracked are not in the file" in str(report)
    assert not report.missing


@given(data=st.data())
@SLOW_FILES
def test_every_key_is_accounted_for(data, state, tmp_path):
    changed = dict(state)
    some = st.lists(st.sampled_from(sorted(state)), max_size=6, unique=True)
    for key in data.draw(some):
        changed.pop(key, None)
    for key in set(data.draw(some)) & set(changed):
        changed[key] = torch.zeros(2, 3)
    extra = data.draw(st.lists(st.sampled_from(["ema.x", "neck.y", "backbone.z"]), unique=True))
    changed |= dict.fromkeys(extra, torch.ones(1))
    path = tmp_path / "changed.pth"
    torch.save(changed, path)
    model, intact = small_net(seed=1), changed.get("backbone.stage2.0.branches.0.0.conv1.weight")
    if intact is not None and intact.shape[0] != WIDTH:
        return fails_unchanged(path, "width 2")
    report = load_pose_weights(model, path, strict=False)
    ours = [*report.used, *report.kept, *report.missing, *report.mismatched]
    theirs = [*report.used.values(), *report.skipped, *report.leftover]
    theirs += [key for key, _, _ in report.mismatched.values()]
    assert sorted(ours) == sorted(state)
    assert sorted(theirs) == sorted(changed)
    if report.faults:
        assert "NOT LOADED" in str(report)
        fails_unchanged(path, report.faults)


def test_nan_and_integer_weights(state, tmp_path):
    torch.save(state | {"backbone.bn1.bias": torch.full((64,), torch.nan)}, tmp_path / "nan.pth")
    fails_unchanged(tmp_path / "nan.pth", "NaN", "backbone.bn1.bias", "diverged")
    assert "NaN" in str(load_pose_weights(small_net(1), tmp_path / "nan.pth", strict=False))
    torch.save(state | {"backbone.bn1.bias": torch.zeros(64, dtype=torch.int8)}, tmp_path / "int.pth")
    fails_unchanged(tmp_path / "int.pth", "floating point", "backbone.bn1.bias", strict=False)


def test_ambiguous_files(state, tmp_path):
    torch.save(state | as_original(state), tmp_path / "twice.pth")
    fails_unchanged(tmp_path / "twice.pth", "under two names")
    two = {f"{who}.{k}": v for who in ("student", "teacher") for k, v in state.items()}
    torch.save(two, tmp_path / "two.pth")
    fails_unchanged(tmp_path / "two.pth", "several HRNets", "teacher.")


def test_wrong_arguments(tmp_path):
    with pytest.raises(InputError, match=r"model\.module"):
        load_pose_weights(torch.nn.Linear(2, 2), tmp_path)
    fails_unchanged(tmp_path, "carry_body", head="keep")


# Files to refuse


class RunsCode:
    """Pickled as a call that makes a file."""

    def __init__(self, path: Path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("how", ["zip", "legacy", "plain", "protocol 5"])
def test_code_in_a_pickle_never_runs(how, state, tmp_path):
    path, trace = tmp_path / "evil.pth", tmp_path / "it ran"
    content = {"state_dict": state, "hook": RunsCode(trace)}
    if how in ("zip", "legacy"):
        torch.save(content, path, _use_new_zipfile_serialization=how == "zip")
    else:
        path.write_bytes(pickle.dumps(RunsCode(trace), protocol=2 if how == "plain" else 5))
    fails_unchanged(
        path, str(path), *(("refused", "mkdir", "weights_only=False") if how in ("zip", "legacy") else ())
    )
    assert not trace.exists()
    pickle.loads(pickle.dumps(RunsCode(trace)))  # the bait works
    assert trace.is_dir()


def test_training_checkpoint_with_objects_is_refused_by_name(state, tmp_path, monkeypatch):
    module = types.ModuleType("mmengine_like.history_buffer")
    module.HistoryBuffer = type("HistoryBuffer", (), {"__module__": module.__name__})
    monkeypatch.setitem(sys.modules, "mmengine_like", types.ModuleType("mmengine_like"))
    monkeypatch.setitem(sys.modules, module.__name__, module)
    content = {"state_dict": state, "message_hub": {"loss": module.HistoryBuffer()}}
    torch.save(content, tmp_path / "epoch_210.pth")
    fails_unchanged(
        tmp_path / "epoch_210.pth", "mmengine_like.history_buffer.HistoryBuffer", "publish_model.py"
    )


def test_whole_model_pickle_is_refused(net, tmp_path):
    torch.save(net, tmp_path / "model.pth")
    fails_unchanged(tmp_path / "model.pth", "wbkit.hrnet.", "model.state_dict()")


@pytest.mark.parametrize("kind", ["zip", "legacy", "safetensors"])
@pytest.mark.parametrize("share", [0.001, 0.5, 0.999])
def test_files_cut_off(kind, share, net, tmp_path):
    path = tmp_path / "cut"
    if kind == "safetensors":
        save_pose_weights(net, path, {})
    else:
        torch.save(net.state_dict(), path, _use_new_zipfile_serialization=kind == "zip")
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * share)])
    fails_unchanged(path, str(path))


@pytest.mark.parametrize(
    ("content", "word"),
    [
        (b"", "empty"),
        (b"hello, world\n" * 20, "not a checkpoint"),
        (b"\xff\xd8\xff\xe0\x00\x10JFIF" + bytes(100), "JPEG"),
        (b"<!DOCTYPE html><html>", "web page"),
        (b"version https://git-lfs.github.com/spec/v1\n", "Git LFS"),
        (b"PK\x03\x04" + bytes(100), "damaged"),
        (b"\x80\x02" + bytes(100), "damaged"),
        (b"\x10" + bytes(7) + b'{"a": 1}', "safetensors"),
    ],
)
def test_files_that_are_no_checkpoints(content, word, tmp_path):
    (tmp_path / "x.pth").write_bytes(content)
    fails_unchanged(tmp_path / "x.pth", "x.pth", word)
    with pytest.raises(InputError, match=r"x\.pth"):
        read_metadata(tmp_path / "x.pth")


@pytest.mark.parametrize(
    "content", [3, [1, 2], {}, {"epoch": 3}, {"state_dict": {"lr": 0.1}}, torch.zeros(3), {1: 2}]
)
def test_checkpoints_without_weights(content, tmp_path):
    torch.save(content, tmp_path / "x.pth")
    fails_unchanged(tmp_path / "x.pth", "holds no weights")


def test_weights_of_another_network(tmp_path):
    torch.save(torch.nn.Linear(2, 2).state_dict(), tmp_path / "x.pth")
    fails_unchanged(tmp_path / "x.pth", "no HRNet", "weight, bias")
    torch.jit.save(torch.jit.trace(torch.nn.Linear(2, 2), torch.zeros(1, 2)), tmp_path / "script.pt")
    fails_unchanged(tmp_path / "script.pt", "TorchScript")


def test_missing_file_and_folder(tmp_path):
    fails_unchanged(tmp_path / "none.pth", "none.pth", "does not exist")
    fails_unchanged(tmp_path, "is a folder")


def test_hash_in_the_name_of_a_local_file(net, tmp_path):
    path = tmp_path / "net-0000000f_20200922.pth"
    torch.save(net.state_dict(), path)
    fails_unchanged(path, "expected sha256:0000000f", "rename")
    import hashlib

    digits = hashlib.sha256(path.read_bytes()).hexdigest()[:40]
    report = load_pose_weights(small_net(1), path.rename(tmp_path / f"net-{digits}.pth"))
    assert report.info.verified == f"sha256:{digits}"
    assert f"{digits} verified" in str(report)


def test_official_names_lead_to_hashed_addresses(net, monkeypatch, tmp_path):
    assert {name: hash_in_name(url) for name, url in OFFICIAL_CHECKPOINTS.items()} == {
        "w32_dark_256x192": "469327ef",
        "w48_dark_plus_384x288": "f5726563",
    }
    torch.save(as_mmpose0(net.state_dict()), tmp_path / "x.pth")
    asked = []
    monkeypatch.setattr("wbkit.checkpoint_keys.fetch", lambda url: asked.append(url) or tmp_path / "x.pth")
    report = load_pose_weights(small_net(1), "w32_dark_256x192")
    assert asked == [OFFICIAL_CHECKPOINTS["w32_dark_256x192"]] == [report.source]
