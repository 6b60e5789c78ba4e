"""Samples in batches: the order of an epoch, workers, tensors.

Workers hand over uint8 crops and points; normalising and target making happen per batch on the device.
"""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset, Sampler


def collate(samples: list[dict]) -> dict:
    """Samples -> a batch of tensors with a leading axis B.

    Samples of unreadable pictures are taken out of the tensors and listed in `failures`, pairs of the
    person's index and the message; the rest may be empty (B = 0: the tensors are then missing).
    """
    failures = [(s["person"], s["failure"]) for s in samples if "failure" in s]
    good = [s for s in samples if "failure" not in s]
    batch = {key: torch.from_numpy(np.stack([s[key] for s in good])) for key in (good[0] if good else ())}
    return {**batch, "failures": failures}


class EpochSampler(Sampler):
    """Sample keys `epoch * n + i` in an order that depends on (seed, epoch) only.

    Args:
        n: samples an epoch.
        seed: of the order.
        shuffle: False: 0 ... n - 1.
        rank, world: of several processes, each takes every world-th key, or without shuffling a block of
            keys in a row (which `SyntheticPeople` needs). All get equally many: the first keys of the epoch
            come again at its end where n is no multiple of `world`.

    Attributes:
        epoch: set it before iterating.
        start: how many of its own keys to leave out, to go on in the middle of an epoch.
    """

    def __init__(self, n: int, seed: int = 0, shuffle: bool = True, rank: int = 0, world: int = 1):
        self.n, self.seed, self.shuffle, self.rank, self.world = n, seed, shuffle, rank, world
        self.epoch = self.start = 0

    def __iter__(self) -> Iterator[int]:
        dice = np.random.default_rng([self.seed, self.epoch])
        order = dice.permutation(self.n) if self.shuffle else np.arange(self.n)
        order = np.resize(order, len(self) * self.world)
        own = order[self.rank :: self.world] if self.shuffle else np.split(order, self.world)[self.rank]
        return iter((self.epoch * self.n + own[self.start :]).tolist())

    def __len__(self) -> int:
        return -(-self.n // self.world)


def _start_worker(worker: int) -> None:
    cv2.setNumThreads(0)  # a worker is one thread; OpenCV's own pool would compete with its siblings


def make_loader(
    dataset: Dataset, batch_size: int, sampler: Sampler | None = None, workers: int = 0
) -> DataLoader:
    """A DataLoader of `collate`d batches; without a sampler in order, for testing."""
    return DataLoader(
        dataset,
        batch_size=batch_size,
        sampler=sampler,
        num_workers=workers,
        collate_fn=collate,
        worker_init_fn=_start_worker,
        persistent_workers=workers > 0,
        pin_memory=torch.cuda.is_available(),
    )
