"""wbkit.hrnet against counts by hand and a forward pass written from the published weights' names alone."""

import json
from functools import cache
from pathlib import Path

import pytest
import torch
from torch.nn import functional as F

from wbkit.hrnet import STRIDE, HeatmapHead, HRNet, PoseNet

pytestmark = pytest.mark.usefixtures("one_thread")

GOLDEN = Path(__file__).resolve().parents[2] / "shared" / "golden"


@cache
def on_meta(width, num_keypoints=133):
    """The network without memory: shapes only. Shared between tests: don't change it."""
    with torch.device("meta"):
        return PoseNet(width, num_keypoints)


# --- structure -------------------------------------------------------------------------------------


def conv_norm(c_in, c_out, kernel):
    """Parameters of a convolution without bias and its BatchNorm."""
    return c_in * c_out * kernel**2 + 2 * c_out


def parameters_by_hand(width, num_keypoints):
    """Sun et al.'s table: stem, layer1 of four bottlenecks, stages of 1, 4 and 3 modules, head."""
    c = [width * 2**i for i in range(4)]
    stem = conv_norm(3, 64, 3) + conv_norm(64, 64, 3)
    bottleneck = lambda c_in: conv_norm(c_in, 64, 1) + conv_norm(64, 64, 3) + conv_norm(64, 256, 1)  # noqa: E731
    layer1 = bottleneck(64) + conv_norm(64, 256, 1) + 3 * bottleneck(256)
    transitions = conv_norm(256, c[0], 3) + conv_norm(256, c[1], 3)
    transitions += conv_norm(c[1], c[2], 3) + conv_norm(c[2], c[3], 3)

    def module(branches, outputs):
        total = sum(4 * 2 * conv_norm(c[i], c[i], 3) for i in range(branches))
        for dst in range(outputs):
            for src in range(branches):
                if src > dst:
                    total += conv_norm(c[src], c[dst], 1)
                elif src < dst:
                    total += (dst - src - 1) * conv_norm(c[src], c[src], 3) + conv_norm(c[src], c[dst], 3)
        return total

    stages = module(2, 2) + 4 * module(3, 3) + 2 * module(4, 4) + module(4, 1)
    return stem + layer1 + transitions + stages + width * num_keypoints + num_keypoints


@pytest.mark.parametrize(("width", "keypoints"), [(32, 133), (48, 133), (18, 133), (16, 17), (8, 1)])
def test_number_of_parameters_equals_the_count_by_hand(width, keypoints):
    model = on_meta(width, keypoints)
    assert sum(p.numel() for p in model.parameters()) == parameters_by_hand(width, keypoints)


def test_published_numbers_of_parameters():
    assert parameters_by_hand(32, 133) == 28_539_941
    assert sum(p.numel() for p in on_meta(32).parameters()) == 28_539_941
    assert sum(p.numel() for p in on_meta(48).parameters()) == 63_601_429


@pytest.mark.skipif(not GOLDEN.is_dir(), reason="the shared golden files are not here")
@pytest.mark.parametrize("width", [32, 48])
def test_keys_shapes_and_counts_equal_mmpose(width):
    golden = json.loads((GOLDEN / f"hrnet_keys_w{width}.json").read_text())
    model = on_meta(width)
    assert sum(p.numel() for p in model.parameters()) == golden["n_parameters"]
    assert sum(b.numel() for b in model.buffers()) == golden["n_buffer_elements"]
    ours = {key: list(value.shape) for key, value in model.state_dict().items()}
    assert ours == {key: list(shape) for key, shape in golden["state_dict"]}


def test_every_width_has_the_same_keys():
    keys = [list(on_meta(width).state_dict()) for width in (32, 18, 48)]
    assert keys[0] == keys[1] == keys[2]
    assert len(keys[0]) == 1754
    assert {k.split(".")[0] for k in keys[0]} == {"backbone", "head"}
    norms = [k for k in keys[0] if k.endswith(".num_batches_tracked")]
    convolutions = [k for k, v in on_meta(32).state_dict().items() if v.ndim == 4]
    assert len(convolutions) == len(norms) + 1  # every convolution has its BatchNorm, the head's has a bias
    assert 6 * len(norms) + 2 == 1754


def test_shapes_follow_the_width():
    narrow, wide = on_meta(18).state_dict(), on_meta(36).state_dict()
    fixed = ("backbone.conv", "backbone.bn", "backbone.layer1")
    grown = 0
    for key, value in narrow.items():
        if key.startswith(fixed):
            assert value.shape == wide[key].shape, key
        else:
            channels = {1: (2,), 4: (2, 2, 1, 1), 0: ()}[value.ndim]
            expected = [c * n for c, n in zip(channels, value.shape, strict=True)]
            if key.startswith("backbone.transition1") and value.ndim == 4:
                expected[1] = 256
            if key.startswith("head"):
                expected[0] = 133
            assert list(wide[key].shape) == expected, key
            grown += 1
    assert grown > 1600


@pytest.mark.parametrize(
    ("key", "shape"),
    [
        ("backbone.conv1.weight", (64, 3, 3, 3)),
        ("backbone.layer1.0.downsample.0.weight", (256, 64, 1, 1)),
        ("backbone.transition1.0.0.weight", (32, 256, 3, 3)),
        ("backbone.transition1.1.0.0.weight", (64, 256, 3, 3)),
        ("backbone.transition3.3.0.0.weight", (256, 128, 3, 3)),
        ("backbone.stage2.0.branches.1.3.conv2.weight", (64, 64, 3, 3)),
        ("backbone.stage3.3.fuse_layers.0.2.0.weight", (32, 128, 1, 1)),
        ("backbone.stage4.1.fuse_layers.3.0.2.0.weight", (256, 32, 3, 3)),
        ("backbone.stage4.1.fuse_layers.3.0.1.0.weight", (32, 32, 3, 3)),
        ("head.final_layer.weight", (133, 32, 1, 1)),
        ("head.final_layer.bias", (133,)),
    ],
)
def test_published_names(key, shape):
    assert tuple(on_meta(32).state_dict()[key].shape) == shape


# --- forward ---------------------------------------------------------------------------------------


class Oracle:
    """HRNet as a function of a state dict: which convolutions exist is read from its keys."""

    def __init__(self, state):
        self.state = state

    def has(self, name):
        return any(key.startswith(name + ".") for key in self.state)

    def conv(self, x, conv, norm, stride=1):
        weight = self.state[f"{conv}.weight"]
        x = F.conv2d(x, weight, stride=stride, padding=weight.shape[-1] // 2)
        mean, variance, gain, bias = (
            self.state[f"{norm}.{name}"][:, None, None]
            for name in ("running_mean", "running_var", "weight", "bias")
        )
        return (x - mean) / torch.sqrt(variance + 1e-5) * gain + bias

    def bottleneck(self, x, name):
        y = self.conv(x, f"{name}.conv1", f"{name}.bn1").relu()
        y = self.conv(y, f"{name}.conv2", f"{name}.bn2").relu()
        y = self.conv(y, f"{name}.conv3", f"{name}.bn3")
        if self.has(f"{name}.downsample"):
            x = self.conv(x, f"{name}.downsample.0", f"{name}.downsample.1")
        return (x + y).relu()

    def basic(self, x, name):
        y = self.conv(x, f"{name}.conv1", f"{name}.bn1").relu()
        return (x + self.conv(y, f"{name}.conv2", f"{name}.bn2")).relu()

    def transition(self, xs, name):
        ys = [
            self.conv(x, f"{name}.{i}.0", f"{name}.{i}.1").relu() if self.has(f"{name}.{i}") else x
            for i, x in enumerate(xs)
        ]
        new = f"{name}.{len(xs)}.0"
        return [*ys, self.conv(xs[-1], f"{new}.0", f"{new}.1", stride=2).relu()]

    def fused(self, xs, name, dst):
        total = 0
        for src, x in enumerate(xs):
            path = f"{name}.{dst}.{src}"
            if src > dst:
                x = self.conv(x, f"{path}.0", f"{path}.1")
                x = x.repeat_interleave(2 ** (src - dst), -1).repeat_interleave(2 ** (src - dst), -2)
            for step in range(dst - src):
                x = self.conv(x, f"{path}.{step}.0", f"{path}.{step}.1", stride=2)
                x = x.relu() if step < dst - src - 1 else x
            total = total + x
        return total.relu()

    def stage(self, xs, name):
        module = 0
        while self.has(f"{name}.{module}"):
            m = f"{name}.{module}"
            for branch in range(len(xs)):
                for block in range(4):
                    xs[branch] = self.basic(xs[branch], f"{m}.branches.{branch}.{block}")
            outputs = [d for d in range(len(xs)) if self.has(f"{m}.fuse_layers.{d}")]
            xs = [self.fused(xs, f"{m}.fuse_layers", d) for d in outputs]
            module += 1
        return xs

    def __call__(self, x):
        x = self.conv(x, "backbone.conv1", "backbone.bn1", stride=2).relu()
        x = self.conv(x, "backbone.conv2", "backbone.bn2", stride=2).relu()
        for block in range(4):
            x = self.bottleneck(x, f"backbone.layer1.{block}")
        xs = [x]
        for stage in (2, 3, 4):
            xs = self.stage(self.transition(xs, f"backbone.transition{stage - 1}"), f"backbone.stage{stage}")
        head = self.state["head.final_layer.weight"][:, :, 0, 0]
        return torch.einsum("kc,bchw->bkhw", head, xs[0]) + self.state["head.final_layer.bias"][:, None, None]


def randomise(model, seed=0):
    """Weights and running statistics with which every path matters and nothing explodes."""
    generator = torch.Generator().manual_seed(seed)
    normal = lambda shape: torch.randn(shape, generator=generator)  # noqa: E731
    state = {}
    for key, value in model.state_dict().items():
        if value.ndim == 4:
            state[key] = normal(value.shape) * (2 / value[0].numel()) ** 0.5
        elif key.endswith("running_var"):
            state[key] = 0.5 + torch.rand(value.shape, generator=generator)
        elif key.endswith("num_batches_tracked"):
            state[key] = value
        else:  # BatchNorm's gain about .5, everything else about 0
            state[key] = 0.1 * normal(value.shape) + (0.5 if key.endswith("weight") else 0)
    model.load_state_dict(state)
    return model


@pytest.fixture(scope="module")
def small():
    return randomise(PoseNet(width=8, num_keypoints=5)).eval()


@pytest.mark.parametrize("size", [(64, 64), (32, 96)])
def test_forward_pass_equals_the_functional_oracle(small, size):
    images = torch.randn(2, 3, *size, generator=torch.Generator().manual_seed(1))
    model = PoseNet(8, 5).double().eval()
    model.load_state_dict(small.state_dict())
    with torch.no_grad():
        expected = Oracle(model.state_dict())(images.double())
        assert expected.std() > 0.1
        torch.testing.assert_close(model(images.double()), expected, rtol=1e-9, atol=1e-9)
        single = small(images)
    torch.testing.assert_close(single.double(), expected, rtol=0, atol=1e-5 * expected.abs().max().item())


def test_every_weight_of_the_oracle_matters(small):
    """A changed weight anywhere changes the output: no path is dead."""
    images = torch.randn(1, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    model = randomise(PoseNet(8, 5)).eval()
    model(images).square().sum().backward()
    dead = [name for name, p in model.named_parameters() if p.grad is None or not p.grad.any()]
    assert dead == []


@pytest.mark.parametrize(("height", "width"), [(256, 192), (32, 32), (64, 160)])
def test_output_is_a_quarter_of_the_input(height, width):
    model = PoseNet(4, 133).eval()
    with torch.no_grad():
        heatmaps, features = (net(torch.zeros(2, 3, height, width)) for net in (model, model.backbone))
    assert isinstance(model.backbone, HRNet)
    assert heatmaps.shape == (2, 133, height // 4, width // 4)
    assert features.shape == (2, 4, height // 4, width // 4)


def test_persons_of_a_batch_do_not_see_each_other(small):
    images = torch.randn(3, 3, 32, 64, generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        together, alone = small(images), torch.cat([small(image[None]) for image in images])
    torch.testing.assert_close(together, alone, rtol=0, atol=1e-4 * together.abs().max().item())


def test_the_images_are_not_changed(small):
    images = torch.randn(1, 3, 32, 32)
    kept = images.clone()
    with torch.no_grad():
        small(images)
    assert torch.equal(images, kept)


@pytest.mark.parametrize(
    "shape",
    [
        (1, 3, 100, 192),
        (1, 3, 256, 190),
        (1, 3, 16, 16),
        (3, 64, 64),
        (1, 1, 64, 64),
        (1, 64, 64, 3),
        (1, 3, 0, 32),
    ],
)
def test_other_shapes_are_refused(shape):
    sizes = ", ".join(map(str, shape))
    with pytest.raises(ValueError, match=rf"images have shape \({sizes}\), expected \(B, 3, H, W\).*32"):
        on_meta(8)(torch.zeros(shape, device="meta"))


def test_stride_is_that_of_the_lowest_branch():
    seen = []
    model = PoseNet(8, 2).eval()
    model.backbone.stage4[0].branches[3].register_forward_hook(lambda _m, _i, out: seen.append(out.shape))
    with torch.no_grad():
        model(torch.zeros(1, 3, 64, 96))
    assert seen == [(1, 64, 64 // STRIDE, 96 // STRIDE)]


# --- starting values and modes ---------------------------------------------------------------------


def test_the_head_starts_near_zero():
    torch.manual_seed(0)
    head = HeatmapHead(64, 133)
    assert not head.final_layer.bias.any()
    weights = head.final_layer.weight
    assert weights.std().item() == pytest.approx(0.001, rel=0.05)
    assert abs(weights.mean().item()) < 5e-5
    with torch.no_grad():
        assert head(torch.randn(1, 64, 8, 8)).abs().max() < 0.06  # |sum of 64 products|, std .008


def test_a_wider_head_convolves_before_its_last_layer():
    """Keys are those of MMPose 1.3.2's HeatmapHead with conv_out_channels=(6,), conv_kernel_sizes=(3,)."""
    head = randomise(HeatmapHead(4, 5, hidden=6)).double().eval()
    norm = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
    keys = ["conv_layers.0.weight", "conv_layers.0.bias", *(f"conv_layers.1.{k}" for k in norm)]
    state = head.state_dict()
    assert list(state) == [*keys, "final_layer.weight", "final_layer.bias"]
    features = torch.randn(2, 4, 7, 6, dtype=torch.float64)
    weight, bias, gamma, beta, mean, variance = (state[k] for k in keys[:-1])
    taps = F.unfold(features, 3, padding=1).unflatten(1, (4, 3, 3)).unflatten(-1, (7, 6))
    x = torch.einsum("ocij,bcijyx->boyx", weight, taps) + bias[:, None, None]
    channels = lambda v: v[:, None, None]  # noqa: E731
    x = channels(gamma) * (x - channels(mean)) / channels(variance + 1e-5).sqrt() + channels(beta)
    x = torch.einsum("ko,boyx->bkyx", state["final_layer.weight"][..., 0, 0], x.clamp(min=0))
    expected = x + channels(state["final_layer.bias"])
    torch.testing.assert_close(head(features), expected, rtol=1e-9, atol=1e-9)
    # The point of it: more different maps than there are features.
    rank = lambda maps: torch.linalg.matrix_rank((maps - maps.mean((2, 3), True))[0].flatten(1))  # noqa: E731
    narrow, wide = HeatmapHead(2, 5).double(), HeatmapHead(2, 5, hidden=32).double().eval()
    assert (rank(narrow(features[:, :2])), rank(wide(features[:, :2]))) == (2, 5)


def test_training_uses_batch_statistics_and_evaluation_the_running_ones():
    torch.manual_seed(0)
    model = randomise(PoseNet(8, 5))
    images = torch.randn(2, 3, 64, 64)
    before = model.backbone.bn1.running_mean.clone()
    model.train()
    output = model(images)
    output.square().mean().backward()
    assert all(torch.isfinite(p.grad).all() for p in model.parameters())
    after = model.backbone.bn1.running_mean.clone()
    batch = F.conv2d(images, model.backbone.conv1.weight, stride=2, padding=1).mean((0, 2, 3))
    torch.testing.assert_close(after, 0.9 * before + 0.1 * batch, rtol=1e-4, atol=1e-5)
    model.eval()
    with torch.no_grad():
        evaluated = model(images)
        again = model(images)
    assert torch.equal(evaluated, again)
    assert torch.equal(model.backbone.bn1.running_mean, after)
    assert not torch.allclose(evaluated, output, atol=1e-2)
