"""The learning rate of every update, and schedules for other batches and very small runs."""

from __future__ import annotations

from dataclasses import replace

from wbkit.recipes import Schedule


def learning_rate(step: int, steps_per_epoch: int, schedule: Schedule) -> float:
    """The rate of update `step` (from 0): linear warm-up, then drops at milestones or a line to 0.

    The warm-up is MMEngine's LinearLR: factor start + (1 - start) * step / (warmup_steps - 1).
    """
    rise = min(step / (schedule.warmup_steps - 1), 1.0) if schedule.warmup_steps > 1 else 1.0
    warmup = schedule.warmup_factor + (1 - schedule.warmup_factor) * rise
    if schedule.to_zero:
        return schedule.learning_rate * warmup * (1 - step / (schedule.epochs * steps_per_epoch))
    drops = sum(step >= m * steps_per_epoch for m in schedule.milestones)
    return schedule.learning_rate * warmup * schedule.gamma**drops


def fitted(schedule: Schedule, steps_per_epoch: int) -> Schedule:
    """The schedule with a warm-up of at most half of all updates, for very small runs."""
    return replace(schedule, warmup_steps=min(schedule.warmup_steps, schedule.epochs * steps_per_epoch // 2))


def with_batch(schedule: Schedule, batch_size: int) -> Schedule:
    """The schedule for another total batch: the learning rate grows in proportion (Goyal et al. 2017)."""
    rate = schedule.learning_rate * batch_size / schedule.batch_size
    return replace(schedule, batch_size=batch_size, learning_rate=rate)
