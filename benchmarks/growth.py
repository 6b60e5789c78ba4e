"""How each stage's time grows with its size: python -m benchmarks.growth [--out FOLDER].

A straight line of slope 1 on both logarithmic axes is linear growth. The slope is fitted to the upper half
of the sizes, where fixed costs no longer count; more than 1.15 is named.
"""

from __future__ import annotations

import argparse
import statistics
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
from wbkit.annotations import Results
from wbkit.evaluate import per_part_table
from wbkit.failures import analyse, keypoint_table
from wbkit.heatmaps import HeatmapCodec
from wbkit.lesson import STYLE
from wbkit.nms import oks_nms

STEEP = 1.15
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


def one_picture(detections: int) -> Results:
    """All in one picture, mostly apart: what suppression compares pair by pair."""
    rng = np.random.default_rng(0)
    return rng.uniform(0, 4000, (detections, 1, 2)) + rng.uniform(0, 200, (detections, 133, 2))


def measure() -> pd.DataFrame:
    """One row a stage and size."""
    found = []

    def add(stage: str, unit: str, sizes, make: Callable[[int], Callable[[], object]], repeats: int = 5):
        rows = ((size, seconds(make(size), repeats)) for size in sizes)
        found.extend({"stage": stage, "unit": unit, "size": size, "s": s} for size, s in rows)

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
    """Exponent of growth of each stage over the upper half of its sizes."""
    rows = []
    for (stage, unit), group in table.groupby(["stage", "unit"], sort=False):
        upper = group.iloc[len(group) // 2 - 1 :]
        exponent = np.polyfit(np.log(upper["size"]), np.log(upper.s), 1)[0]
        last = group.iloc[-1]
        rows.append((stage, unit, exponent, last["size"], 1000 * last.s, exponent > STEEP))
    return pd.DataFrame(
        rows, columns=["stage", "grows with", "exponent", "largest", "ms", "steeper than linear"]
    )


def draw(table: pd.DataFrame, path: Path) -> None:
    """Time over size, relative to the largest, a line a stage and unit."""
    plt.rcParams.update(STYLE)
    ax = plt.subplots(figsize=(7.2, 4.6))[1]
    groups = table.groupby(["stage", "unit"], sort=False)
    for i, ((stage, unit), group) in enumerate(groups):
        style = ("-", "--", "-.")[i // len(COLORS)]
        marker = "osD^vPX*h"[i % 9]
        size, s = group["size"] / group["size"].max(), group.s / group.s.iloc[-1]
        ax.plot(size, s, style, color=COLORS[i % len(COLORS)], marker=marker, ms=4, label=f"{stage}, {unit}")
    ends = np.array([0.01, 1.0])
    ax.plot(ends, ends, color="#BBBBBB", lw=5, zorder=0, label="linear")
    ax.plot(ends, ends**2, ":", color="#888888", lw=2, zorder=0, label="quadratic")
    ax.set(
        xscale="log",
        yscale="log",
        xlabel="size, of the largest",
        ylabel="time, of the largest",
        ylim=(2e-3, 1.5),
    )
    ax.set_title("How time grows")
    ax.legend(fontsize=8, loc="upper left", bbox_to_anchor=(1, 1))
    sns.despine(ax=ax)
    ax.figure.savefig(path, dpi=130)
    plt.close(ax.figure)


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
