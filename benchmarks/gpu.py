"""`python -m benchmarks.gpu`: is a GPU right, and how near to its limits? One command, about ten minutes.

    python -m benchmarks.gpu                                   parity, inference, training speed, codec
    python -m benchmarks.gpu --train data/people --train-minutes 5     and then a slice of training
    python -m benchmarks.gpu --json docs/gpu.json              for `python -m benchmarks.gpu_table`
    python -m benchmarks.gpu --device cpu --quick              the same code on a CPU, for a look

Each figure stands beside its limit: multiplications beside the fastest matrix product measured here, and the
codec beside the time to read or write its heatmaps once. Where MMPose is installed, its network and codec run
on the same inputs. Rows that no longer fit into --minutes are listed, not dropped in silence.

Inference runs the network as `wbkit predict` prepares it, training is the update of `wbkit train`. In the
columns "tf32" is float32 as torch computes it on a GPU unless told otherwise (`wbkit predict`, `wbkit train
--precision fp32`), "bf16" is `wbkit predict --bf16` and what `wbkit train` takes by itself; "fp32", without
TF32, is there to compare with.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path

import pandas as pd
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from benchmarks import mmpose_peer
from benchmarks.gpu_calls import COMPILED, forward_call, precision, training_call
from wbkit.cli import main as wbkit
from wbkit.files import write_json
from wbkit.heatmaps import HeatmapCodec
from wbkit.hrnet import PoseNet
from wbkit.inference import prepare
from wbkit.predict import find_recipe, mirror_heatmaps
from wbkit.recipes import Recipe, W32_DARK_256x192, W48_DARK_PLUS_384x288

SEEDS = (W32_DARK_256x192, W48_DARK_PLUS_384x288)
INFERENCE_MODES = (
    "fp32",
    "tf32",
    "bf16",
    "bf16 graph",
)  # graph: a CUDA graph, which launches all kernels at once
TRAINING_MODES = ("fp32", "tf32", "bf16", "bf16 graph")
CPU_MODES = ("fp32", "bf16")
COMPILING = 150  # seconds that a compiled row may take


class Clock:
    """Time of work on a device, within a budget.

    Args:
        device: where the work runs.
        minutes: after these nothing new is begun.
        seconds: spent on one figure, at least one call.
    """

    def __init__(self, device: torch.device, minutes: float, seconds: float):
        self.device, self.seconds = device, seconds
        self.end = time.monotonic() + 60 * minutes
        self.left_out: list[str] = []
        self.tables: list[dict] = []
        self.keep: Callable[[], None] = lambda: None  # called after each table

    def sync(self) -> None:
        """Wait for the device."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)

    def median_s(self, run: Callable[[], object], warmup: int = 3) -> float:
        """Median time of a call, s, the device's work included."""
        for _ in range(warmup):
            run()
        self.sync()
        times, until = [], time.perf_counter() + self.seconds
        while not times or (time.perf_counter() < until and len(times) < 200):
            start = time.perf_counter()
            run()
            self.sync()
            times.append(time.perf_counter() - start)
        return sorted(times)[len(times) // 2]

    def row(self, name: str, make: Callable[[], dict]) -> list[dict]:
        """[make()], or [] if the time is up or it fails, which is noted in `left_out`."""
        needed = COMPILING if COMPILED in name else 0
        if time.monotonic() > self.end - needed:
            self.left_out.append(f"{name}: no time left")
            return []
        try:
            return [make()]
        except Exception as error:  # whatever it is: the other rows are still wanted
            told = (str(error).splitlines() or ["without a word"])[0]
            self.left_out.append(f"{name}: {type(error).__name__}: {told}")
        if self.device.type == "cuda":  # only now has the failed model gone
            torch.cuda.empty_cache()
        return []


# --- the device ----------------------------------------------------------------------------------------


def peaks(clock: Clock, size: int) -> dict[str, float]:
    """The fastest this device multiplies matrices (FLOP/s, by precision) and copies memory (B/s)."""
    a, b = (torch.randn(size, size, device=clock.device) for _ in range(2))
    found = {}
    for mode in ("fp32", "tf32", "bf16"):
        x, y = (a.bfloat16(), b.bfloat16()) if mode == "bf16" else (a, b)
        with precision(mode if mode == "tf32" else "fp32", clock.device):
            found[mode] = 2 * size**3 / clock.median_s(lambda x=x, y=y: x @ y)
    source = torch.empty(2**28 if size > 4096 else 2**25, device=clock.device)  # 1 GB on a GPU
    target = torch.empty_like(source)
    found["copy"] = 2 * source.nbytes / clock.median_s(lambda: target.copy_(source))
    return found


def flops_per_image(recipe: Recipe) -> float:
    """Of one forward pass, counted on shapes alone: two a multiplication."""
    return _flops(recipe.width, recipe.input_size)


@lru_cache
def _flops(width: int, input_size: tuple[int, int]) -> float:
    with torch.device("meta"), FlopCounterMode(display=False) as counter:
        PoseNet(width).eval()(torch.empty(1, 3, *input_size[::-1]))
    return float(counter.get_total_flops())


def training_hours(recipe: Recipe, persons: int, flops_per_second: float) -> float:
    """Of all the recipe's epochs over `persons`, if the network alone decides the pace."""
    samples = recipe.schedule.epochs * persons
    return samples * 3 * flops_per_image(recipe) / flops_per_second / 3600


# --- is it right? --------------------------------------------------------------------------------------


def parity(device: torch.device) -> list[dict]:
    """The largest differences between this device and the CPU, each with what is allowed."""
    recipe, generator = W32_DARK_256x192, torch.Generator().manual_seed(0)
    codec = HeatmapCodec(**recipe.codec_settings())
    udp = HeatmapCodec(**recipe.codec_settings() | {"udp": True})
    points = torch.rand(4, 133, 2, generator=generator) * torch.tensor([150.0, 214.0]) + 20
    visible = torch.ones(4, 133)
    maps = codec.encode(points, visible)[0]
    rows = {"encode": (maps, codec.encode(points.to(device), visible.to(device))[0], 1e-6)}
    noisy = maps + 0.004 * torch.rand(maps.shape, generator=generator)
    for name, used, refine in (
        ("decode, DARK, input px", codec, "dark"),
        ("decode, quarter shift, input px", codec, "quarter"),
        ("decode, UDP, input px", udp, "dark"),
    ):
        rows[name] = (used.decode(noisy, refine)[0], used.decode(noisy.to(device), refine)[0], 1e-3)
    model, images = calm_network(recipe), torch.randn(2, 3, 256, 192, generator=generator)
    with torch.inference_mode():
        with precision("fp32", device):
            here = model(images)
            largest = here.abs().max().item()
            there = model.to(device)(images.to(device))
        as_used = prepare(model)(images.to(device))  # in torch's own precision, as `wbkit predict` has it
    rows["W32 heatmaps, of the largest"] = (here / largest, there / largest, 1e-5)
    rows["flip average"] = (mirror_heatmaps(here), mirror_heatmaps(there), 1e-5 * largest)
    rows["W32 heatmaps as predicted, of the largest"] = (here / largest, as_used / largest, 1e-2)
    found = []
    for name, (a, b, limit) in rows.items():
        difference = (a - b.cpu()).abs().max().item()
        found.append({"what": name, "difference": difference, "allowed": limit, "right": difference <= limit})
    return found


def calm_network(recipe: Recipe) -> PoseNet:
    """Random weights whose heatmaps are neither flat nor huge."""
    torch.manual_seed(0)
    model = PoseNet(recipe.width).eval()
    nn.init.normal_(model.head.final_layer.weight, std=0.1)
    return model


# --- how fast? -----------------------------------------------------------------------------------------


def inference(
    clock: Clock, recipe: Recipe, peak: dict, batches: Sequence[int], modes: Sequence[str]
) -> list[dict]:
    """Images a second of the forward pass, without flip test."""
    flops, rows = flops_per_image(recipe), []
    for mode in modes:
        for batch in batches:
            name = f"{recipe.name} forward, {mode}, batch {batch}"

            def make(mode=mode, batch=batch, name=name) -> dict:
                run = forward_call(recipe, mode, batch, clock.device)
                return speed_row(name, batch, clock.median_s(run), flops, peak[mode.split()[0]])

            rows += clock.row(name, make)
    return rows


def training(clock: Clock, recipe: Recipe, peak: dict, batch: int, modes: Sequence[str]) -> list[dict]:
    """Images a second of whole updates: crops to the device, targets, forward, backward, norm, Adam."""
    flops, rows = 3 * flops_per_image(recipe), []  # backward costs twice the forward pass
    for mode in modes:
        name = f"{recipe.name} training, {mode}, batch {batch}"

        def make(mode=mode, name=name) -> dict:
            update = training_call(recipe, mode, batch, clock.device)
            return speed_row(name, batch, clock.median_s(update), flops, peak[mode.split()[0]])

        rows += clock.row(name, make)
    return rows


def speed_row(name: str, batch: int, seconds: float, flops: float, peak: float) -> dict:
    """One row: milliseconds a call, images a second, and the share of the measured peak."""
    rate = batch / seconds
    return {
        "what": name,
        "ms": 1000 * seconds,
        "img/s": rate,
        "TFLOP/s": rate * flops / 1e12,
        "of peak": rate * flops / peak,
    }


def codec_rows(clock: Clock, peak: dict, batch: int) -> list[dict]:
    """Encode and decode: milliseconds, and the time that writing or reading the maps once takes."""
    rows = []
    for recipe in SEEDS:
        codec = HeatmapCodec(**recipe.codec_settings())
        points = torch.rand(batch, 133, 2, device=clock.device) * recipe.input_size[0]
        visible = torch.ones(batch, 133, device=clock.device)
        maps = codec.encode(points, visible)[0]
        once = 1000 * maps.nbytes / (peak["copy"])
        for what, run in (
            ("encode", lambda c=codec, p=points, v=visible: c.encode(p, v)),
            ("DARK decode", lambda c=codec, m=maps: c.decode(m)),
        ):
            name = f"{recipe.name} {what}, batch {batch}"
            rows += clock.row(
                name, lambda n=name, r=run, o=once: {"what": n, "ms": 1000 * clock.median_s(r), "floor ms": o}
            )
    return rows


# --- a slice of training -------------------------------------------------------------------------------


def train_slice(data: Path, out: Path, recipe: str, minutes: float, device: str) -> int:
    """Train for a while in two halves, the second resumed from the first: exit status of `wbkit train`."""
    batch = find_recipe(recipe).schedule.batch_size
    words = ["train", "--recipe", recipe, "--data", str(data), "--out", str(out), "--device", device]
    words += ["--micro-batch", str(batch // 8 if batch >= 256 else batch)]  # of one of 8 GPUs
    words += ["--workers", str(min(8, max(1, (os.cpu_count() or 2) - 1)))]  # crops must not be what is slow
    again = ["--resume"] if (out / "last.pt").exists() else []
    first = wbkit([*words, "--minutes", str(minutes / 2), *again])
    if first or (out / "final.safetensors").exists():
        return first
    return wbkit([*words, "--minutes", str(minutes / 2), "--resume"])


def show(clock: Clock, title: str, rows: list[dict]) -> None:
    """Print a titled table, if it has rows, and keep it."""
    if rows:
        clock.tables.append({"title": title, "rows": rows})
        table = pd.DataFrame(rows).set_index("what")
        print(f"\n{title}\n{table.to_string(float_format='{:.4g}'.format, na_rep='-')}", flush=True)
        clock.keep()


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """The options."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.gpu",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--device", type=usable_device, default="cuda", metavar="D", help="cuda (default), cuda:1, ... or cpu"
    )
    parser.add_argument("--minutes", type=float, default=9.0, help="begin nothing after (default: 9)")
    parser.add_argument("--quick", action="store_true", help="W32 only, small batches, one call a figure")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write all tables there")
    parser.add_argument("--train", type=Path, metavar="DIR", help="also train on this COCO-WholeBody folder")
    parser.add_argument("--train-minutes", type=float, default=5.0, metavar="M", help="default: 5")
    parser.add_argument("--recipe", default="w32_dark_256x192", help="for --train (default: %(default)s)")
    parser.add_argument("--out", type=Path, default=Path("outputs/gpu"), help="for --train")
    return parser.parse_args(arguments)


def usable_device(text: str) -> torch.device:
    """An argparse type: a GPU of CUDA's kind, or the CPU. Others would be timed without waiting for them."""
    try:
        device = torch.device(text)
    except RuntimeError:
        device = None
    if device is None or device.type not in ("cuda", "cpu"):
        raise argparse.ArgumentTypeError(f"{text!r} is neither cuda, cuda:1, ... nor cpu")
    return device


def show_speed(clock: Clock, peak: dict, quick: bool) -> None:
    """All tables of speed, the quick ones first."""
    gpu, seeds = clock.device.type == "cuda", SEEDS[:1] if quick else SEEDS
    batches = [2] if quick else [1, 32, 256]
    share = {r.name: 2 if quick else r.schedule.batch_size // 8 for r in seeds}  # of one of 8 GPUs
    forward_modes, modes = (INFERENCE_MODES, TRAINING_MODES) if gpu else (CPU_MODES, CPU_MODES)
    for recipe in seeds:
        show(clock, "Inference", inference(clock, recipe, peak, batches, forward_modes))
        show(clock, "Training", training(clock, recipe, peak, share[recipe.name], modes))
    show(clock, "Codec", codec_rows(clock, peak, 4 if quick else 64))
    peer_modes = [mode for mode in modes if not mode.endswith("graph")]
    peer = mmpose_peer.rows(clock, seeds, 2 if quick else 32, precision, peer_modes)
    show(clock, "MMPose, same inputs", peer)
    for recipe in seeds if gpu else ():
        show(clock, "Compiled", inference(clock, recipe, peak, batches[-2:-1] or batches, [COMPILED]))
        show(clock, "Compiled", training(clock, recipe, peak, share[recipe.name], [COMPILED]))
    if clock.left_out:
        print("\nLeft out:\n  " + "\n  ".join(clock.left_out))


def main(arguments: list[str] | None = None) -> int:
    """Print all tables; 1 if the device computes something else than the CPU."""
    options = parse(arguments)
    device, quick = options.device, options.quick
    gpu = device.type == "cuda"
    if gpu and not torch.cuda.is_available():
        print("There is no GPU that PyTorch can use; --device cpu --quick runs the same code on the CPU")
        return 2
    if gpu:
        torch.cuda.set_device(device)  # streams and graphs are made on the current one
    clock = Clock(device, options.minutes, 0.0 if quick else 1.0)
    name = torch.cuda.get_device_name(device) if gpu else "CPU"
    print(f"{name}, torch {torch.__version__}, CUDA {torch.version.cuda if gpu else 'not used'}")
    peak = peaks(clock, 512 if quick else 8192 if gpu else 2048)
    speeds = ", ".join(f"{k} {peak[k] / 1e12:.1f} TFLOP/s" for k in ("fp32", "tf32", "bf16"))
    print(f"measured peaks: {speeds}; memory {peak['copy'] / 1e9:.0f} GB/s")
    told = {"device": name, "torch": torch.__version__, "peaks": peak}
    told |= {"tables": clock.tables, "left_out": clock.left_out}
    if options.json:
        clock.keep = lambda: write_json(options.json, told)
    checked = parity(device)
    show(clock, "Parity with the CPU", checked)
    show_speed(clock, peak, quick)
    clock.keep()
    if options.train:
        where = (options.train, options.out, options.recipe, options.train_minutes, str(device))
        if status := train_slice(*where):
            return status
    return 0 if all(row["right"] for row in checked) else 1


if __name__ == "__main__":
    raise SystemExit(main())
