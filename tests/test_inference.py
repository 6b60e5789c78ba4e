"""Networks for predicting: the same heatmaps without BatchNorm, whatever the layout, type and batch."""

import copy
import os
import platform
import shutil

import numpy as np
import pytest
import torch
from torch import nn
from torch._dynamo.utils import counters

from wbkit.hrnet import BasicBlock, Bottleneck, PoseNet
from wbkit.inference import FusedBlock, FusedConv, fold_batchnorm, prepare
from wbkit.predict import Predictor
from wbkit.recipes import RECIPES

pytestmark = pytest.mark.usefixtures("one_thread")
DTYPES = (torch.float32, torch.bfloat16)
SMALL = RECIPES["tiny"].at((64, 96))


@pytest.fixture(scope="module")
def model() -> PoseNet:
    """Random weights, and BatchNorm statistics and scales that are not the neutral ones."""
    torch.manual_seed(0)
    model = PoseNet(8)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.2)
            module.running_var.uniform_(0.5, 2)
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, 0, 0.1)
    return model.train()


def heatmaps(network: nn.Module, images: torch.Tensor) -> torch.Tensor:
    with torch.inference_mode():
        return network(images)


def test_folding_keeps_the_heatmaps_and_leaves_the_model_alone(model):
    before = copy.deepcopy(model.state_dict())
    images = torch.randn(3, 3, 96, 64)
    folded = fold_batchnorm(model)
    assert not any(isinstance(m, nn.BatchNorm2d) for m in folded.modules())
    expected = heatmaps(copy.deepcopy(model).eval(), images)
    torch.testing.assert_close(heatmaps(folded, images), expected, rtol=0, atol=1e-5 * expected.abs().max())
    assert model.training
    assert all(torch.equal(v, before[k]) for k, v in model.state_dict().items())


def test_folding_by_hand():
    pair = nn.Sequential(nn.Conv2d(1, 1, 1, bias=False), nn.BatchNorm2d(1))
    pair[0].weight.data.fill_(3)
    pair[1].running_mean.fill_(2)
    pair[1].running_var.fill_(4 - pair[1].eps)
    pair[1].weight.data.fill_(5)
    pair[1].bias.data.fill_(7)
    folded = fold_batchnorm(pair)
    assert folded[0].weight.item() == pytest.approx(5 * 3 / 2)  # a = 5 / sqrt(4)
    assert folded[0].bias.item() == pytest.approx(7 - 5 * 2 / 2)
    assert isinstance(folded[1], nn.Identity)


@pytest.mark.parametrize(("batch", "dtype"), [(n, dtype) for n in (1, 2, 5) for dtype in DTYPES])
def test_prepared_predictor_agrees_with_the_exact_one(model, batch, dtype):
    crops = torch.randint(0, 256, (batch, 96, 64, 3), dtype=torch.uint8)
    exact = Predictor(model, SMALL, device="cpu", exact=True).heatmaps(crops)
    maps = Predictor(model, SMALL, device="cpu", dtype=dtype).heatmaps(crops)
    assert maps.dtype == torch.float32
    assert maps.is_contiguous()
    tolerance = 1e-5 if dtype == torch.float32 else 0.05
    assert (maps - exact).abs().max() <= tolerance * exact.abs().max()


def test_exact_is_the_model_itself(model):
    crops = torch.randint(0, 256, (2, 96, 64, 3), dtype=torch.uint8)
    predictor = Predictor(model, SMALL, False, device="cpu", exact=True)
    assert predictor.network is model
    images = (crops - torch.tensor([123.675, 116.28, 103.53])) / torch.tensor([58.395, 57.12, 57.375])
    expected = heatmaps(copy.deepcopy(model).eval(), images.permute(0, 3, 1, 2).contiguous())
    assert torch.equal(predictor.heatmaps(crops), expected)


def test_compiled_network_sees_one_shape_only(model, monkeypatch):
    """Compiling HRNet takes half a minute: a stand-in notes the shapes (the benchmark compiles)."""
    shapes = set()

    def noting(network, **options):
        assert options == {"dynamic": False}
        network.register_forward_pre_hook(lambda _, args: shapes.add(tuple(args[0].shape)))
        return network

    monkeypatch.setattr(torch, "compile", noting)
    crops = torch.randint(0, 256, (3, 96, 64, 3), dtype=torch.uint8)
    predictor = Predictor(model, SMALL, device="cpu", batch_size=4, compile=True)
    plain = Predictor(model, SMALL, device="cpu", batch_size=4)
    for n in (1, 3):
        torch.testing.assert_close(
            predictor.heatmaps(crops[:n]), plain.heatmaps(crops[:n]), rtol=0, atol=1e-5 * 40
        )
    assert shapes == {(4, 3, 96, 64)}


ONE_DNN = pytest.mark.skipif(not torch.backends.mkldnn.is_available(), reason="torch has no oneDNN here")


@ONE_DNN
@pytest.mark.parametrize("layout", [torch.channels_last, torch.contiguous_format])
@pytest.mark.parametrize("shape", [(1, 3, 32, 32), (3, 3, 32, 96), (2, 3, 160, 96)])
def test_fused_convolutions_keep_the_heatmaps(model, shape, layout):
    """Also at 1x1 px in the lowest branch, and for images that are not channels last."""
    images = torch.randn(shape).contiguous(memory_format=layout)
    before = images.clone()
    expected = heatmaps(copy.deepcopy(model).eval(), images)
    network = prepare(model)
    for _ in range(2):  # blocks write into the memory of their input: into nobody else's
        maps = heatmaps(network, images)
        torch.testing.assert_close(maps, expected, rtol=0, atol=1e-5 * expected.abs().max())
    assert torch.equal(images, before)


@ONE_DNN
def test_everything_that_can_be_fused_is():
    """ReLU is left in the stem, where it is a function, and after the sums of branches."""
    kinds = [type(m) for m in prepare(PoseNet(8, head_channels=4)).modules()]
    assert not {nn.Conv2d, nn.ReLU, nn.BatchNorm2d, BasicBlock, Bottleneck} & set(kinds)
    reference = [type(m) for m in PoseNet(8, head_channels=4).modules()]
    assert kinds.count(FusedConv) == reference.count(nn.Conv2d)
    assert kinds.count(FusedBlock) == reference.count(BasicBlock) + reference.count(Bottleneck)


@ONE_DNN
@pytest.mark.parametrize("c_in", [16, 8])
def test_a_bottleneck_adds_its_input_or_what_a_convolution_makes_of_it(c_in):
    block = Bottleneck(c_in, 4).eval()
    assert (block.downsample is None) == (c_in == 16)
    x = torch.randn(2, c_in, 5, 7).to(memory_format=torch.channels_last)
    expected = heatmaps(block, x)
    torch.testing.assert_close(heatmaps(prepare(block), x), expected, rtol=0, atol=1e-5)


def test_norms_that_several_processes_shared_are_folded_too(model):
    """`train --sync-bn` leaves a model with such."""
    shared = nn.SyncBatchNorm.convert_sync_batchnorm(copy.deepcopy(model))
    images = torch.randn(2, 3, 64, 64)
    expected = heatmaps(copy.deepcopy(model).eval(), images)
    maps = heatmaps(prepare(shared), images)
    torch.testing.assert_close(maps, expected, rtol=0, atol=1e-5 * expected.abs().max())


def test_blocks_and_convolutions_of_another_kind_are_left_alone():
    class Doubled(BasicBlock):
        def forward(self, x):
            return 2 * super().forward(x)

    normed = BasicBlock(8)
    normed.bn1 = nn.GroupNorm(2, 8)
    mirrored = nn.Conv2d(8, 8, 3, padding="same", padding_mode="reflect")
    network = nn.Sequential(nn.Conv2d(8, 8, 1), Doubled(8), normed, mirrored).eval()
    x = torch.randn(2, 8, 9, 7)
    torch.testing.assert_close(heatmaps(prepare(network), x), heatmaps(network, x), rtol=0, atol=1e-5)


def test_without_onednn_the_copy_is_folded_only(model, monkeypatch):
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: False)
    kinds = {type(m) for m in prepare(model).modules()}
    assert nn.Conv2d in kinds
    assert FusedConv not in kinds
    assert nn.BatchNorm2d not in kinds


def test_types_that_onednn_does_not_compute_are_left_to_torch(model):
    images = torch.randn(1, 3, 32, 32, dtype=torch.float64)
    expected = heatmaps(copy.deepcopy(model).double().eval(), images)
    torch.testing.assert_close(heatmaps(prepare(model, torch.float64), images), expected)


COMPILES = shutil.which(os.environ.get("CXX", "g++")) and platform.machine() in ("x86_64", "AMD64")


@pytest.mark.skipif(not COMPILES, reason="packing is of x86 processors, torch.compile needs a C++ compiler")
def test_compiled_weights_are_constants_packed_and_joined_with_what_follows():
    """A block instead of the whole of HRNet. That torch packs is what makes it fast; it counts that."""
    block = BasicBlock(8).eval()
    network = prepare(block, compile=True)
    images = torch.randn(2, 8, 16, 16).to(memory_format=torch.channels_last)
    counters.clear()
    maps = network(images)  # also without `inference_mode`
    found = {name: count for name, count in counters["inductor"].items() if name.startswith("mkldnn")}
    assert found["mkldnn_conv_weight_pack_matcher_count"] == 2
    assert found["mkldnn_unary_fusion_matcher_count"] == 1  # ReLU
    assert found["mkldnn_conv_binary_unary_fusion_matcher_count"] == 1  # addition and ReLU
    torch.testing.assert_close(maps, heatmaps(block, images), rtol=0, atol=1e-5)
    for weights in network.parameters():
        weights.zero_()
    assert torch.equal(network(images), maps)


@pytest.mark.parametrize(("batch_size", "passes"), [(1, 1), (2, 2), (3, 2), (4, 1)])
def test_few_people_share_one_pass_with_their_mirror_images(model, batch_size, passes):
    """Two people here (one at a batch size of 1): the pass holds at most `batch_size` images, or two."""
    sizes, crops = [], torch.randint(0, 256, (min(2, batch_size), 96, 64, 3), dtype=torch.uint8)
    predictor = Predictor(model, SMALL, device="cpu", batch_size=batch_size)
    predictor.network.register_forward_pre_hook(lambda _, args: sizes.append(len(args[0])))
    maps = predictor.heatmaps(crops)
    assert sizes == [2 * len(crops) // passes] * passes
    exact = Predictor(model, SMALL, device="cpu", batch_size=batch_size, exact=True)
    torch.testing.assert_close(maps, exact.heatmaps(crops), rtol=0, atol=1e-5 * float(maps.abs().max()))


@pytest.mark.parametrize(("batch_size", "expected"), [(2, [True, True]), (4, [True])])
def test_images_reach_the_network_channels_last(model, batch_size, expected):
    seen = []
    network = prepare(model)
    network.register_forward_pre_hook(
        lambda _, args: seen.append(args[0].is_contiguous(memory_format=torch.channels_last))
    )
    predictor = Predictor(model, SMALL, device="cpu", batch_size=batch_size)
    predictor.network = network
    predictor.heatmaps(torch.zeros(2, 96, 64, 3, dtype=torch.uint8))
    assert seen == expected


def test_weights_lie_channels_last_and_need_no_gradients(model, monkeypatch):
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: False)  # fused ones are no parameters
    network = prepare(model)
    weights = [p for p in network.parameters() if p.ndim == 4 and p.shape[1] > 1 and p.shape[2] > 1]
    assert len(weights) > 100
    assert all(p.is_contiguous(memory_format=torch.channels_last) for p in weights)
    assert not np.any([p.requires_grad for p in network.parameters()])
