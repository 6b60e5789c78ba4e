"""Speed and memory of the synthetic people: pictures a second over all workers, peak memory of each.

python -m benchmarks.bench_synth [--pictures 120] [--workers 2]
"""

from __future__ import annotations

import argparse
import multiprocessing
import time

import cv2

from benchmarks.worker import peak_mb
from wbkit.synth.write import make_picture


def _render(index: int) -> tuple[float, float]:
    """Render one picture of 1-3 people at 384 x 512: seconds of CPU time, peak memory in MB."""
    cv2.setNumThreads(1)
    start = time.process_time()
    make_picture(0, index, (384, 512), persons=(1, 1, 2, 2, 3)[index % 5])
    return time.process_time() - start, peak_mb()


def measure(pictures: int = 120, workers: int = 2) -> str:
    """Render pictures in processes, as `wbkit synth` does; says how fast and with how much memory."""
    with multiprocessing.get_context("spawn").Pool(workers) as pool:
        pool.map(_render, range(4 * workers), chunksize=1)  # compiles, loads textures
        start = time.perf_counter()
        measured = pool.map(_render, range(pictures), chunksize=2)
        seconds = time.perf_counter() - start
    cpu = sum(t for t, _ in measured) / pictures
    return (
        f"synthetic people, 1-3 in 384x512 px: {pictures / seconds:.1f} pictures/s on {workers} workers, "
        f"{1000 * cpu:.0f} ms of CPU a picture, {max(m for _, m in measured):.0f} MB a worker at most"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pictures", type=int, default=120)
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    print(measure(options.pictures, options.workers))


if __name__ == "__main__":
    main()
