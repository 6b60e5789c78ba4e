"""MMPose's network and codec with the seed recipes' settings, to run beside ours where it is installed."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch

from benchmarks import stubs
from wbkit.errors import InputError
from wbkit.recipes import Recipe
from wbkit.reference import import_xtcocotools

REMARK = "MMPose cannot be imported here ({}); its rows need mmpose, mmengine and mmcv-lite"


def rows(
    clock, recipes: Sequence[Recipe], batch: int, precision: Callable, modes: Sequence[str]
) -> list[dict]:
    """Forward pass, encoding and decoding of MMPose; [] and a remark where it is missing.

    Args:
        clock: `benchmarks.gpu.Clock`.
        batch: images a forward pass. The codec works on one person at a time, on the CPU; its times are for
            as many persons.
        precision, modes: of the forward pass, as ours: `benchmarks.gpu.precision` and its modes.
    """
    try:
        MSRAHeatmap = _import_mmpose()
    except (ImportError, InputError) as error:
        print(f"\n{REMARK.format(str(error).splitlines()[0])}")
        return []
    found = []
    for recipe in recipes:
        codec = MSRAHeatmap(recipe.input_size, recipe.heatmap_size, recipe.sigma, unbiased=True)
        points = np.random.default_rng(0).uniform(20, recipe.input_size[0] - 20, (1, 133, 2))
        maps = codec.encode(points.astype(np.float32))["heatmaps"]
        for what, run in (
            ("encode", lambda c=codec, p=points: [c.encode(p.astype(np.float32)) for _ in range(batch)]),
            ("DARK decode", lambda c=codec, m=maps: [c.decode(m.copy()) for _ in range(batch)]),
        ):
            name = f"{recipe.name} {what}, {batch} persons, CPU"
            found += clock.row(name, lambda n=name, r=run: {"what": n, "ms": 1000 * clock.median_s(r, 1)})
        for mode in modes:
            name = f"{recipe.name} forward, {mode}, batch {batch}"
            found += clock.row(
                name, lambda r=recipe, m=mode, n=name: _forward_row(clock, r, precision, m, batch, n)
            )
    return found


def _import_mmpose() -> type:
    """Its codec class, after two mends without which mmpose.models cannot be imported."""
    import_xtcocotools()  # registers a compiled module that NumPy 2 accepts
    stubs.install()
    from mmpose.codecs import MSRAHeatmap

    return MSRAHeatmap


def _forward_row(clock, recipe: Recipe, precision: Callable, mode: str, batch: int, name: str) -> dict:
    backbone, head = _network(recipe)
    for module in (backbone, head):
        module.to(clock.device).eval()  # its eval() returns nothing
    images = torch.randn(batch, 3, *recipe.input_size[::-1], device=clock.device)

    @torch.inference_mode()
    def forward():
        with precision(mode, clock.device):
            return head(backbone(images))

    seconds = clock.median_s(forward)
    return {"what": name, "ms": 1000 * seconds, "img/s": batch / seconds}


def _network(recipe: Recipe):
    """HRNet and heatmap head as MMPose's configuration files state them."""
    from mmpose.models import HeatmapHead, HRNet

    width = recipe.width

    def stage(modules: int, branches: int, **more) -> dict:
        channels = tuple(width * 2**i for i in range(branches))
        blocks = {"num_branches": branches, "block": "BASIC", "num_blocks": (4,) * branches}
        return {"num_modules": modules, **blocks, "num_channels": channels, **more}

    first = {
        "num_modules": 1,
        "num_branches": 1,
        "block": "BOTTLENECK",
        "num_blocks": (4,),
        "num_channels": (64,),
    }
    extra = {"stage1": first, "stage2": stage(1, 2), "stage3": stage(4, 3), "stage4": stage(3, 4)}
    head = HeatmapHead(
        in_channels=width, out_channels=133, deconv_out_channels=None, loss={"type": "KeypointMSELoss"}
    )
    return HRNet(extra=extra, in_channels=3), head
