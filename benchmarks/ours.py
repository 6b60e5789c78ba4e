"""wbkit's side of the same tasks. python -m benchmarks.ours FOLDER TASK: see `benchmarks.worker`."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import torch

from benchmarks.problems import SIZES, results_columns
from benchmarks.worker import serve
from wbkit.annotations import load_annotations
from wbkit.data import cut_sample
from wbkit.evaluate import per_part_table
from wbkit.heatmaps import HeatmapCodec
from wbkit.hrnet import PoseNet
from wbkit.keypoints import PARTS
from wbkit.memory import keep_freed_memory
from wbkit.nms import rescore_and_nms
from wbkit.pictures import read_image
from wbkit.predict import Predictor
from wbkit.recipes import W32_DARK_256x192
from wbkit.train import heatmap_loss

Run = Callable[[], np.ndarray]


def encode(folder: Path, size: str, batch: int) -> Run:
    """Into memory that is there: fresh pages would cost more than the Gaussians."""
    recipe = SIZES[size]
    codec, (w, h) = HeatmapCodec(**recipe.codec_settings()), recipe.heatmap_size
    points, visible = torch.from_numpy(np.load(folder / f"points_{size}.npy")[:batch]), torch.ones(batch, 133)
    maps = torch.empty(batch, 133, h, w)
    return lambda: codec.encode(points, visible, out=maps)[0].numpy()


def decode(folder: Path, size: str, batch: int) -> Run:
    codec = HeatmapCodec(**SIZES[size].codec_settings())
    maps = torch.from_numpy(np.load(folder / f"maps_{size}.npy")[:batch])
    return lambda: codec.decode(maps)[0].numpy()


def read_maps(folder: Path, size: str, batch: int) -> Run:
    """The floor of decoding: every value is looked at once."""
    maps = torch.from_numpy(np.load(folder / f"maps_{size}.npy")[:batch])
    return lambda: maps.amax().numpy()


def write_maps(folder: Path, size: str, batch: int) -> Run:
    """The floor of encoding: every value is written once."""
    maps = torch.empty(np.load(folder / f"maps_{size}.npy", mmap_mode="r")[:batch].shape)
    return lambda: maps.fill_(0).numpy()


def network(folder: Path) -> PoseNet:
    model = PoseNet(32)
    model.load_state_dict(torch.load(folder / "w32.pt", weights_only=True))
    return model


def images(folder: Path) -> torch.Tensor:
    return torch.from_numpy(np.load(folder / "images.npy"))


def forward(folder: Path, **how) -> Run:
    batch = images(folder)
    predictor = Predictor(
        network(folder), W32_DARK_256x192, False, device="cpu", batch_size=len(batch), **how
    )

    @torch.inference_mode()
    def run():
        return predictor.forward(batch).numpy()

    return run


def person(folder: Path, **how) -> Run:
    """Flip test and decoding of one crop, as `Predictor.predict_crops` does it."""
    crop = images(folder)[:1]
    predictor = Predictor(network(folder), W32_DARK_256x192, True, device="cpu", batch_size=1, **how)

    @torch.inference_mode()
    def run():
        maps = predictor.average(crop)
        predictor.codec.decode(maps)
        return maps.numpy()

    return run


def train_step(folder: Path, bf16: bool) -> Run:
    """Targets, forward, loss, backward, Adam; memory kept, as `wbkit.train` does."""
    keep_freed_memory()
    model = network(folder).train().to(memory_format=torch.channels_last)
    batch = images(folder).contiguous(memory_format=torch.channels_last)
    codec = HeatmapCodec(**W32_DARK_256x192.codec_settings())
    points = torch.from_numpy(np.load(folder / "points_48x64.npy")[:8])
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-4, fused=True)

    def run():
        optimizer.zero_grad(set_to_none=True)
        target, weights = codec.encode(points, torch.ones(8, 133))
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            predicted = model(batch)
        loss = heatmap_loss(predicted.float(), target, weights)
        loss.backward()
        optimizer.step()
        return np.array(loss.item())

    return run


def sample(folder: Path) -> Run:
    """From JPEG to crop and points with the recipe's augmentation, one core."""
    cv2.setNumThreads(1)
    saved, rng, compared = np.load(folder / "person.npz"), np.random.default_rng(0), []
    box, labels, recipe = saved["box_xywh"], saved["labels"], W32_DARK_256x192

    def run():
        dice = recipe.augmentation if compared else None  # the first call is compared: without dice
        compared.append(True)
        return cut_sample(read_image(folder / "picture.jpg"), box, labels, recipe, dice, rng)["crop"]

    return run


def evaluate(folder: Path) -> Run:
    """Rescoring, NMS, six parts, from columns."""
    truth, results = load_annotations(folder / "truth.json", cache=False), results_columns(folder)
    return lambda: per_part_table(truth, rescore_and_nms(results)).loc["wholebody"].to_numpy()


def parts(folder: Path) -> Run:
    """Six parts alone, from columns, areas of the body keypoints' extent as xtcocotools computes them."""
    from dataclasses import replace

    from wbkit.columns import body_extent_areas

    truth, results = load_annotations(folder / "truth.json", cache=False), results_columns(folder)
    results = replace(results, areas=body_extent_areas(results.keypoints))
    return lambda: per_part_table(truth, results).loc[list(PARTS)].to_numpy()


def load(folder: Path) -> Run:
    """The second and later times, from the cache."""
    load_annotations(folder / "truth.json")
    return lambda: np.array(len(load_annotations(folder / "truth.json")))


BF16 = {"dtype": torch.bfloat16}
TASKS = {
    "encode 48x64 x 32": lambda f: encode(f, "48x64", 32),
    "encode 48x64 x 1": lambda f: encode(f, "48x64", 1),
    "write 48x64 x 32": lambda f: write_maps(f, "48x64", 32),
    "decode 48x64 x 32": lambda f: decode(f, "48x64", 32),
    "decode 72x96 x 32": lambda f: decode(f, "72x96", 32),
    "decode 48x64 x 1": lambda f: decode(f, "48x64", 1),
    "read 48x64 x 32": lambda f: read_maps(f, "48x64", 32),
    "read 72x96 x 32": lambda f: read_maps(f, "72x96", 32),
    "sample": sample,
    "forward": forward,
    "forward, compiled": lambda f: forward(f, compile=True),
    "forward, bf16": lambda f: forward(f, **BF16),
    "forward, bf16 compiled": lambda f: forward(f, compile=True, **BF16),
    "person": person,
    "person, bf16": lambda f: person(f, **BF16),
    "person, bf16 compiled": lambda f: person(f, compile=True, **BF16),
    "train step": lambda f: train_step(f, bf16=False),
    "train step, bf16": lambda f: train_step(f, bf16=True),
    "evaluate": evaluate,
    "parts": parts,
    "load": load,
}


if __name__ == "__main__":
    serve(TASKS, Path(sys.argv[1]), sys.argv[2])
