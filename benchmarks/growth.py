"""How each stage's time and memory grow with its size: python -m benchmarks.growth [--out FOLDER].

A straight line of slope 1 on both logarithmic axes is linear growth. The slope is fitted without the smallest
sizes, where fixed costs count most (those that still count make it smaller); more than 1.15 is named. Memory
is the most that a call holds beyond what was there before it; it is read from Linux, and left out elsewhere.
"""

from __future__ import annotations

import argparse
import ctypes
import gc
import math
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
import torch

from benchmarks.bench_failures import make_labels, make_results
from wbkit.evaluate import per_part_table
from wbkit.failures import analyse, keypoint_table
from wbkit.heatmaps import HeatmapCodec
from wbkit.nms import oks_nms
from wbkit.study.lesson import STYLE

STEEP = 1.15
LITTLE_MB = 4  # less drowns in what allocator and interpreter take
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#999999")


def seconds(run: Callable[[], object], repeats: int = 5) -> float:
    """Median of some calls after one."""
    run()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def peak_mb(run: Callable[[], object]) -> float:
    """The most memory that a call takes on top of what the process holds, MB; NaN outside Linux."""
    if sys.platform != "linux":
        return math.nan
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)  # or freed memory would be used again, unseen
    Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew
    before = _status_mb("VmRSS")
    run()
    return _status_mb("VmHWM") - before


def _status_mb(field: str) -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(f"{field}:")).split()[1]) / 1024


def codec_call(persons: int, keypoints: int, side: int, encode: bool) -> Callable[[], object]:
    """Encode or decode `persons` x `keypoints` maps of `side` x `side`."""
    codec = HeatmapCodec((4 * side, 4 * side), (side, side))
    points = torch.rand(persons, keypoints, 2) * (4 * side - 60) + 30
    visible, maps = torch.ones(persons, keypoints), torch.empty(persons, keypoints, side, side)
    codec.encode(points, visible, out=maps)
    return (lambda: codec.encode(points, visible, out=maps)) if encode else (lambda: codec.decode(maps))


def results_of(pictures: int) -> tuple:
    """Labels and detections of so many pictures, nine for each person."""
    rng = np.random.default_rng(0)
    truth = make_labels(pictures, rng)
    return truth, make_results(truth, rng, detections_a_person=9)


def one_picture(detections: int) -> np.ndarray:
    """All in one picture, mostly apart: what suppression compares pair by pair."""
    rng = np.random.default_rng(0)
    return rng.uniform(0, 4000, (detections, 1, 2)) + rng.uniform(0, 200, (detections, 133, 2))


def measure() -> pd.DataFrame:
    """One row a stage and size."""
    found = []

    def add(stage: str, unit: str, sizes, make: Callable[[int], Callable[[], object]], repeats: int = 5):
        for size in sizes:
            run = make(size)
            took = {"s": seconds(run, repeats), "MB": peak_mb(run)}
            found.append({"stage": stage, "unit": unit, "size": size, **took})

    people, points, sides = (1, 2, 4, 8, 16, 32, 64), (17, 33, 67, 133, 266, 532), (32, 48, 64, 96, 128, 192)
    for encode in (True, False):
        name = "encode" if encode else "decode"
        add(name, "people", people, lambda n, e=encode: codec_call(n, 133, 64, e))
        add(name, "keypoints", points, lambda k, e=encode: codec_call(8, k, 64, e))
        add(
            name,
            "pixels a map",
            [s * s for s in sides],
            lambda a, e=encode: codec_call(8, 133, round(a**0.5), e),
        )
    problems = {n: results_of(n) for n in (100, 200, 400, 800, 1600)}
    add("AP of six parts", "pictures", problems, lambda n: lambda: per_part_table(*problems[n]), 3)
    add("causes and table", "pictures", problems, lambda n: lambda: keypoint_table(analyse(*problems[n])), 1)
    add("suppression", "people in a picture", (10, 20, 40, 80, 160), suppress)
    return pd.DataFrame(found)


def suppress(detections: int) -> Callable[[], object]:
    points = one_picture(detections)
    scores, areas = np.linspace(1, 0.1, detections), np.full(detections, 2e4)
    return lambda: oks_nms(points, scores, areas)


def slopes(table: pd.DataFrame) -> pd.DataFrame:
    """Exponents of growth of each stage's time and memory, from the size before the middle one on.

    A stage that takes less than `LITTLE_MB` for its largest problem has no exponent of memory (NaN).
    """
    rows = []
    for (stage, unit), group in table.groupby(["stage", "unit"], sort=False):
        upper = group.iloc[len(group) // 2 - 1 :]
        exponent, last = _exponent(upper, "s"), group.iloc[-1]
        memory = _exponent(upper, "MB") if last.MB >= LITTLE_MB else math.nan
        steep = exponent > STEEP or memory > STEEP
        rows.append((stage, unit, exponent, last["size"], 1000 * last.s, memory, last.MB, steep))
    columns = [
        "stage",
        "grows with",
        "exponent",
        "largest",
        "ms",
        "exponent of MB",
        "MB",
        "steeper than linear",
    ]
    return pd.DataFrame(rows, columns=columns)


def _exponent(rows: pd.DataFrame, column: str) -> float:
    values = np.maximum(rows[column], 1e-9)
    return float(np.polyfit(np.log(rows["size"]), np.log(values), 1)[0])


def draw(table: pd.DataFrame, path: Path) -> None:
    """Time and memory over size, all relative to the largest, a line a stage and unit."""
    plt.rcParams.update(STYLE)
    figure, axes = plt.subplots(1, 2, figsize=(11.5, 4.4), sharey=True, layout="constrained")
    _curves(axes[0], table, "s", 0)
    _curves(axes[1], table, "MB", LITTLE_MB)
    axes[0].set(title="How time grows", ylabel="of the largest", ylim=(2e-3, 1.5))
    axes[1].set(title=f"How memory grows (where it takes {LITTLE_MB} MB or more)")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside right upper", fontsize=8)
    figure.savefig(path, dpi=130)
    plt.close(figure)


def _curves(ax: plt.Axes, table: pd.DataFrame, column: str, least: float) -> None:
    for i, ((stage, unit), group) in enumerate(table.groupby(["stage", "unit"], sort=False)):
        if not group[column].iloc[-1] >= least:
            continue
        style = ("-", "--", "-.")[i // len(COLORS)]
        marker = "osD^vPX*h"[i % 9]
        size, cost = group["size"] / group["size"].max(), group[column] / group[column].iloc[-1]
        ax.plot(
            size, cost, style, color=COLORS[i % len(COLORS)], marker=marker, ms=4, label=f"{stage}, {unit}"
        )
    ends = np.array([0.01, 1.0])
    ax.plot(ends, ends, color="#BBBBBB", lw=5, zorder=0, label="linear")
    ax.plot(ends, ends**2, ":", color="#888888", lw=2, zorder=0, label="quadratic")
    ax.set(xscale="log", yscale="log", xlabel="size, of the largest")
    sns.despine(ax=ax)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("outputs"))
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    table = measure()
    table.to_csv(options.out / "growth.csv", index=False)
    draw(table, options.out / "growth.png")
    print(slopes(table).to_string(index=False, float_format="{:.2f}".format))


if __name__ == "__main__":
    main()
