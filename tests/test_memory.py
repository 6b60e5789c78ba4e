"""Freed memory stays with the process, where the C library can do that."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

from wbkit.memory import keep_freed_memory

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


def test_other_c_libraries_are_left_alone(monkeypatch):
    monkeypatch.setattr("platform.libc_ver", lambda: ("", ""))
    monkeypatch.setattr("ctypes.CDLL", lambda name: pytest.fail("asked for a C library"))
    keep_freed_memory()
