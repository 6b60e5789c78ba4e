"""What training computes on: device, precision, and the processes that share one run under torchrun."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta

import torch
import torch.distributed

from wbkit.errors import InputError


@dataclass(frozen=True)
class Hardware:
    """How to compute, which a recipe leaves open.

    Device, workers, precision and compiling change results by rounding only. Micro-batches, `sync_bn` and
    `freeze_bn` also change over which samples BatchNorm takes its statistics. On a GPU two runs of one seed
    differ in the last digits, since its sums come in no fixed order.

    Attributes:
        device: None: a GPU if there is one (under torchrun this process's own).
        workers: processes that make samples, a process of training.
        micro_batch: samples a forward pass; gradients are added up to the recipe's batch. None: all of this
            process's share at once.
        bf16: None: where `has_bf16`.
        compile: `torch.compile` the network.
        sync_bn: BatchNorm over all processes' samples (GPUs only); otherwise each uses its own.
        freeze_bn: BatchNorm keeps its running statistics: for fine-tuning with very small batches.
    """

    device: torch.device | str | None = None
    workers: int = 0
    micro_batch: int | None = None
    bf16: bool | None = None
    compile: bool = False
    sync_bn: bool = False
    freeze_bn: bool = False

    def resolved(self) -> Hardware:
        """With device and bf16 decided; a GPU is then the current one.

        Raises:
            InputError: torch does not have that device.
        """
        device = checked_device(self.device or default_device())
        if device.type == "cuda" and device.index is not None:
            torch.cuda.set_device(device)
        return replace(self, device=device, bf16=has_bf16(device) if self.bf16 is None else self.bf16)


def default_device() -> str:
    """A GPU if there is one; under torchrun each process takes its own."""
    if not torch.cuda.is_available():
        return "cpu"
    return f"cuda:{torch.distributed.get_node_local_rank(0)}" if in_group() else "cuda"


def checked_device(device: torch.device | str) -> torch.device:
    """The device, if torch has it.

    Raises:
        InputError: it does not.
    """
    try:
        torch.empty(1, device=device)
        return torch.device(device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"device {str(device)!r} cannot be used ({reason})", "Try --device cpu") from error


def has_bf16(device: torch.device) -> bool:
    """Whether bfloat16 is faster than float32 there: GPUs since Ampere, CPUs with AMX or AVX512-BF16."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    tests = ("_is_amx_tile_supported", "_is_avx512_bf16_supported")
    return device.type == "cpu" and any(getattr(torch.cpu, t, lambda: False)() for t in tests)


@contextmanager
def process_group(device: str | None) -> Iterator[None]:
    """Under torchrun: join the other processes, leave them at the end. Otherwise nothing."""
    shared = int(os.environ.get("WORLD_SIZE", "1")) > 1
    gpu = torch.cuda.is_available() and not str(device or "").startswith("cpu")
    if shared and gpu:  # "cuda" without a number then means this process's own
        rank, there = int(os.environ["LOCAL_RANK"]), torch.cuda.device_count()
        if rank >= there:
            remedy = f"Give torchrun --nproc-per-node {there}, or train with --device cpu"
            raise InputError(f"more processes than GPUs on this machine, of which it has {there}", remedy)
        torch.cuda.set_device(rank)
    if shared:  # the others wait while the first one validates: ten minutes, the default, may be too few
        torch.distributed.init_process_group("nccl" if gpu else "gloo", timeout=timedelta(hours=2))
    yield
    if shared:  # not after an error: the others may wait for us, and torchrun ends them
        torch.distributed.destroy_process_group()


def in_group() -> bool:
    """Whether several processes train together."""
    return torch.distributed.is_available() and torch.distributed.is_initialized()


def as_first_says(value: bool) -> bool:
    """The first process's value, in all of them."""
    told = [value]
    if in_group():
        torch.distributed.broadcast_object_list(told)
    return told[0]


def rank_and_world() -> tuple[int, int]:
    """This process's number and how many there are."""
    return (torch.distributed.get_rank(), torch.distributed.get_world_size()) if in_group() else (0, 1)
