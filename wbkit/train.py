"""Training: the loss, one update, one epoch, a whole run.

The loss is MMPose's `KeypointMSELoss` with target weights; targets are made on the device from points.
One process or many: under `torchrun` the model is wrapped in PyTorch's DistributedDataParallel.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass, field
from itertools import islice
from statistics import fmean

import torch
import torch.distributed
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from torch.nn.utils import get_total_norm
from torch.utils.data import Dataset
from tqdm import tqdm

from wbkit.data import EpochSampler, make_loader
from wbkit.errors import InputError, memory_for
from wbkit.hardware import Hardware, rank_and_world
from wbkit.heatmaps import HeatmapCodec
from wbkit.memory import keep_freed_memory
from wbkit.predict import normalize
from wbkit.recipes import Recipe
from wbkit.runs import Interruption, Run, noted_interruption
from wbkit.schedules import fitted, learning_rate

LOG_EVERY = 20  # updates a row of metrics.csv
SAVE_SECONDS = 300  # what a kill may lose


def heatmap_loss(predicted: Tensor, target: Tensor, weights: Tensor) -> Tensor:
    """Mean over everything of weight x (predicted - target)^2.

    Args:
        predicted, target: (B, K, H, W).
        weights: (B, K), 0 for keypoints that have no label. The mean still counts their pixels.

    Returns:
        a scalar.
    """
    difference = (predicted - target).flatten(2)  # (B, K, HW)
    return (weights * torch.linalg.vecdot(difference, difference)).sum() / difference.numel()


def batch_loss(
    model: nn.Module, codec: HeatmapCodec, batch: dict, device: torch.device, bf16: bool = False
) -> Tensor:
    """Loss of one `collate`d batch; normalising and target making happen here, on `device`.

    With `bf16` the network runs in bfloat16 where autocast deems it safe; the loss is float32 all the same.
    """
    images = normalize(batch["crop"].to(device, non_blocking=True))  # (B, 3, H, W)
    target, weights = codec.encode(batch["keypoints"].to(device), batch["visible"].to(device))
    with torch.autocast(device.type, torch.bfloat16, enabled=bf16):
        predicted = model(images.contiguous(memory_format=torch.channels_last))  # (B, K, H/4, W/4)
    return heatmap_loss(predicted.float(), target, weights)


@dataclass
class Progress:
    """Where a run stands: `step` updates done, `best` validation AP so far, `losses` of this call.

    `validated` is the `step` of the last validation.
    """

    step: int = 0
    best: float = -1.0
    validated: int = 0
    losses: list[float] = field(default_factory=list)


def fit(
    model: nn.Module,
    recipe: Recipe,
    dataset: Dataset,
    *,
    hardware: Hardware | None = None,
    run: Run | None = None,
    validate: Callable[[nn.Module], dict[str, float]] | None = None,
    validate_every: int | None = None,
    save_every: int | None = None,
    minutes: float | None = None,
    shuffle: bool = True,
    progress: bool = True,
) -> list[float]:
    """Train for the recipe's epochs with its batch size, Adam, warm-up and milestones.

    Args:
        model: changed in place, left in train mode on the device.
        dataset: samples as `WholeBodyDataset` makes them, with its `seed` and `describe`.
        run: where to keep state and numbers; goes on from `run.state` if it has one.
        validate: model -> AP by part, called after every `validate_every`th epoch (None: the recipe's) and
            the last, in the first process; the one with the best "wholebody" (or else the best mean of the
            parts that it gives) is kept as best.safetensors.
        save_every: updates between two states; None: five minutes. One is also kept after every
            `validate_every`th epoch.
        minutes: stop after this time with the state kept, to go on later: for borrowed machines. None: never.
            `run.finished` says whether the last update was reached.
        shuffle: False keeps the dataset's order. For a handful of samples: the same ones then always share
            a batch, and BatchNorm learns from steady statistics. For `SyntheticPeople`: see there.
        progress: show a bar with loss, images a second and time to go.

    Returns:
        the loss of every update of this call, over all processes.

    Raises:
        InputError: the dataset is empty, a picture cannot be read (the state is saved first), a loss or
            gradient is not finite (the message lists the persons), or memory is out.
        KeyboardInterrupt: Ctrl-C or SIGTERM; one process alone finishes the update and keeps the state first.
    """
    if not len(dataset):
        raise InputError("there is nobody to train on", "Check that the annotations have labelled persons")
    loop = Loop(model, recipe, dataset, (hardware or Hardware()).resolved(), shuffle)
    loop.run, loop.save_every = None if loop.rank else run, save_every
    validate_every = validate_every or recipe.schedule.validate_every
    loop.deadline = None if minutes is None else time.monotonic() + 60 * minutes
    state = loop.restore(run.state) if run and run.state else Progress()
    done, total = state.step, recipe.schedule.epochs * loop.steps_per_epoch
    silent = not progress or loop.rank > 0
    bar = tqdm(total=total, initial=done, desc="train", unit="step", disable=silent)
    with bar, noted_interruption(loop.world == 1) as interruption:
        loop.interruption = interruption
        while True:
            if state.step and state.step % loop.steps_per_epoch == 0:  # finished just now, or before a kill
                loop.finish_epoch(state, validate, validate_every)
            if state.step == total:
                break
            if state.step > done and loop.time_is_up():
                loop.keep(state)
                break
            loop.train_one_epoch(state.step // loop.steps_per_epoch, state, bar)
    if loop.run:
        loop.run.finished = state.step == total
        loop.run.close()
    if loop.interruption.asked:
        raise KeyboardInterrupt
    model.train()
    return state.losses


class Loop:
    """What stays the same over a run: network, optimizer, samples, codec."""

    def __init__(self, model: nn.Module, recipe: Recipe, dataset: Dataset, hardware: Hardware, shuffle: bool):
        self.recipe, self.dataset, self.hardware = recipe, dataset, hardware
        self.rank, self.world = rank_and_world()
        batch = recipe.schedule.batch_size
        if batch % self.world:
            raise InputError(
                f"a batch of {batch} cannot be shared by {self.world} processes",
                f"Give a --batch-size that {self.world} divides",
            )
        self.share = batch // self.world  # samples of this process an update
        self.micro = min(hardware.micro_batch or self.share, self.share)
        if self.share % self.micro:
            raise InputError(
                f"micro-batches of {self.micro} do not make up {self.share}",
                f"Give a --micro-batch that divides {self.share}",
            )
        self.sampler = EpochSampler(len(dataset), dataset.seed, shuffle, self.rank, self.world)
        self.steps_per_epoch = math.ceil(len(self.sampler) / self.share)
        self.schedule = fitted(recipe.schedule, self.steps_per_epoch)
        self.codec = HeatmapCodec(**recipe.codec_settings())
        if hardware.sync_bn and self.world > 1 and hardware.device.type != "cuda":
            raise InputError("BatchNorm over all processes needs GPUs", "Leave out --sync-bn")
        if hardware.device.type == "cpu":
            keep_freed_memory()
        with memory_for("the network", "See what else takes the memory (of a GPU: nvidia-smi)"):
            self.model = model.to(hardware.device, memory_format=torch.channels_last)
            self.network = self._wrapped()
        self.optimizer = torch.optim.Adam(model.parameters(), lr=recipe.schedule.learning_rate, fused=True)
        self.loader = make_loader(dataset, self.micro, self.sampler, hardware.workers)
        self.run: Run | None = None  # where the first process keeps state and numbers
        self.deadline: float | None = None  # time.monotonic() after which to stop
        self.interruption = Interruption()
        self.save_every, self.kept = None, time.monotonic()

    def _wrapped(self) -> nn.Module:
        """The network as it is called: synchronised, compiled, shared between processes as asked."""
        network = self.model
        if self.hardware.sync_bn and self.world > 1:
            network = nn.SyncBatchNorm.convert_sync_batchnorm(network)
        if self.hardware.compile:
            network = torch.compile(network, dynamic=False)  # an epoch's last batch may be smaller
        if self.world > 1:
            ids = [self.hardware.device] if self.hardware.device.type == "cuda" else None
            network = DistributedDataParallel(network, device_ids=ids)
        return network

    def train_one_epoch(self, epoch: int, state: Progress, bar: tqdm) -> None:
        """The updates of one epoch that are still to be done, or those that the time allows."""
        self._train_mode()
        self.sampler.epoch = epoch
        self.sampler.start = (state.step - epoch * self.steps_per_epoch) * self.share
        for batches in self._updates(state):
            self._check_readable(batches, state)
            rate = learning_rate(state.step, self.steps_per_epoch, self.schedule)
            loss, norm = self.update(batches, rate)
            self._check_finite(loss, norm, batches, state.step)
            state.step += 1
            state.losses.append(loss)
            bar.update()
            speed = (bar.format_dict["rate"] or 0) * self.recipe.schedule.batch_size
            bar.set_postfix_str(f"loss {loss:.2e}, {speed:.1f} img/s", refresh=False)
            last = state.step % self.steps_per_epoch == 0  # of the epoch
            if self.run and (state.step % LOG_EVERY == 0 or last):
                told = {"epoch": epoch, "loss": loss, "gradient_norm": norm, "learning_rate": rate}
                self.run.log(state.step, **told, images_per_second=speed)
            if self._save_is_due(state.step):
                self.keep(state)
            if self.time_is_up() and state.step < (epoch + 1) * self.steps_per_epoch:
                self.keep(state)
                break

    def _train_mode(self) -> None:
        self.network.train()
        if self.hardware.freeze_bn:
            for module in self.network.modules():
                if isinstance(module, nn.modules.batchnorm._BatchNorm):
                    module.eval()

    def _updates(self, state: Progress) -> Iterator[list[dict]]:
        """The micro-batches of each update."""
        batches = iter(self.loader)
        while True:
            try:
                group = list(islice(batches, math.ceil(self.share / self.micro)))
            except RuntimeError as error:  # nothing is half done here
                self.keep(state)
                if self.interruption.asked:  # a cluster that stops a job stops the loader's processes, too
                    raise KeyboardInterrupt from error
                if not str(error).startswith("DataLoader worker (pid"):  # an error in one has its own words
                    raise
                problem = f"a process that makes samples has died ({str(error).splitlines()[0]})"
                remedy = (
                    "Memory may be short: give fewer --workers, in Docker a larger --shm-size; then --resume"
                )
                raise InputError(problem, remedy) from error
            if not group:
                return
            yield group

    def finish_epoch(
        self, state: Progress, validate: Callable[[nn.Module], dict[str, float]] | None, validate_every: int
    ) -> None:
        """In the first process: validate if that is due and not done; the state is kept before and after."""
        if self.rank:
            return
        epoch = state.step // self.steps_per_epoch
        due = epoch % validate_every == 0 or epoch == self.schedule.epochs
        if due:
            self.keep(state)
        if validate and due and state.validated < state.step and not self.interruption.asked:
            self.interruption.at_once = True
            self.validate(validate, state)
            self.interruption.at_once = False
            self.keep(state)

    def update(self, batches: list[dict], rate: float) -> tuple[float, float]:
        """One step of the optimizer on the sum of the micro-batches, if loss and gradient are finite.

        Returns:
            the mean loss before it, and the gradient's norm.
        """
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.optimizer.zero_grad(set_to_none=True)
        samples, total = sum(len(b["crop"]) for b in batches), 0.0
        remedy = "Give a smaller --micro-batch: the total batch stays, BatchNorm sees fewer at once"
        with memory_for(f"{self.micro} samples", remedy):
            for i, batch in enumerate(batches):
                waits = self.world > 1 and i + 1 < len(batches)  # gradients travel with the last one
                with self.network.no_sync() if waits else nullcontext():
                    loss = batch_loss(
                        self.network, self.codec, batch, self.hardware.device, self.hardware.bf16
                    ) * (len(batch["crop"]) / samples)
                    loss.backward()
                total += loss.item()
            norm = get_total_norm([p.grad for p in self.model.parameters() if p.grad is not None]).item()
            total = self._mean(total)
            if math.isfinite(total) and math.isfinite(norm):
                self.optimizer.step()
        return total, norm

    def _mean(self, loss: float) -> float:
        """Over all processes, so that each stops if one of them meets a loss that is not finite."""
        if self.world == 1:
            return loss
        shared = torch.tensor(loss, device=self.hardware.device)
        torch.distributed.all_reduce(shared)
        return shared.item() / self.world

    def time_is_up(self) -> bool:
        """Whether the deadline of any process has passed, or somebody pressed Ctrl-C."""
        if self.interruption.asked:
            return True
        return self.deadline is not None and self._anywhere(time.monotonic() > self.deadline)

    def _check_readable(self, batches: list[dict], state: Progress) -> None:
        """Stop at a picture that cannot be read, in all processes, with nothing lost."""
        failures = [failure for batch in batches for failure in batch["failures"]]
        if not self._anywhere(bool(failures)):
            return
        self.keep(state)
        problem = "another process met a picture that cannot be used"
        if failures:
            problem = f"{self.dataset.describe(failures[0][0])} cannot be used: {failures[0][1]}"
        remedy = "Mend or remove it; the state after {} updates is kept, --resume goes on from it"
        raise InputError(problem, remedy.format(state.step))

    def _anywhere(self, here: bool) -> bool:
        """Whether something is so in any of the processes, in each of which this is called."""
        if self.world == 1:
            return here
        shared = torch.tensor(float(here), device=self.hardware.device)
        torch.distributed.all_reduce(shared)
        return shared.item() > 0

    def _check_finite(self, loss: float, norm: float, batches: list[dict], step: int) -> None:
        if not (math.isfinite(loss) and math.isfinite(norm)):
            if self.run:
                self.run.close()  # the numbers on the way say when it began
            who = [self.dataset.describe(i) for batch in batches for i in batch["person"].tolist()]
            raise InputError(
                f"the loss of update {step + 1} is {loss}, the norm of its gradient {norm}; that update was "
                "left out, and a state that was saved is from before it",
                f"Look at these, or lower the learning rate: {', '.join(who)}",
            )

    def validate(self, validate: Callable[[nn.Module], dict[str, float]], state: Progress) -> None:
        """AP by part now; the best weights are kept."""
        from wbkit.checkpoints import save_pose_weights

        table = validate(self.model)
        parts = [ap for part, ap in table.items() if part != "hand" and ap == ap]  # those with labels
        score = table.get("wholebody", fmean(parts or [math.nan]))
        if self.run:
            self.run.log(state.step, **table)
        if score > state.best:  # False where there is none (NaN)
            state.best = score
            if self.run:
                save_pose_weights(self.model, self.run.folder / "best.safetensors", self.recipe.metadata())
        state.validated = state.step

    def keep(self, state: Progress) -> None:
        """Write the state, to go on from it."""
        if self.run:
            self.run.save(self.state(state))
            self.kept = time.monotonic()

    def _save_is_due(self, step: int) -> bool:
        if self.save_every:
            return step % self.save_every == 0
        return time.monotonic() - self.kept > SAVE_SECONDS

    def state(self, state: Progress) -> dict:
        """All that the next update depends on. Samples depend on seed and position only."""
        return {
            "state_dict": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "step": state.step,
            "best": state.best,
            "validated": state.validated,
            "torch_random": torch.get_rng_state(),
        }

    def restore(self, saved: dict) -> Progress:
        """Take over a state."""
        self.model.load_state_dict(saved["state_dict"])
        self.optimizer.load_state_dict(saved["optimizer"])
        torch.set_rng_state(saved["torch_random"])
        return Progress(saved["step"], saved["best"], saved["validated"])
