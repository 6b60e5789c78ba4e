"""Would 8-bit integers do for the network? What they save, and what they do to keypoints (two minutes).

python -m benchmarks.eight_bits

Processors with AVX512-VNNI multiply twice as many of them a second as bfloat16. wbkit does not use them: this
says why. Activations are unsigned with one step a layer, weights signed with one a channel, accumulated
exactly; the range of an activation is shared between it and the weights (`round_conv`). Everything else stays
float32, so that a network of integers throughout would move keypoints more.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import torch
from torch import Tensor, nn

from benchmarks import shift
from wbkit.annotations import load_annotations
from wbkit.commands.models import load_predictor
from wbkit.data import WholeBodyDataset, find_coco_folder, make_loader, persons_from_annotations
from wbkit.files import data_folder
from wbkit.inference import FusedConv, fold_batchnorm
from wbkit.predict import Predictor, normalize

BRANCHES = ((32, 64, 48), (64, 32, 24), (128, 16, 12), (256, 8, 6))  # channels, height, width in W32
MODULES = (8, 8, 7, 3)  # that have such a branch, each with 8 such convolutions
SEEN = 32  # training people from which the ranges are read


def supported() -> bool:
    """Whether torch has oneDNN for both types here (int8 is slower on processors without VNNI)."""
    engines = torch.backends.quantized.supported_engines
    return "onednn" in engines and torch.ops.mkldnn._is_mkldnn_bf16_supported()


def measure(people: int | None = None) -> dict:
    """`bf16 ms` and `int8 ms`: see `conv_times`; `shift`: see `benchmarks.shift.distances`."""
    exact, moved = load_predictor(None, device="cpu"), load_predictor(None, device="cpu")
    moved.network = rounded(exact.model, training_images(exact))
    return {**conv_times(), "shift": shift.distances(exact, moved, people)}


def in_words(measured: dict) -> str:
    """One sentence on what `measure` found."""
    saved, moved = measured["bf16 ms"] / measured["int8 ms"], measured["shift"]["mean"]
    beyond = "beyond" if moved > shift.LIMIT_PX else "within"
    return (
        "8-bit integers, which wbkit does not use, would make the convolutions of W32's branches "
        f"{saved:.1f} times as fast as bfloat16, and move the shipped model's keypoints by {moved:.2f} px of "
        f"the input on average, {beyond} the limit"
    )


# --- keypoints -------------------------------------------------------------------------------------


def training_images(predictor: Predictor) -> Tensor:
    """Normalised crops (SEEN, 3, H, W) of embedded training people."""
    folder = find_coco_folder(data_folder() / "wholebody-mini", "train")
    persons = persons_from_annotations(load_annotations(folder.annotations)).select(slice(SEEN))
    people = WholeBodyDataset(persons, folder.images, predictor.recipe)
    return normalize(next(iter(make_loader(people, SEEN, workers=0)))["crop"])


@torch.inference_mode()
def rounded(model: nn.Module, images: Tensor) -> nn.Module:
    """A copy without BatchNorm whose convolutions see and hold only 8-bit values, times a step.

    Args:
        model: `PoseNet`.
        images: (B, 3, H, W), on which every input channel of a convolution takes the largest value that
            the copy can hold there.
    """
    network, largest = fold_batchnorm(model).to(memory_format=torch.channels_last), {}
    convs = [m for m in network.modules() if isinstance(m, nn.Conv2d)]

    def note(conv: nn.Conv2d, inputs: tuple[Tensor]) -> None:
        largest[conv] = inputs[0].abs().amax((0, 2, 3)), bool((inputs[0] < 0).any())

    hooks = [conv.register_forward_pre_hook(note) for conv in convs]
    network(images)
    for hook in hooks:
        hook.remove()
    for conv in convs:
        round_conv(conv, *largest[conv])
    return network


def round_conv(conv: nn.Conv2d, largest: Tensor, signed: bool) -> None:
    """Round weights, and from now on inputs.

    W x = (W s) (x / s) for any s > 0 a channel: s is the square root of the channel's largest value, so that
    neither side has to hold channels of very different sizes (Xiao et al., "SmoothQuant", ICML 2023).

    Args:
        largest: (C,) of each input channel.
        signed: whether inputs can be negative.
    """
    levels = 127 if signed else 255
    share = largest.clamp(min=0.01 * largest.max()).sqrt()
    step = (share * (largest / share).max() / levels)[:, None, None]  # (C, 1, 1)
    whole = conv.weight * step  # (C', C, k, k): what is multiplied with whole numbers
    unit = whole.abs().amax((1, 2, 3), keepdim=True).clamp(min=1e-12) / 127
    conv.weight.copy_((whole / unit).round() * unit / step)
    least = -levels if signed else 0
    conv.register_forward_pre_hook(lambda _, inputs: (inputs[0] / step).round().clamp(least, levels) * step)


# --- speed -----------------------------------------------------------------------------------------


@torch.inference_mode()
def conv_times(repeats: int = 30) -> dict[str, float]:
    """All 3x3 convolutions in W32's branches, with ReLU, batch 8: ms in bfloat16 and in int8."""
    found = {"bf16 ms": 0.0, "int8 ms": 0.0}
    for modules, (channels, height, width) in zip(MODULES, BRANCHES, strict=True):
        conv = nn.Conv2d(channels, channels, 3, padding=1)
        x = torch.rand(8, channels, height, width).to(memory_format=torch.channels_last)
        fused, half = FusedConv(conv.bfloat16(), relu=True), x.bfloat16()
        found["bf16 ms"] += 8 * modules * _least_ms(lambda fused=fused, half=half: fused(half), repeats)
        found["int8 ms"] += 8 * modules * _least_ms(_int8(conv.float(), (255 * x).to(torch.uint8)), repeats)
    return found


def _int8(conv: nn.Conv2d, x: Tensor) -> Callable[[], Tensor]:
    """Of inputs in steps of 1/255, to outputs in steps of 2/255; torch's call of oneDNN."""
    unit = conv.weight.abs().amax((1, 2, 3)) / 127
    weight = (conv.weight / unit[:, None, None, None]).round().to(torch.int8)
    place = [list(conv.stride), list(conv.padding), list(conv.dilation), conv.groups]
    packed = torch.ops.onednn.qconv_prepack(weight, unit, 1 / 255, 0, *place, list(x.shape))
    zeros = torch.zeros(len(unit), dtype=torch.int32)
    ends = [1 / 255, 0, packed, unit, zeros, conv.bias, *place, 2 / 255, 0, torch.uint8, "relu", [], ""]
    return lambda: torch.ops.onednn.qconv2d_pointwise(x, *ends)


def _least_ms(call: Callable[[], Tensor], repeats: int) -> float:
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return 1000 * min(times)


def main() -> None:
    raw = argparse.RawDescriptionHelpFormatter
    argparse.ArgumentParser(
        "python -m benchmarks.eight_bits", description=__doc__, formatter_class=raw
    ).parse_args()
    if not supported():
        raise SystemExit("This processor, or torch's oneDNN here, computes no convolutions in both types")
    print(in_words(measure()))


if __name__ == "__main__":
    main()
