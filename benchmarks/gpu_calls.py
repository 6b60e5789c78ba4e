"""What `benchmarks.gpu` times, as calls without arguments: the network as it predicts, an update."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

import torch
from torch import Tensor
from torch.utils.data import Dataset

from wbkit.hardware import Hardware
from wbkit.hrnet import PoseNet
from wbkit.inference import prepare
from wbkit.recipes import Recipe
from wbkit.train import Loop

COMPILED = "bf16 compiled"  # by torch.compile: a minute or more each, so it comes last and for one batch size


@contextmanager
def precision(mode: str, device: torch.device) -> Iterator[None]:
    """Compute as `mode` says: its first word is fp32, tf32 or bf16."""
    before = torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32
    torch.set_float32_matmul_precision("high" if mode.startswith("tf32") else "highest")
    torch.backends.cudnn.allow_tf32 = mode.startswith("tf32")
    try:
        # Without the cache: a captured graph must hold the casts of the weights.
        with torch.autocast(
            device.type, torch.bfloat16, enabled=mode.startswith("bf16"), cache_enabled=False
        ):
            yield
    finally:
        torch.set_float32_matmul_precision(before[0])
        torch.backends.cudnn.allow_tf32 = before[1]


def forward_call(recipe: Recipe, mode: str, batch: int, device: torch.device) -> Callable[[], Tensor]:
    """The forward pass of a fixed batch, of the network as it predicts, as a function without arguments."""
    dtype = torch.bfloat16 if mode.startswith("bf16") else torch.float32
    network = prepare(PoseNet(recipe.width).to(device), dtype, compile=mode == COMPILED)
    images = torch.randn(batch, 3, *recipe.input_size[::-1], device=device).to(dtype)
    images = images.contiguous(memory_format=torch.channels_last)

    @torch.inference_mode()
    def eager() -> Tensor:
        with precision("tf32" if mode == "tf32" else "fp32", device):
            return network(images)

    return captured(eager) if mode.endswith("graph") else eager


def captured(eager: Callable[[], Tensor]) -> Callable[[], Tensor]:
    """A function that launches all kernels of `eager` at once, as a CUDA graph.

    Raises:
        RuntimeError: the graph gives something else.
    """
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):  # warm up aside, as capturing asks
        for _ in range(3):
            eager()
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        output = eager()

    def replay() -> Tensor:
        graph.replay()
        return output

    replay.reads = eager  # weights and images lie where the graph reads them as long as this holds them
    if not torch.allclose(replay(), eager(), rtol=1e-3, atol=1e-3):
        raise RuntimeError("the captured graph gives something else")
    return replay


class Nobody(Dataset):
    """A dataset of so many samples that nobody asks for: `Loop` wants one."""

    seed = 0

    def __init__(self, samples: int):
        self.samples = samples

    def __len__(self) -> int:
        return self.samples


def training_call(recipe: Recipe, mode: str, batch: int, device: torch.device) -> Callable[[], object]:
    """The update of `wbkit train` on a fixed batch as a function without arguments."""
    width, height = recipe.input_size
    recipe = replace(recipe, schedule=replace(recipe.schedule, batch_size=batch))
    hardware = Hardware(device, bf16=mode.startswith("bf16"), compile=mode == COMPILED)
    loop = Loop(PoseNet(recipe.width), recipe, Nobody(batch), hardware.resolved(), shuffle=False)
    loop.model.train()
    if mode.endswith("graph"):
        loop.network = graphed(loop.model, mode, torch.randn(batch, 3, height, width, device=device))
    samples = {
        "crop": torch.randint(0, 256, (batch, height, width, 3), dtype=torch.uint8),
        "keypoints": torch.rand(batch, 133, 2) * width,
        "visible": torch.ones(batch, 133),
    }
    if device.type == "cuda":  # as the loader gives them
        samples = {name: values.pin_memory() for name, values in samples.items()}

    def update() -> tuple[float, float]:
        with precision("tf32" if mode == "tf32" else "fp32", device):
            return loop.update([samples], 1e-4)

    return update


def graphed(model: PoseNet, mode: str, images: Tensor) -> Callable[[Tensor], Tensor]:
    """The network for batches like `images`, its forward and backward pass captured in advance."""
    images = images.contiguous(memory_format=torch.channels_last)
    with precision(mode, images.device):
        return torch.cuda.make_graphed_callables(model, (images,))
