"""Freed memory stays with the process, where the C library can do that."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest
import torch

from wbkit.memory import keep_freed_memory
from wbkit.predict import Predictor

COUNT = """
import resource, sys, torch
if sys.argv[1] == "keep":
    from wbkit.memory import keep_freed_memory
    keep_freed_memory()
for _ in range(20):  # the heap first grows a little: room for alignment beside each array
    torch.ones(16 << 20)  # 64 MB
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(10):
    torch.ones(16 << 20)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def page_faults(how: str) -> int:
    done = subprocess.run([sys.executable, "-c", COUNT, how], capture_output=True, text=True, check=True)
    return int(done.stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc's malloc can be told so")
def test_large_arrays_get_the_pages_of_freed_ones():
    assert page_faults("keep") < 0.1 * page_faults("as it is")


def test_predicting_on_a_cpu_asks_for_it(monkeypatch):
    asked = []
    monkeypatch.setattr("wbkit.predict.keep_freed_memory", lambda: asked.append(True))
    Predictor(torch.nn.Conv2d(3, 133, 1), "tiny", device="meta")
    assert not asked
    Predictor(torch.nn.Conv2d(3, 133, 1), "tiny", device="cpu")
    assert asked


def test_other_c_libraries_are_left_alone(monkeypatch):
    monkeypatch.setattr("platform.libc_ver", lambda: ("", ""))
    monkeypatch.setattr("ctypes.CDLL", lambda name: pytest.fail("asked for a C library"))
    keep_freed_memory()
