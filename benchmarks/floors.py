"""What the hardware needs at least: multiplications at the measured speed of large matrix products."""

from __future__ import annotations

import time

import torch


def matmul_ms(dtype: torch.dtype, n: int = 2048) -> float:
    """Least time of a billion multiply-adds in an n x n product of that type, ms."""
    a = torch.randn(n, n).to(dtype)
    times = []
    with torch.inference_mode():
        for _ in range(20):
            start = time.perf_counter()
            a @ a
            times.append(time.perf_counter() - start)
    return 1e3 * min(times) * 1e9 / n**3
