"""wbkit.train: schedules by hand, gradient accumulation, kill and resume bit for bit, two processes."""

import csv
import json
import math
import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch.utils.data import Dataset

from wbkit.checkpoints import save_pose_weights
from wbkit.cli import build_parser, main
from wbkit.commands import train as train_command
from wbkit.commands.models import load_predictor
from wbkit.commands.train import training_samples
from wbkit.data import SyntheticPeople, make_loader
from wbkit.download import hash_in_name
from wbkit.errors import InputError
from wbkit.hardware import Hardware
from wbkit.hrnet import PoseNet
from wbkit.keypoints import FLIP_INDICES
from wbkit.recipes import RECIPES, Schedule, W32_DARK_256x192, W48_DARK_PLUS_384x288
from wbkit.runs import Run, identity, noted_interruption
from wbkit.schedules import fitted, learning_rate, with_batch
from wbkit.train import Loop, Progress, fit

pytestmark = pytest.mark.usefixtures("one_thread")

SMALL = replace(
    RECIPES["tiny"],
    width=8,
    input_size=(64, 64),
    heatmap_size=(16, 16),
    schedule=Schedule(4, 1e-3, epochs=2, warmup_steps=3, milestones=(1,), validate_every=1),
)
GENTLE = replace(SMALL, schedule=replace(SMALL.schedule, learning_rate=1e-5))
CPU = Hardware("cpu", bf16=False)


class Blobs(Dataset):
    """Samples made from their keys: noise with a bright square where the keypoints are."""

    seed = 5

    def __init__(self, length: int = 10, stop_at: int | None = None):
        self.length, self.stop_at, self.asked = length, stop_at, 0

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, key: int) -> dict:
        self.asked += 1
        if self.asked == self.stop_at:
            raise KeyboardInterrupt
        rng = np.random.default_rng(key)
        crop = rng.integers(0, 100, (64, 64, 3), dtype=np.uint8)
        x, y = rng.integers(8, 56, 2)
        crop[y - 4 : y + 4, x - 4 : x + 4] = 255
        points = np.tile(np.float32([x, y]), (133, 1))
        return {
            "person": key % self.length,
            "crop": crop,
            "keypoints": points,
            "visible": np.ones(133, np.float32),
            "matrix": np.eye(2, 3),
        }

    def describe(self, index: int) -> str:
        return f"blob {index}"


def small_model(seed: int = 0) -> PoseNet:
    torch.manual_seed(seed)
    return PoseNet(SMALL.width)


def told() -> dict:
    return identity(SMALL, 10, 5, 4)


def assert_same_weights(a: torch.nn.Module, b: torch.nn.Module) -> None:
    other = b.state_dict()
    for name, value in a.state_dict().items():
        assert torch.equal(value, other[name]), name


# Schedules


def test_learning_rate_by_hand():
    schedule = Schedule(learning_rate=1.0, warmup_steps=5, warmup_factor=0.2, milestones=(2, 3))
    rates = [learning_rate(step, 4, schedule) for step in range(14)]
    assert rates == pytest.approx([0.2, 0.4, 0.6, 0.8, *[1.0] * 4, *[0.1] * 4, *[0.01] * 2])


def test_learning_rate_in_a_line_to_zero():
    schedule = Schedule(learning_rate=2.0, warmup_steps=2, warmup_factor=0.5, epochs=2, to_zero=True)
    rates = [learning_rate(step, 4, schedule) for step in range(9)]
    assert rates == pytest.approx([1.0, 1.75, 1.5, 1.25, 1.0, 0.75, 0.5, 0.25, 0.0])


@pytest.mark.parametrize(
    ("recipe", "gpus", "each"), [(W32_DARK_256x192, 8, 64), (W48_DARK_PLUS_384x288, 8, 32)]
)
def test_total_batches_of_the_published_recipes(recipe, gpus, each):
    assert recipe.schedule.batch_size == gpus * each
    assert with_batch(recipe.schedule, each).learning_rate == pytest.approx(5e-4 / 8)


# One process


def test_loss_falls(monkeypatch):
    kept = []
    monkeypatch.setattr("wbkit.train.keep_freed_memory", lambda: kept.append(True))
    schedule = replace(SMALL.schedule, epochs=12, milestones=(), warmup_steps=1, learning_rate=3e-3)
    losses = fit(small_model(), replace(SMALL, schedule=schedule), Blobs(8), hardware=CPU, progress=False)
    assert len(losses) == 24
    assert np.mean(losses[-4:]) < 0.6 * np.mean(losses[:2])
    assert kept == [True]  # on a CPU; see `wbkit.memory`


def test_micro_batches_add_up_to_the_batch():
    """BatchNorm aside (frozen here), gradients of 2 + 2 samples are those of 4."""
    runs = {}
    for micro in (4, 2, 1):
        hardware = replace(CPU, micro_batch=micro, freeze_bn=True)
        runs[micro] = fit(calibrated(), GENTLE, Blobs(), hardware=hardware, progress=False)
    for micro in (2, 1):
        assert runs[micro][0] == pytest.approx(runs[4][0], rel=1e-6)
        assert runs[micro] == pytest.approx(runs[4], rel=1e-4)  # Adam's first steps magnify rounding


@pytest.mark.parametrize("bf16", [False, True])
def test_the_fused_optimizer_steps_as_the_plain_one(bf16):
    """On CPUs PyTorch's fused Adam takes memory as it lies: its step is wrong, and nothing is said, where a
    gradient lies otherwise than its parameter (channels last)."""
    loop = Loop(small_model(), SMALL, Blobs(4), replace(CPU, bf16=bf16).resolved(), shuffle=True)
    copies = []

    def copy(*_):
        for parameter in loop.model.parameters():
            copies.append(parameter.detach().clone())
            copies[-1].grad = parameter.grad.clone()

    loop.optimizer.register_step_pre_hook(copy)
    loop.update(next(loop._updates(Progress())), 1e-3)
    torch.optim.Adam(copies, lr=1e-3, foreach=False).step()
    for parameter, expected in zip(loop.model.parameters(), copies, strict=True):
        torch.testing.assert_close(parameter.detach(), expected, rtol=0, atol=1e-6)


def test_micro_batch_must_divide():
    with pytest.raises(InputError, match="divides 4"):
        fit(small_model(), SMALL, Blobs(), hardware=replace(CPU, micro_batch=3), progress=False)


def test_loss_that_is_not_finite_names_the_people_and_keeps_the_weights():
    model = small_model()
    with torch.no_grad():
        model.head.final_layer.bias[0] = math.inf
    before = {k: v.clone() for k, v in model.named_parameters()}
    with pytest.raises(InputError, match=r"update 1 is inf.*blob 0, blob 1, blob 2, blob 3"):
        fit(model, SMALL, Blobs(), hardware=CPU, shuffle=False, progress=False)
    assert all(torch.equal(v, before[k]) for k, v in model.named_parameters())


def test_a_run_that_diverges_leaves_its_numbers(tmp_path, monkeypatch):
    """Though no state was due yet."""
    update, losses = Loop.update, iter([1.0, 1.0, 1.0, math.nan])
    monkeypatch.setattr(Loop, "update", lambda *given: (next(losses), update(*given)[1]))
    run = Run(tmp_path, told())
    with pytest.raises(InputError, match=r"update 4 is nan.*a state that was saved is from before it"):
        fit(small_model(), SMALL, Blobs(), hardware=CPU, run=run, validate_every=2, progress=False)
    assert pd.read_csv(tmp_path / "metrics.csv").step.tolist() == [3]
    assert not run.last.exists()


def test_gradient_that_is_not_finite_is_left_out():
    """A loss of 0 x inf^2's kind: finite forward, infinite backward."""

    class Cliff(torch.autograd.Function):
        @staticmethod
        def forward(context, x):
            return x.clone()

        @staticmethod
        def backward(context, gradient):
            return gradient * math.inf

    class Net(PoseNet):
        def forward(self, images):
            return Cliff.apply(super().forward(images))

    model = Net(8)
    before = {k: v.clone() for k, v in model.named_parameters()}
    with pytest.raises(InputError, match=r"update 1 is 0\.\d+, the norm of its gradient (nan|inf)"):
        fit(model, SMALL, Blobs(), hardware=CPU, progress=False)
    assert all(torch.equal(v, before[k]) for k, v in model.named_parameters())


@pytest.mark.parametrize(("steps", "warmup"), [(2, 2), (50, 50), (51, 51), (1000, 500)])
def test_warmup_takes_at_most_half_of_a_run(steps, warmup):
    assert fitted(Schedule(epochs=2, warmup_steps=500), steps).warmup_steps == warmup


def test_memory_that_is_out_says_what_to_do():
    class Hungry(PoseNet):
        def forward(self, images):
            raise torch.OutOfMemoryError("CUDA out of memory")

    with pytest.raises(InputError, match="smaller --micro-batch"):
        fit(Hungry(8), SMALL, Blobs(), hardware=CPU, progress=False)


# Killed and resumed


@pytest.mark.parametrize("stop_at", [1, 6, 11, 19])
def test_resumed_run_ends_with_the_same_weights_bit_for_bit(tmp_path, stop_at):
    whole, cut = small_model(), small_model()
    losses = fit(whole, SMALL, Blobs(), hardware=CPU, run=Run(tmp_path / "whole", told()), progress=False)
    assert len(losses) == 6
    broken, run = Blobs(stop_at=stop_at), Run(tmp_path / "cut", told())
    with pytest.raises(KeyboardInterrupt):
        fit(cut, SMALL, broken, hardware=CPU, run=run, save_every=1, progress=False)
    there = (tmp_path / "cut" / "last.pt").exists()
    assert there == (stop_at > 4)
    resumed = small_model(seed=9 if there else 0)  # other weights: all must come from the state
    run = Run(tmp_path / "cut", told(), resume=there)
    rest = fit(resumed, SMALL, Blobs(), hardware=CPU, run=run, progress=False)
    assert rest == losses[len(losses) - len(rest) :]
    assert_same_weights(resumed, whole)


def test_run_in_slices_ends_with_the_same_weights(tmp_path):
    """A deadline that has always passed: every call does one update and keeps its state."""
    whole, calls = small_model(), 0
    losses = fit(whole, SMALL, Blobs(), hardware=CPU, progress=False)
    sliced, run = small_model(), Run(tmp_path, told())
    parts = []
    while not run.finished:
        run = Run(tmp_path, told(), resume=calls > 0)
        parts += fit(sliced, SMALL, Blobs(), hardware=CPU, run=run, minutes=1e-9, progress=False)
        calls += 1
        sliced = sliced if run.finished else small_model(seed=calls)
    assert calls == 6
    assert parts == losses
    assert_same_weights(sliced, whole)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_ctrl_c_finishes_the_update_and_keeps_the_state(number, tmp_path, capsys):
    """Pressed (or sent by a cluster that wants its machine back) while the second update's samples are made.

    Resumed, the weights are an uninterrupted run's.
    """

    class Pressed(Blobs):
        def __getitem__(self, key):
            if self.asked == 6:
                os.kill(os.getpid(), number)
            return super().__getitem__(key)

    before = signal.getsignal(number)
    whole, cut, resumed = small_model(), small_model(), small_model(seed=3)
    keep = {"hardware": CPU, "progress": False, "save_every": 100}
    fit(whole, SMALL, Blobs(), run=Run(tmp_path / "whole", told()), **keep)
    with pytest.raises(KeyboardInterrupt):
        fit(cut, SMALL, Pressed(), run=Run(tmp_path / "cut", told()), **keep)
    assert "stopping after this update, with the state kept" in capsys.readouterr().out
    assert signal.getsignal(number) is before
    run = Run(tmp_path / "cut", told(), resume=True)
    assert run.state["step"] == 2
    fit(resumed, SMALL, Blobs(), run=run, **keep)
    assert_same_weights(resumed, whole)
    assert (tmp_path / "cut" / "metrics.csv").read_text() == (tmp_path / "whole" / "metrics.csv").read_text()


def test_ctrl_c_while_validating_breaks_off_at_once_and_an_asked_one_does_not_validate(tmp_path):
    calls, keep = [], {"hardware": CPU, "progress": False}

    def pressed(model):
        calls.append(1)
        os.kill(os.getpid(), signal.SIGINT)
        calls.append(2)

    with pytest.raises(KeyboardInterrupt):
        fit(small_model(), SMALL, Blobs(), run=Run(tmp_path / "a", told()), validate=pressed, **keep)
    assert calls == [1]
    assert Run(tmp_path / "a", told(), resume=True).state["step"] == 3

    class Pressed(Blobs):
        def __getitem__(self, key):
            if self.asked == 9:  # in the epoch's last update
                os.kill(os.getpid(), signal.SIGINT)
            return super().__getitem__(key)

    with pytest.raises(KeyboardInterrupt):
        fit(small_model(), SMALL, Pressed(), run=Run(tmp_path / "b", told()), validate=pressed, **keep)
    assert calls == [1]
    assert Run(tmp_path / "b", told(), resume=True).state["step"] == 3


def test_a_full_disk_leaves_the_last_state_and_says_so(tmp_path, monkeypatch):
    """PyTorch's and safetensors' writers report it as errors of their own."""
    run = Run(tmp_path, told())
    fit(small_model(), SMALL, Blobs(), hardware=CPU, run=run, progress=False)
    before = run.last.read_bytes()

    def full(*_, **__):
        raise RuntimeError("PytorchStreamWriter failed writing file data/0: file write failed")

    monkeypatch.setattr("wbkit.runs.torch.save", full)
    with pytest.raises(InputError, match=r"last.pt: cannot be written .*file write failed"):
        run.save({"step": 9})
    assert run.last.read_bytes() == before

    def no_space(*_, **__):
        raise SafetensorError("I/O error: No space left on device (os error 28)")

    monkeypatch.setattr("wbkit.checkpoints.save_file", no_space)
    with pytest.raises(InputError, match=r"w.safetensors: cannot be written .*No space left"):
        save_pose_weights(small_model(), tmp_path / "w.safetensors", {})
    assert not (tmp_path / "w.safetensors").exists()


def test_what_a_kill_left_half_written_is_removed(tmp_path):
    half = tmp_path / ".last.pt.4711.tmp.pt"
    half.write_bytes(b"half")
    Run(tmp_path, told(), write=False)
    assert half.exists()
    Run(tmp_path, told())
    assert not half.exists()


def test_samples_in_their_own_order_are_resumed_by_as_many_processes(tmp_path):
    """Each process has a block of them: with other blocks some would come twice, and some never."""
    two = identity(SMALL, 8, 0, 4, shares=2)
    assert identity(SMALL, 8, 0, 4, shares=1) == identity(SMALL, 8, 0, 4)
    Run(tmp_path, two).save({"step": 1})
    assert Run(tmp_path, two, resume=True).state["step"] == 1
    for other in (1, 4):
        with pytest.raises(InputError, match="processes 2"):
            Run(tmp_path, identity(SMALL, 8, 0, 4, shares=other), resume=True)


def test_an_error_in_a_loader_process_is_told_in_its_own_words(tmp_path, monkeypatch):
    def broken(*_):
        yield from ()
        raise RuntimeError("Caught RuntimeError in DataLoader worker process 0.\nsomething of ours")

    monkeypatch.setattr("wbkit.train.make_loader", broken)
    with pytest.raises(RuntimeError, match="something of ours") as stopped:
        fit(small_model(), SMALL, Blobs(), hardware=CPU, run=Run(tmp_path, told()), progress=False)
    assert not isinstance(stopped.value, InputError)


def test_time_that_is_up_with_an_epoch_keeps_the_state_where_no_validation_is_due(tmp_path, monkeypatch):
    asked = iter([False, False, True, True])  # after each of three updates, and then
    monkeypatch.setattr(Loop, "time_is_up", lambda self: next(asked))
    fit(
        small_model(),
        SMALL,
        Blobs(),
        hardware=CPU,
        run=Run(tmp_path, told()),
        validate_every=2,
        progress=False,
    )
    assert Run(tmp_path, told(), resume=True).state["step"] == 3


@pytest.mark.parametrize("asked", [True, False])
def test_loader_processes_that_die_cost_no_state(asked, tmp_path, monkeypatch):
    """A cluster that stops a job stops them, too: fetching samples fails after the signal came. Or memory is
    short."""
    real = make_loader

    class Stopped:
        def __init__(self, *given):
            self.loader = real(*given)

        def __iter__(self):
            yield next(iter(self.loader))
            if asked:
                os.kill(os.getpid(), signal.SIGTERM)
            raise RuntimeError("DataLoader worker (pid 1) is killed by signal: Terminated.")

    monkeypatch.setattr("wbkit.train.make_loader", Stopped)
    keep = {"hardware": CPU, "progress": False, "save_every": 100}
    with pytest.raises(KeyboardInterrupt if asked else InputError) as stopped:
        fit(small_model(), SMALL, Blobs(), run=Run(tmp_path, told()), **keep)
    assert asked or "has died (DataLoader worker (pid 1)" in str(stopped.value)
    assert asked or "--shm-size" in str(stopped.value)
    assert Run(tmp_path, told(), resume=True).state["step"] == 1


@pytest.mark.parametrize(("seconds", "saved"), [(-1, [1, 2, 3, 4, 5, 6]), (1000, [6])])
def test_by_itself_a_state_is_kept_every_few_minutes_and_at_the_end(seconds, saved, tmp_path, monkeypatch):
    """And where a validation is due, which here is the end alone."""
    monkeypatch.setattr("wbkit.train.SAVE_SECONDS", seconds)
    run, steps = Run(tmp_path, told()), []
    save = run.save
    monkeypatch.setattr(run, "save", lambda state: steps.append(state["step"]) or save(state))
    fit(small_model(), SMALL, Blobs(), hardware=CPU, run=run, validate_every=2, progress=False)
    assert sorted(set(steps)) == saved


def test_the_second_ctrl_c_breaks_off():
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # in the background a shell ignores it
    try:
        with noted_interruption() as noted:
            os.kill(os.getpid(), signal.SIGINT)
            assert noted.asked
            with pytest.raises(KeyboardInterrupt):
                os.kill(os.getpid(), signal.SIGINT)
    finally:
        signal.signal(signal.SIGINT, before)


def test_short_runs_leave_numbers_too(tmp_path):
    """The last update of every epoch is logged."""
    run = Run(tmp_path, told())
    losses = fit(small_model(), SMALL, Blobs(), hardware=CPU, run=run, progress=False)
    table = pd.read_csv(tmp_path / "metrics.csv")
    steps = len(losses) // SMALL.schedule.epochs
    assert table.step.tolist() == [steps * (epoch + 1) for epoch in range(SMALL.schedule.epochs)]
    assert table.loss.tolist() == pytest.approx([losses[step - 1] for step in table.step], rel=1e-5)


def test_who_is_left_out_and_what_looks_wrong_is_told(train_coco, tmp_path, capsys):
    path = train_coco / "annotations" / "coco_wholebody_train_v1.0.json"
    content = json.loads(path.read_text())
    everybody = content["annotations"]
    everybody[0]["bbox"][2] = 0
    everybody[1]["keypoints"] = [0] * 51
    everybody[1]["num_keypoints"] = 0
    for record in everybody[2:]:
        record["keypoints"][::3] = [x + 900 for x in record["keypoints"][::3]]
        record["face_kpts"][2::3] = [3] * 68
        record["bbox"][2:] = [150, 115]
    path.write_text(json.dumps(content))
    main(command(train_coco, tmp_path / "run", "--minutes", "0.001"))
    said = capsys.readouterr().out
    first, second = (record["id"] for record in everybody[:2])
    assert f"1 with an empty box, or one outside of the picture (annotation {first})" in said
    assert f"1 without a labelled body keypoint (annotation {second})" in said
    assert "labelled points lie outside their picture" in said
    assert "points have a v above 2" in said
    assert "boxes reach far out of their picture" in said


def test_pictures_of_another_size_than_labelled_are_refused(train_coco, tmp_path, capsys):
    for picture in (train_coco / "train2017").iterdir():
        cv2.imwrite(str(picture), cv2.resize(cv2.imread(str(picture)), None, fx=0.5, fy=0.5))
    assert main(command(train_coco, tmp_path / "run")) == 2
    assert "is 80 x 60 px, but labelled as 160 x 120 px. Give the pictures" in capsys.readouterr().err


@pytest.mark.parametrize("epochs", [1, 2])
def test_validation_that_is_killed_is_made_up_for(tmp_path, epochs):
    """Weights, best score and metrics.csv are those of a run that nothing interrupted."""

    def validate(model):
        return {"body": float(model.head.final_layer.weight.detach().abs().mean())}

    calls = []

    def killed(model):
        calls.append(1)
        if len(calls) == epochs:
            raise KeyboardInterrupt
        return validate(model)

    whole, cut = small_model(), small_model()
    keep = {"hardware": CPU, "progress": False, "save_every": 100}
    fit(whole, SMALL, Blobs(), run=Run(tmp_path / "whole", told()), validate=validate, **keep)
    with pytest.raises(KeyboardInterrupt):
        fit(cut, SMALL, Blobs(), run=Run(tmp_path / "cut", told()), validate=killed, **keep)
    run = Run(tmp_path / "cut", told(), resume=True)
    assert (run.state["step"], run.state["validated"]) == (3 * epochs, 3 * (epochs - 1))
    resumed = small_model(seed=9)
    rest = fit(resumed, SMALL, Blobs(), run=run, validate=validate, **keep)
    assert len(rest) == 6 - 3 * epochs
    assert_same_weights(resumed, whole)
    texts = [(tmp_path / name / "metrics.csv").read_text() for name in ("cut", "whole")]
    assert texts[0] == texts[1]
    assert texts[0].count("\n") == 5  # the head, and two epochs' last updates and validations


def test_what_does_not_change_training_is_no_reason_to_refuse_a_run(tmp_path):
    fit(small_model(), SMALL, Blobs(), hardware=CPU, run=Run(tmp_path, told()), progress=False)
    moved = replace(SMALL, checkpoint_url="https://example.org/w.pth", published={"body": (0.5, 0.6)})
    assert Run(tmp_path, identity(moved, 10, 5, 4), resume=True).state["step"] == 6


def test_a_validation_may_tell_what_it_likes(tmp_path):
    """Only wholebody or body decides; numbers that metrics.csv has no column for go to TensorBoard alone."""
    run = Run(tmp_path, told())
    table = {"wholebody": 0.5, "AR": 0.7}
    fit(small_model(), SMALL, Blobs(), hardware=CPU, run=run, validate=lambda model: table, progress=False)
    run.close()
    assert Run(tmp_path, told(), resume=True).state["best"] == 0.5
    lines = (tmp_path / "metrics.csv").read_text().splitlines()
    assert "AR" not in lines[0]
    assert lines[-1].endswith(",0.5")


def test_resume_refuses_another_run(tmp_path):
    fit(small_model(), SMALL, Blobs(), hardware=CPU, run=Run(tmp_path, told()), progress=False)
    with pytest.raises(InputError, match="--resume"):
        Run(tmp_path, told())
    with pytest.raises(InputError, match=r"recipe\.width 8, now 16"):
        Run(tmp_path, identity(replace(SMALL, width=16), 10, 5, 4), resume=True)
    with pytest.raises(InputError, match="no training run"):
        Run(tmp_path / "other", told(), resume=True)
    (tmp_path / "last.pt").write_bytes(b"PK\x03\x04 cut off")
    with pytest.raises(InputError, match="damaged"):
        Run(tmp_path, told(), resume=True)


def test_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be written"):
        Run(tmp_path / "file" / "run", told())


def test_processes_beside_the_first_write_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr("wbkit.train.rank_and_world", lambda: (1, 1))
    run, keep = Run(tmp_path / "run", told(), write=False), {"hardware": CPU, "progress": False}
    fit(small_model(), SMALL, Blobs(), run=run, validate=lambda model: {"body": 1.0}, save_every=1, **keep)
    assert list(tmp_path.iterdir()) == []


def test_a_score_that_is_no_number_is_never_the_best(tmp_path):
    scores = iter([0.2, float("nan"), 0.1])
    run, keep = Run(tmp_path, told()), {"hardware": CPU, "progress": False}
    recipe = replace(SMALL, schedule=replace(SMALL.schedule, epochs=3))
    kept = []

    def validate(model):
        kept.append((tmp_path / "best.safetensors").exists() and (tmp_path / "best.safetensors").read_bytes())
        return {"body": next(scores)}

    fit(small_model(), recipe, Blobs(), run=run, validate=validate, **keep)
    assert kept[0] is False
    assert kept[1] == kept[2] == (tmp_path / "best.safetensors").read_bytes()
    assert torch.load(tmp_path / "last.pt")["best"] == 0.2


def test_metrics_and_best_weights(tmp_path):
    scores = iter([0.2, 0.1])

    def validate(model):
        return {"body": 0.9, "wholebody": next(scores)}

    schedule = replace(SMALL.schedule, epochs=2)
    run = Run(tmp_path, told())
    recipe = replace(SMALL, schedule=schedule)
    fit(small_model(), recipe, Blobs(80), hardware=CPU, run=run, validate=validate, progress=False)
    rows = list(csv.DictReader((tmp_path / "metrics.csv").open()))
    assert [(r["step"], r["wholebody"]) for r in rows] == [
        ("20", ""),
        ("20", "0.2"),
        ("40", ""),
        ("40", "0.1"),
    ]
    assert float(rows[0]["loss"]) > 0
    assert (tmp_path / "best.safetensors").exists()
    assert list((tmp_path / "tensorboard").glob("events*"))


# Two processes

TWO = """
import json, sys, torch
sys.path.insert(0, {tests!r})
from test_train import GENTLE, Blobs, calibrated
from wbkit.hardware import Hardware, rank_and_world
from wbkit.train import fit
torch.set_num_threads(1)
torch.distributed.init_process_group("gloo")
model = calibrated()
hardware = Hardware("cpu", bf16=False, freeze_bn=True, micro_batch={micro})
losses = fit(model, GENTLE, Blobs(), hardware=hardware, progress=False)
if rank_and_world()[0] == 0:
    weights = model.state_dict()["head.final_layer.weight"]
    json.dump([losses, weights.flatten().tolist()], open({out!r}, "w"))
torch.distributed.destroy_process_group()
"""


def calibrated() -> PoseNet:
    """A model whose BatchNorm has statistics that fit, to be frozen."""
    model = small_model().train()
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = None  # the plain mean over batches
    with torch.no_grad():
        model(torch.randn(8, 3, 64, 64, generator=torch.Generator().manual_seed(1)))
    return model


@pytest.mark.parametrize("micro", [None, 1])
def test_two_processes_follow_the_curve_of_one(micro, tmp_path):
    """Also where each adds up the gradients of its share, sample by sample, before they travel."""
    out = tmp_path / "two.json"
    (tmp_path / "two.py").write_text(TWO.format(tests=str(Path(__file__).parent), out=str(out), micro=micro))
    launch = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--standalone"]
    environment = os.environ | {
        "OMP_NUM_THREADS": "1",
        "CUDA_VISIBLE_DEVICES": "",
        "GLOO_SOCKET_IFNAME": "lo",
    }
    done = subprocess.run(
        [*launch, str(tmp_path / "two.py")], capture_output=True, text=True, timeout=200, env=environment
    )
    assert done.returncode == 0, done.stderr
    losses, weights = json.loads(out.read_text())
    model = calibrated()
    alone = fit(model, GENTLE, Blobs(), hardware=replace(CPU, freeze_bn=True), progress=False)
    assert len(losses) == len(alone) == 6
    assert losses == pytest.approx(alone, rel=1e-5)
    before, after = (m.head.final_layer.weight.detach().flatten().numpy() for m in (calibrated(), model))
    apart, moved = np.linalg.norm(after - weights), np.linalg.norm(after - before)
    assert apart < 0.01 * moved


# The command


def command(coco: Path, out: Path, *more: str) -> list[str]:
    own = ["--data", coco, "--out", out, "--epochs", "2", "--batch-size", "4", "--workers", "0"]
    return ["train", "--recipe", "tiny", *map(str, own), "--save-every", "1", "--device", "cpu", *more]


def test_train_command(train_coco, tmp_path, capsys):
    out = tmp_path / "run"
    assert main(command(train_coco, out)) == 0
    text = capsys.readouterr().out
    assert "HRNet-W16, 133 keypoints, crops of {}x{} px".format(*RECIPES["tiny"].input_size) in text
    assert "wholebody" in text
    assert (out / "final.safetensors").exists()
    assert main(command(train_coco, out)) == 2
    assert "--resume" in capsys.readouterr().err
    evaluate = ["evaluate", "--data", train_coco, "--checkpoint", out / "final.safetensors", "--workers", "0"]
    assert main([str(word) for word in evaluate]) == 0


def test_train_command_at_another_input_size_in_slices(train_coco, tmp_path, capsys):
    """The size goes into the weights' header, and from there into whatever uses them."""
    out = tmp_path / "run"
    small = ("--input-size", "64x96")
    assert main(command(train_coco, out, *small, "--minutes", "1e-9")) == 0
    assert "--resume goes on" in capsys.readouterr().out
    assert not (out / "final.safetensors").exists()
    assert main(command(train_coco, out, "--resume")) == 2
    assert "recipe.input_size" in capsys.readouterr().err
    assert main(command(train_coco, out, *small, "--resume")) == 0
    assert "crops of 64x96 px (width x height)" in capsys.readouterr().out
    for recipe in (None, "tiny"):
        assert load_predictor(out / "final.safetensors", recipe).recipe == RECIPES["tiny"].at((64, 96))
    assert main(command(train_coco, tmp_path / "odd", "--input-size", "60x96")) == 2
    assert "multiples of 32" in capsys.readouterr().err


def test_picture_cut_off_stops_with_nothing_lost(train_coco, tmp_path, capsys):
    """Person after person in a fixed order; the state says how far it came, and the mended run goes on."""
    picture = sorted((train_coco / "train2017").iterdir())[-1]
    content = picture.read_bytes()
    picture.write_bytes(content[:-200])
    out = tmp_path / "run"
    one = ("--batch-size", "1", "--save-every", "1000")
    assert main(command(train_coco, out, *one)) == 2
    said = capsys.readouterr().err
    assert picture.name in said
    assert "cut off" in said
    assert "Traceback" not in said
    updates = int(re.search(r"after (\d+) updates is kept", said)[1])
    assert torch.load(out / "last.pt")["step"] == updates
    picture.write_bytes(content)
    assert main(command(train_coco, out, *one, "--resume")) == 0
    assert (out / "final.safetensors").exists()


def test_validation_picture_cut_off_is_told_and_missing_one_stops_at_once(train_coco, tmp_path, capsys):
    picture = sorted((train_coco / "val2017").iterdir())[0]
    picture.write_bytes(picture.read_bytes()[:-200])
    assert main(command(train_coco, tmp_path / "run")) == 0
    said = capsys.readouterr().out
    assert re.search(r"[1-9]\d* of \d+ people count as missed: .*" + picture.name, said)
    picture.unlink()
    assert main(command(train_coco, tmp_path / "other")) == 2
    assert picture.name in capsys.readouterr().err
    assert not (tmp_path / "other" / "last.pt").exists()


def test_other_people_are_another_run(train_coco, tmp_path, capsys):
    out = tmp_path / "run"
    assert main(command(train_coco, out, "--minutes", "1e-9")) == 0
    path = train_coco / "annotations" / "coco_wholebody_train_v1.0.json"
    content = json.loads(path.read_text())
    person = next(a for a in content["annotations"] if a["num_keypoints"] > 0 and not a["iscrowd"])
    person["bbox"][2] -= 1
    path.write_text(json.dumps(content))
    assert main(command(train_coco, out, "--resume")) == 2
    assert "data " in capsys.readouterr().err


def test_training_on_two_sets_one_of_them_cocos_own(train_coco, tmp_path, capsys):
    """People with 17 labels beside people with 133; of the first alone nobody has hands to learn from."""
    mine, out = tmp_path / "mine.json", tmp_path / "run"
    content = json.loads((train_coco / "annotations" / "coco_wholebody_train_v1.0.json").read_text())
    keep = ("id", "image_id", "category_id", "iscrowd", "area", "bbox", "num_keypoints", "keypoints")
    content["annotations"] = [{k: a[k] for k in keep} for a in content["annotations"]]
    mine.write_text(json.dumps(content))
    images = train_coco / "train2017"
    own = ["--recipe", "tiny", "--epochs", "1", "--batch-size", "5", "--workers", "0", "--device", "cpu"]
    assert main(["train", *own, "--data", f"{mine}:{images}", str(train_coco), "--out", str(out)]) == 0
    text = capsys.readouterr().out
    assert "10 samples an epoch" in text
    assert "wholebody" in text  # validated on the second set, which has val
    assert "Nobody has labels" not in text
    assert main(["train", *own, "--data", f"{mine}:{images}", "--out", str(tmp_path / "body")]) == 0
    text = capsys.readouterr().out
    assert "Nobody has labels for foot, face, lefthand, righthand: these heatmaps learn nothing" in text
    assert f"No validation: {mine}:{images} has no annotations and pictures for it" in text
    assert (
        main(["train", *own, "--data", str(train_coco), str(train_coco), "--out", str(tmp_path / "t")]) == 2
    )
    assert "a set of --data is named twice" in capsys.readouterr().err
    assert main(["train", *own, "--data", str(train_coco), "--mix", "hard"]) == 2
    assert "--mix hard is about rendered people. Give --synthetic" in capsys.readouterr().err


def test_a_head_without_weights_to_start_from_is_refused(train_coco, tmp_path, capsys):
    assert main(command(train_coco, tmp_path, "--head", "fresh")) == 2
    assert "--head fresh is about the weights of --init. Give --init, too" in capsys.readouterr().err


def test_from_17_keypoints_to_133(train_coco, tmp_path, capsys):
    assert main(command(train_coco, tmp_path / "body", "--keypoints", "17")) == 0
    assert "17 keypoints" in capsys.readouterr().out
    weights = str(tmp_path / "body" / "final.safetensors")
    assert main(["evaluate", "--data", str(train_coco), "--checkpoint", weights, "--workers", "0"]) == 0
    table = capsys.readouterr().out
    assert "\nbody " in table
    assert "face" not in table
    assert main(["export", "--checkpoint", weights, "--out", str(tmp_path / "body.pth")]) == 0
    capsys.readouterr()
    more = ["--init", str(tmp_path / "body" / "final.safetensors"), "--head", "carry_body"]
    assert main(command(train_coco, tmp_path / "whole", *more)) == 0
    told = capsys.readouterr().out
    assert "weights loaded" in told
    assert "Before the first update" not in told  # the new maps of the head know nothing
    assert (
        main(command(train_coco, tmp_path / "on", "--init", str(tmp_path / "whole/final.safetensors"))) == 0
    )
    assert "Before the first update:" in capsys.readouterr().out
    first = pd.read_csv(tmp_path / "on" / "metrics.csv").iloc[0]
    assert first["step"] == 0
    assert 0 <= first["wholebody"] <= 1


def test_published_recipes_can_begin_with_imagenet_as_the_published_did(monkeypatch, capsys):
    asked = []
    monkeypatch.setattr(
        train_command, "load_pose_weights", lambda model, path, head: asked.append((path, head)) or "loaded"
    )
    for recipe in (W32_DARK_256x192, W48_DARK_PLUS_384x288):
        options = build_parser().parse_args(["train", "--recipe", recipe.name, "--init", "imagenet"])
        train_command.initial_model(options, replace(recipe, width=8), talk=True)
    assert [head for _, head in asked] == ["fresh", "fresh"]
    for (path, _), width, digits in zip(asked, (32, 48), ("36af842e", "8ef0771d"), strict=True):
        assert path.endswith(f"/hrnet_w{width}-{digits}.pth")
        assert hash_in_name(path) == digits
    assert "loaded" in capsys.readouterr().out
    options = build_parser().parse_args(["train", "--init", "imagenet", "--head", "carry_body"])
    with pytest.raises(InputError, match="no body maps to carry over"):
        train_command.initial_model(options, W32_DARK_256x192, talk=False)
    options = build_parser().parse_args(["train", "--init", "imagenet"])
    with pytest.raises(InputError, match="no ImageNet weights for tiny"):
        train_command.initial_model(options, SMALL, talk=False)


def test_a_device_that_is_not_there_is_told_before_anything_is_begun(train_coco, tmp_path, capsys):
    for device in ("cuda:99", "cud"):
        assert main(command(train_coco, tmp_path / "run", "--device", device)) == 2
        assert f"device '{device}' cannot be used" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_resume_auto_begins_or_goes_on(train_coco, tmp_path, capsys):
    """One command for a cluster that starts a job again and again."""
    words = command(train_coco, tmp_path / "run", "--resume", "auto")
    assert main([*words, "--minutes", "1e-9"]) == 0
    assert torch.load(tmp_path / "run" / "last.pt")["step"] == 1
    assert main(words) == 0
    assert torch.load(tmp_path / "run" / "last.pt")["step"] == 4
    assert (tmp_path / "run" / "final.safetensors").exists()
    numbers = (tmp_path / "run" / "metrics.csv").read_text()
    assert pd.read_csv(tmp_path / "run" / "metrics.csv").step.max() == 4
    assert main(words) == 0  # a finished run stays what it is
    assert (tmp_path / "run" / "metrics.csv").read_text() == numbers


def test_without_val_annotations_there_is_no_validation(train_coco, tmp_path, capsys):
    (train_coco / "annotations" / "coco_wholebody_val_v1.0.json").unlink()
    assert main(command(train_coco, tmp_path / "run")) == 0
    assert (
        f"No validation: {train_coco} has no annotations and pictures for it; --val-data"
        in capsys.readouterr().out
    )
    assert pd.read_csv(tmp_path / "run" / "metrics.csv")["body"].isna().all()
    modes = {(tmp_path / "run" / name).stat().st_mode for name in ("final.safetensors", "metrics.csv")}
    (tmp_path / "new").touch()
    assert modes == {(tmp_path / "new").stat().st_mode}  # as any file, also where a library made it
    assert main(command(train_coco, tmp_path / "other", "--val-data", str(train_coco))) == 2
    assert not (tmp_path / "other").exists()  # nothing was begun


def test_killed_command_goes_on_to_the_same_file(train_coco, tmp_path):
    environment = os.environ | {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    cut, whole = tmp_path / "cut", tmp_path / "whole"
    run = [sys.executable, "-m", "wbkit.cli"]
    process = subprocess.Popen([*run, *command(train_coco, cut, "--epochs", "4")], env=environment)
    while not (cut / "last.pt").exists():
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (cut / "final.safetensors").exists()
    for out, more in ((cut, ["--resume"]), (whole, [])):
        done = subprocess.run([*run, *command(train_coco, out, "--epochs", "4", *more)], env=environment)
        assert done.returncode == 0
    files = [load_file(out / "final.safetensors") for out in (cut, whole)]
    assert all(torch.equal(value, files[1][name]) for name, value in files[0].items())
    numbers = [pd.read_csv(out / "metrics.csv").drop(columns="images_per_second") for out in (cut, whole)]
    pd.testing.assert_frame_equal(*numbers)


@pytest.mark.parametrize(
    "option", ["--epochs", "--batch-size", "--micro-batch", "--minutes", "--validate-every", "--save-every"]
)
@pytest.mark.parametrize("value", ["0", "-4", "many"])
def test_numbers_must_be_above_zero(option, value, capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["train", option, value])
    assert stopped.value.code == 2
    assert option in capsys.readouterr().err


def test_nothing_to_train_on(tmp_path, capsys):
    assert main(["train", "--recipe", "tiny", "--out", str(tmp_path)]) == 2
    assert "--synthetic" in capsys.readouterr().err


# People rendered on the fly


def test_synthetic_people_depend_on_seed_and_key_only():
    recipe = RECIPES["tiny"]
    a, b = (SyntheticPeople(recipe, 8, seed=4, size_wh=(96, 128)) for _ in range(2))
    samples = [a[k] for k in range(6)]
    for k in (5, 1):  # another order, another picture rendered before
        for name, value in b[k].items():
            np.testing.assert_array_equal(value, samples[k][name])
    assert samples[0]["crop"].shape == (*recipe.input_size[::-1], 3)
    assert samples[0]["keypoints"].shape == (133, 2)
    assert not np.array_equal(samples[0]["crop"], samples[1]["crop"])
    assert a[8]["person"] == 8  # the next epoch's are new ones


@pytest.mark.parametrize(
    ("word", "mixes"), [("everyday", ("everyday",)), ("hard", ("hard",)), ("both", ("everyday", "hard"))]
)
def test_the_command_renders_the_mix_that_is_asked_for(word, mixes):
    options = build_parser().parse_args(["train", "--synthetic", "5", "--mix", word])
    assert training_samples(options, RECIPES["tiny"]).mixes == mixes


def test_annotations_without_pictures_are_no_validation(train_coco, tmp_path, capsys):
    """COCO's annotations of both splits come in one archive, the pictures do not."""
    (train_coco / "val2017").rename(tmp_path / "elsewhere")
    assert main(command(train_coco, tmp_path / "run")) == 0
    assert "No validation" in capsys.readouterr().out


def test_synthetic_people_of_both_mixes_come_in_turn():
    recipe, how = RECIPES["tiny"], {"seed": 4, "size_wh": (96, 128), "samples_per_picture": 1}
    everyday, hard, both = (
        SyntheticPeople(recipe, 8, mixes=mixes, **how)
        for mixes in (("everyday",), ("hard",), ("everyday", "hard"))
    )
    same = [[np.array_equal(both[k]["crop"], one[k]["crop"]) for k in range(4)] for one in (everyday, hard)]
    assert same == [[True, False, True, False], [False, True, False, True]]
    assert len({p.fingerprint() for p in (everyday, hard, both)}) == 3  # --resume tells them apart


def test_synthetic_people_keep_their_labels_on_their_pixels():
    """Without augmentation a sample is the crop of the rendered picture: labels project back onto it."""
    from wbkit.synth.write import make_picture

    still = replace(
        RECIPES["tiny"].augmentation,
        flip_probability=0.0,
        half_body_probability=0.0,
        shift_probability=0.0,
        scale=(1.0, 1.0),
        rotation_probability=0.0,
        photometric=0.0,
        erase_probability=0.0,
    )
    people = SyntheticPeople(RECIPES["tiny"], 4, still, seed=4, size_wh=(96, 128))
    sample = people[0]
    truth = make_picture(4, 0, (96, 128)).annotations[0]
    fields = ("keypoints", "foot_kpts", "face_kpts", "lefthand_kpts", "righthand_kpts")
    labels = np.concatenate([np.reshape(truth[f], (-1, 3)) for f in fields])
    to_crop = sample["matrix"]
    np.testing.assert_allclose(
        sample["keypoints"], labels[:, :2] @ to_crop[:, :2].T + to_crop[:, 2], atol=1e-3
    )
    np.testing.assert_array_equal(sample["visible"], labels[:, 2] > 0)
    mirrored = SyntheticPeople(
        RECIPES["tiny"], 4, replace(still, flip_probability=1.0), seed=4, size_wh=(96, 128)
    )[0]
    np.testing.assert_array_equal(mirrored["visible"], sample["visible"][FLIP_INDICES])
