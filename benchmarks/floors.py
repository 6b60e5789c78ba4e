"""What the hardware needs at least: multiplications at the measured speed of large matrix products."""

from __future__ import annotations

import statistics
import time

import torch


def matmul_ms(gmac: float, dtype: torch.dtype, n: int = 2048) -> float:
    """Time of so many billion multiply-adds at the speed of an n x n product of that type, ms."""
    a = torch.randn(n, n).to(dtype)
    times = []
    with torch.inference_mode():
        for _ in range(7):
            start = time.perf_counter()
            a @ a
            times.append(time.perf_counter() - start)
    return 1e3 * statistics.median(times[2:]) * gmac * 1e9 / n**3
