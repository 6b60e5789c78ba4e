"""Training: the loss, one step, and a short fit.

The loss is MMPose's `KeypointMSELoss` with target weights; targets are made on the device from points.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.utils.data import Dataset
from tqdm import tqdm

from wbkit.data import EpochSampler, make_loader
from wbkit.errors import InputError
from wbkit.heatmaps import HeatmapCodec
from wbkit.predict import normalize
from wbkit.recipes import Recipe, Schedule


def heatmap_loss(predicted: Tensor, target: Tensor, weights: Tensor) -> Tensor:
    """Mean over everything of weight x (predicted - target)^2.

    Args:
        predicted, target: (B, K, H, W).
        weights: (B, K), 0 for keypoints that have no label. The mean still counts their pixels.

    Returns:
        a scalar.
    """
    return (weights[..., None, None] * (predicted - target) ** 2).mean()


def batch_loss(model: nn.Module, codec: HeatmapCodec, batch: dict, device: torch.device) -> Tensor:
    """Loss of one `collate`d batch; normalising and target making happen here, on `device`."""
    images = normalize(batch["crop"].to(device, non_blocking=True))  # (B, 3, H, W)
    target, weights = codec.encode(batch["keypoints"].to(device), batch["visible"].to(device))
    return heatmap_loss(model(images), target, weights)


def learning_rate(step: int, steps_per_epoch: int, schedule: Schedule) -> float:
    """Linear warm-up, then a drop by `gamma` after every milestone: the rate of update `step` (from 0).

    The warm-up is MMEngine's LinearLR: factor start + (1 - start) * step / (warmup_steps - 1).
    """
    rise = min(step / max(schedule.warmup_steps - 1, 1), 1.0)
    warmup = schedule.warmup_factor + (1 - schedule.warmup_factor) * rise
    drops = sum(step >= m * steps_per_epoch for m in schedule.milestones)
    return schedule.learning_rate * warmup * schedule.gamma**drops


def fit(
    model: nn.Module,
    recipe: Recipe,
    dataset: Dataset,
    *,
    device: torch.device | str = "cpu",
    workers: int = 0,
    shuffle: bool = True,
    progress: bool = True,
) -> list[float]:
    """Train for the recipe's epochs with its batch size, Adam, warm-up and milestones.

    Args:
        model: changed in place, left in train mode on `device`.
        dataset: samples as `WholeBodyDataset` makes them, with its `persons` and `seed`.
        shuffle: False keeps the dataset's order. For a handful of samples: the same ones then always share
            a batch, and BatchNorm learns from steady statistics.
        progress: show a bar with the loss.

    Returns:
        the loss of every update.

    Raises:
        InputError: the dataset is empty, or a loss is not finite (the message lists the persons' ids).
    """
    if not len(dataset):
        raise InputError("there is nobody to train on", "Check that the annotations have labelled persons")
    device, schedule = torch.device(device), recipe.schedule
    sampler = EpochSampler(len(dataset), dataset.seed, shuffle)
    loader = make_loader(dataset, schedule.batch_size, sampler, workers)
    codec = HeatmapCodec(**recipe.codec_settings())
    model.to(device).train()
    optimizer = torch.optim.Adam(model.parameters(), lr=schedule.learning_rate, fused=True)
    losses: list[float] = []
    with tqdm(total=schedule.epochs * len(loader), desc="fit", unit="step", disable=not progress) as bar:
        for sampler.epoch in range(schedule.epochs):
            for batch in loader:
                rate = learning_rate(len(losses), len(loader), schedule)
                losses.append(update(model, optimizer, codec, batch, rate))
                if not math.isfinite(losses[-1]):
                    ids = dataset.persons.ids[batch["person"].numpy()].tolist()
                    raise InputError(f"the loss of step {bar.n} is {losses[-1]}", f"Look at persons {ids}")
                bar.set_postfix(loss=f"{losses[-1]:.2e}", refresh=False)
                bar.update()
    return losses


def update(
    model: nn.Module, optimizer: torch.optim.Optimizer, codec: HeatmapCodec, batch: dict, rate: float
) -> float:
    """One step of the optimizer at the given learning rate; returns the loss before it."""
    for group in optimizer.param_groups:
        group["lr"] = rate
    loss = batch_loss(model, codec, batch, next(model.parameters()).device)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.item()
