"""Keep freed memory with the process: on CPUs a network else spends much of its time on fresh pages."""

from __future__ import annotations

import ctypes
import platform

_TRIM_THRESHOLD, _MMAP_MAX = -1, -4  # numbers of glibc's malloc.h


def keep_freed_memory() -> None:
    """Tell the C library to reuse the memory of large freed arrays instead of handing it back at once.

    glibc gives an array of some MB pages of its own and returns them with it; the kernel has to clear new
    ones for the next array. A network's activations are such arrays, layer after layer. Afterwards the
    process stays as large as it once was. It works in the main thread, and in others for arrays of up to
    64 MB. Nothing happens where the C library is another one.
    """
    if platform.libc_ver()[0] == "glibc":
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(_MMAP_MAX, 0)
        mallopt(_TRIM_THRESHOLD, -1)  # as unsigned: never
