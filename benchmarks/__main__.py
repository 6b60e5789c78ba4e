"""`python -m benchmarks`: what each step costs here beside MMPose 1.3.2, xtcocotools and hotcoco.

Both sides solve the same problems in processes of their own, in turn, on an otherwise idle machine. Their
answers are compared before anything is timed. Times are medians in milliseconds; machines differ, so read
the ratios. "floor" is what the hardware needs for the bytes or multiplications alone, measured here.

make bench                      everything (about ten minutes, plus the peers' installation once)
python -m benchmarks --only decode forward
python -m benchmarks --no-peers --pictures 500
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from tqdm import tqdm

from benchmarks import peer_env, problems, shift
from benchmarks.floors import matmul_ms
from benchmarks.worker import Worker
from wbkit.files import atomic_write

GMAC = 7.656  # of W32 at 256x192 with 133 outputs


@dataclass(frozen=True)
class Row:
    """One line of the table.

    Attributes:
        what: in words.
        task: of `benchmarks.ours`.
        peer: of `benchmarks.peers`; "=": the same name.
        target: how many times faster wbkit must be, or None.
        tolerance: largest difference of the answers, relative to the peer's largest value; None: they are
            not the same numbers (said in `remark`).
        floor: another task of ours, or (images, type) of a forward pass of W32, or None.
        rounds: peer and we in turn, so often; neighbouring rows with the same peer share its rounds.
        remark: printed below the table.
    """

    what: str
    task: str
    peer: str
    target: float | None
    tolerance: float | None = 1e-6
    floor: str | tuple[float, torch.dtype] | None = None
    rounds: int = 5
    remark: str = ""

    @property
    def peer_task(self) -> str:
        """Of `benchmarks.peers`."""
        return self.task if self.peer == "=" else self.peer


FP32, BF16 = torch.float32, torch.bfloat16
MEMORY = ["peer MB", "wbkit MB"]
REMARKS = {
    "bf16": "bfloat16: beside the peer in float32; heatmaps within 5 % of the largest value",
    "step": "training in bfloat16: beside the peer in float32; the loss of the first step is compared to 2 %",
    "hotcoco": "hotcoco follows pycocotools' rules, which differ for people without labels: not compared",
    "sample": "MMPose's workers also make the targets, ours the device; crops without dice are compared",
    "once": "evaluation rows: the peer once (it takes minutes), wbkit thrice; the others: medians of several",
}
ROWS = (
    Row("encode, 32 people, 48x64", "encode 48x64 x 32", "=", 20, 1e-5, "write 48x64 x 32"),
    Row("encode, one person", "encode 48x64 x 1", "=", 10, 1e-5, None, 20),
    Row("DARK decode, 32 people, 48x64", "decode 48x64 x 32", "=", 25, 1e-4, "read 48x64 x 32"),
    Row("DARK decode, 32 people, 72x96", "decode 72x96 x 32", "=", 20, 1e-4, "read 72x96 x 32"),
    Row("DARK decode, one person", "decode 48x64 x 1", "=", 10, 1e-4, None, 20),
    Row("training sample from JPEG, a core", "sample", "=", 2, 0, None, 30, REMARKS["sample"]),
    Row("W32 forward, batch 8, fp32", "forward", "=", 1.15, 1e-5, (8, FP32), 9),
    Row("  compiled", "forward, compiled", "forward", 1.35, 1e-5, (8, FP32), 9),
    Row("  bf16", "forward, bf16", "forward", 3.5, 0.05, (8, BF16), 9, REMARKS["bf16"]),
    Row("  bf16 compiled", "forward, bf16 compiled", "forward", 5, 0.05, (8, BF16), 9, REMARKS["bf16"]),
    Row("one person: flip test and decode, fp32", "person", "=", 1.2, 1e-5, (2, FP32), 9),
    Row("  bf16", "person, bf16", "person", None, 0.05, (2, BF16), 9, REMARKS["bf16"]),
    Row("  bf16 compiled", "person, bf16 compiled", "person", 3, 0.05, (2, BF16), 9, REMARKS["bf16"]),
    Row("W32 training step, batch 8, fp32", "train step", "=", None, 1e-4, (24, FP32), 7),
    Row("  bf16", "train step, bf16", "train step", 2.2, 0.02, (24, BF16), 7, REMARKS["step"]),
    Row("rescore, NMS, six parts", "evaluate", "=", 10, 1e-9, None, 1, REMARKS["once"]),
    Row("six parts alone, beside xtcocotools", "parts", "=", 1, 1e-9, None, 1),
    Row("six parts alone, beside hotcoco", "parts", "parts, hotcoco", 1, None, None, 1, REMARKS["hotcoco"]),
    Row("annotation file, second time", "load", "=", 20, 0, None, 3),
)


def measure(group: Sequence[Row], folder: Path, peer_python: Path | None, floors: dict) -> list[dict]:
    """Rows beside the same peer: compare, then time all of them in turn, so that each meets the same peer.

    A round times each side three times, but a peer that takes minutes (rows of one round) once. All processes
    are held at once.
    """
    times: list[list[float]] = [[] for _ in group]
    peer_times: list[float] = []
    with ExitStack() as opened:
        ours = [opened.enter_context(closing(_ours(folder, row.task))) for row in group]
        peer = Worker(peer_python, "benchmarks.peers", folder, group[0].peer_task) if peer_python else None
        if peer:
            opened.enter_context(closing(peer))
        for row, worker in zip(group, ours, strict=True):
            if peer and row.tolerance is not None:
                compare(row, worker.answer, peer.answer)
            worker.time(1)  # warm
        rounds = max(row.rounds for row in group)
        if peer and rounds > 1:
            peer.time(1)
        for _ in range(rounds):
            peer_times += peer.time(3 if rounds > 1 else 1) if peer else []
            for found, worker in zip(times, ours, strict=True):
                found += worker.time(3)
        beside = {"peer": statistics.median(peer_times), "peer MB": peer.peak_mb} if peer else {}
        memory = [worker.peak_mb for worker in ours]
    return [
        {"what": row.what, "wbkit": statistics.median(found), "wbkit MB": mb, "target": row.target}
        | beside
        | {"floor": floor_ms(row, folder, floors)}
        for row, found, mb in zip(group, times, memory, strict=True)
    ]


def _ours(folder: Path, task: str) -> Worker:
    return Worker(sys.executable, "benchmarks.ours", folder, task)


def compare(row: Row, ours: np.ndarray, peer: np.ndarray) -> None:
    """Stop where the two sides do not compute the same."""
    if ours.shape != peer.shape:
        raise SystemExit(f"{row.what}: answers of shapes {ours.shape} and {peer.shape}")
    difference = np.abs(ours.astype(np.float64) - peer).max() / max(np.abs(peer).max(), 1e-30)
    if not difference <= row.tolerance:
        raise SystemExit(f"{row.what}: the answers differ by {difference:.1e} of the largest value")


def floor_ms(row: Row, folder: Path, known: dict) -> float | None:
    """The hardware's share: the least of several measurements, made once for each task or type."""
    if row.floor is None:
        return None
    images, what = (1, row.floor) if isinstance(row.floor, str) else row.floor
    if what not in known:
        if isinstance(what, str):
            worker = _ours(folder, what)
            known[what] = min(worker.time(9))
            worker.close()
        else:
            known[what] = GMAC * matmul_ms(what)
    return images * known[what]


def as_table(rows: list[dict]) -> pd.DataFrame:
    """Times and ratios; "at the floor": how many times the peer's speed wbkit's would be, were it there."""
    table = (
        pd.DataFrame(rows).set_index("what").reindex(columns=["peer", "wbkit", "target", "floor", *MEMORY])
    )
    table["times faster"] = table.peer / table.wbkit
    table["times the floor"] = table.wbkit / table.floor.astype(float)
    table["at the floor"] = table.peer / table.floor.astype(float)
    reached = np.where(table["times faster"] >= table.target, "yes", "no")
    table["reached"] = np.where(table.target.isna() | table.peer.isna(), "", reached)
    times = ["peer", "wbkit", "times faster", "target", "reached", "floor", "times the floor", "at the floor"]
    return table[[*times, *MEMORY]]


def build_parser() -> argparse.ArgumentParser:
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser("python -m benchmarks", description=__doc__, formatter_class=raw)
    parser.add_argument(
        "--only", nargs="+", metavar="WORD", help="rows whose text or tasks hold one of these"
    )
    parser.add_argument(
        "--pictures", type=int, default=5000, metavar="N", help="of the evaluation (default: %(default)s)"
    )
    parser.add_argument("--no-peers", action="store_true", help="our half only")
    parser.add_argument("--out", type=Path, default=Path("outputs/benchmark.json"), metavar="FILE")
    return parser


def chosen(words: list[str] | None) -> list[Row]:
    """The rows to measure."""
    return [r for r in ROWS if not words or any(w in f"{r.what} {r.task} {r.peer}" for w in words)]


def remarks(rows: Sequence[Row]) -> str:
    """What must be known to read these rows, as a list."""
    return "\n".join(f"- {remark}" for remark in sorted({r.remark for r in rows} - {""}))


def run(rows: Sequence[Row], pictures: int, peers: bool) -> dict:
    """Measure and print the rows; machine and rows, as they are written."""
    peer_python, floors = peer_env.ready() if peers else None, {}
    with tempfile.TemporaryDirectory() as name:
        problems.write_all(Path(name), pictures)
        found = []
        with tqdm(total=len(rows), desc="benchmark", unit="row") as bar:
            for _, group in groupby(rows, key=lambda row: row.peer_task):
                found += measure(list(group), Path(name), peer_python, floors)
                bar.update(len(found) - bar.n)
    machine = {"cores": os.cpu_count(), "processor": processor(), "torch": torch.__version__}
    table = as_table(found).to_string(float_format="{:.2f}".format, na_rep="-")
    print(f"{', '.join(f'{k}: {v}' for k, v in machine.items())}; medians in ms\n{table}")
    print(remarks(rows))
    return {**machine, "pictures": pictures, "rows": found}


def main() -> None:
    options = build_parser().parse_args()
    rows = chosen(options.only)
    content = run(rows, options.pictures, not options.no_peers)
    if any(row.remark == REMARKS["bf16"] for row in rows):
        content["keypoint_shift"] = shift.keypoint_shift()
        print(shift.in_words(content["keypoint_shift"]))
    with atomic_write(options.out) as temporary:
        temporary.write_text(json.dumps(content, indent=1))
    print(f"Written: {options.out}")


def processor() -> str:
    """Its name, as Linux tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":")[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.machine()


if __name__ == "__main__":
    main()
