"""One side's process for one task: it computes the answer, then times itself as often as asked.

Both sides run through here, each in its own Python, so that memory and threads are counted alike.
Standard library and NumPy only: the peers' environment has no wbkit.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent


def serve(tasks: dict[str, Callable[[Path], Callable[[], np.ndarray]]], folder: Path, task: str) -> None:
    """Set the task up, save its answer beside the problems, then time n calls for every n that comes in."""
    out = sys.stdout
    with open(os.devnull, "w") as quiet, contextlib.redirect_stdout(quiet):
        run = tasks[task](folder)
        answer = folder / f"answer.{os.getpid()}.npy"
        np.save(answer, run())
        print(json.dumps({"answer": str(answer)}), file=out, flush=True)
        for line in sys.stdin:
            times = []
            for _ in range(int(line)):
                start = time.perf_counter()
                run()
                times.append(1000 * (time.perf_counter() - start))
            print(json.dumps({"ms": times, "peak_mb": peak_mb()}), file=out, flush=True)


def peak_mb() -> float:
    """The process's peak memory so far, MB.

    Linux tells it; `getrusage`, used elsewhere, would count what the parent held when this process began.
    """
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
        return int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) / 1024
    except (OSError, StopIteration):
        import resource  # Windows has none

        unit = 2**20 if sys.platform == "darwin" else 2**10  # bytes on a Mac, kB elsewhere
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


class Worker:
    """The other end: `answer` at the start, then `time(n)` -> n times in ms; `peak_mb` so far."""

    def __init__(self, python: str | Path, module: str, folder: Path, task: str):
        self.task = f"{module} {task}"
        self.told = Path(folder) / f"{module} {task}.txt"  # a pipe that nobody reads would fill up and block
        with self.told.open("w") as errors:
            self.process = subprocess.Popen(
                [str(python), "-m", module, str(folder), task],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                cwd=ROOT,
                env=os.environ | {"OMP_WAIT_POLICY": "passive"},  # none that spin beside the other side
            )
        self.answer = np.load(self._reply()["answer"])
        self.peak_mb = 0.0

    def _reply(self) -> dict:
        line = self.process.stdout.readline()
        if not line:
            self.close()
            raise RuntimeError(f"{self.task} ended: {self.told.read_text().strip()[-2000:]}")
        return json.loads(line)

    def time(self, repeats: int) -> list[float]:
        self.process.stdin.write(f"{repeats}\n")
        self.process.stdin.flush()
        reply = self._reply()
        self.peak_mb = reply["peak_mb"]
        return reply["ms"]

    def close(self) -> None:
        self.process.communicate()
