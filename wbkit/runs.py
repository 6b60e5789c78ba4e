"""The folder of a training run: the last state to go on from, the best weights, numbers on the way.

last.pt            everything that the next update depends on (atomic; a kill leaves the one before)
best.safetensors   weights of the best validation so far, by whole AP (or the mean of the parts learnt)
final.safetensors  weights after the last update
metrics.csv        one row an update that was logged, one a validation; TensorBoard's files beside it
"""

from __future__ import annotations

import json
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from wbkit.errors import InputError
from wbkit.files import atomic_write
from wbkit.recipes import Recipe
from wbkit.weight_files import read_content

COLUMNS = ("step", "epoch", "loss", "gradient_norm", "learning_rate", "images_per_second")
AP_COLUMNS = ("body", "foot", "face", "lefthand", "righthand", "hand", "wholebody")


def identity(
    recipe: Recipe, samples: int, seed: int, batch: int, data: int = 0, shares: int = 1
) -> dict[str, Any]:
    """What two runs must share for one to go on with the other's state, as plain JSON values.

    `data` is the samples' fingerprint. Device, precision, micro-batch and number of processes are left out:
    a run may go on elsewhere, and is then the same to rounding and BatchNorm's statistics only. But samples
    in their own order (those rendered on the fly) are shared out in blocks: there `shares` is the number of
    processes.
    """
    trained = replace(recipe, published={}, checkpoint_url=None, backbone_url=None)
    settings = asdict(trained)
    del settings["schedule"]["validate_every"]
    if not trained.zoom:
        del settings["zoom"]  # as in states from before there were second looks
    told = {"recipe": settings, "samples": samples, "seed": seed, "batch": batch, "data": data}
    return json.loads(json.dumps(told | ({"processes": shares} if shares > 1 else {})))


class Run:
    """One training run in `folder`.

    Args:
        folder: made if missing.
        identity: see `identity`.
        resume: go on from `last.pt`; without it a folder that holds one is refused, not overwritten.
        write: False: read the state only, for processes beside the first.

    Attributes:
        state: the content of `last.pt`, or None where the run is new.
        finished: set by `fit`: whether its last update was reached.

    Raises:
        InputError: there is a run and `resume` is False, none and it is True, another one's, or the folder
            cannot be written to.
    """

    def __init__(
        self, folder: str | Path, identity: dict[str, Any], resume: bool = False, write: bool = True
    ):
        self.folder, self.identity = Path(folder), identity
        self.last, self.metrics = self.folder / "last.pt", self.folder / "metrics.csv"
        self.state: dict | None = None
        self.finished = False
        if self.last.exists() and not resume:
            raise InputError(
                "holds a training run", "Give --resume to go on with it, or another --out", file=self.folder
            )
        if resume and not self.last.exists():
            raise InputError(
                "holds no training run to go on with", "Leave out --resume, or check --out", file=self.folder
            )
        if resume:
            self.state = self._read()
        self._rows = self._read_rows(self.state["step"] if self.state else 0)
        if write:
            for left in self.folder.glob(f".{self.last.name}.*.tmp.pt"):  # of a process killed while it saved
                left.unlink()
            self._write_rows()  # fails at once where nothing can be written
        self._board = None

    def _read(self) -> dict:
        state, _ = read_content(self.last)
        if not isinstance(state, dict) or "identity" not in state:
            raise InputError("is no state of wbkit's training", "Give another --out", file=self.last)
        changed = differences(state["identity"], self.identity)
        if changed:
            raise InputError(
                f"was made with other settings ({'; '.join(changed[:4])})",
                "Give the same ones to go on, or another --out",
                file=self.last,
            )
        return state

    def save(self, state: dict) -> None:
        """Write `last.pt`, and the metrics that belong to it."""
        with atomic_write(self.last) as temporary:
            try:
                torch.save({**state, "identity": self.identity}, temporary)
            except RuntimeError as error:  # PyTorch's own writer, where the disk is full
                if "writ" not in str(error):
                    raise
                raise OSError(str(error)) from error
            with open(temporary, "r+b") as written:  # on the disk before it replaces the last one
                os.fsync(written.fileno())
        self._write_rows()

    def log(self, step: int, **values: float) -> None:
        """Numbers of an update: to metrics.csv (written with the next save) and TensorBoard."""
        self._rows.append({"step": step, **{k: f"{v:.6g}" for k, v in values.items()}})
        for name, value in values.items():
            self._tensorboard().add_scalar(f"AP/{name}" if name in AP_COLUMNS else name, value, step)

    def _tensorboard(self):
        if self._board is None:
            from torch.utils.tensorboard import SummaryWriter  # takes a second to import

            start = self.state["step"] + 1 if self.state else None  # later points of a killed run go
            self._board = SummaryWriter(str(self.folder / "tensorboard"), purge_step=start)
        return self._board

    def _read_rows(self, step: int) -> list[dict]:
        """The rows of metrics.csv up to `step`: those after it were of updates that are lost."""
        if not step or not self.metrics.exists():
            return []
        rows = pd.read_csv(self.metrics, dtype=str, keep_default_na=False).to_dict("records")
        return [row for row in rows if int(row["step"]) <= step]

    def _write_rows(self) -> None:
        with atomic_write(self.metrics) as temporary:
            pd.DataFrame(self._rows, columns=[*COLUMNS, *AP_COLUMNS]).to_csv(temporary, index=False)

    def close(self) -> None:
        """Write what is not yet written."""
        self._write_rows()
        if self._board is not None:
            self._board.close()


@dataclass
class Interruption:
    """Whether Ctrl-C or SIGTERM came; `at_once`: where nothing is half done, so that it need not wait."""

    asked: bool = False
    at_once: bool = False


@contextmanager
def noted_interruption(wanted: bool = True) -> Iterator[Interruption]:
    """Note the first Ctrl-C, or SIGTERM, instead of breaking off at once; the second one breaks off.

    Without `wanted`, and outside of the main thread, which alone hears signals, nothing changes.
    """
    noted = Interruption()
    if not wanted or threading.current_thread() is not threading.main_thread():
        yield noted
        return

    def note(*_: object) -> None:
        noted.asked = True
        restore()
        if noted.at_once:
            raise KeyboardInterrupt
        if os.getpid() == owner:  # processes that make samples inherit this
            print("\nstopping after this update, with the state kept (once more: at once)", flush=True)

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    owner = os.getpid()
    before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield noted
    finally:
        restore()


def differences(old: Any, new: Any, name: str = "") -> list[str]:
    """Where two nested dictionaries differ, in words: ["recipe.width 16, now 32"]."""
    if isinstance(old, dict) and isinstance(new, dict):
        keys = [k for k in new if k in old] + [k for k in (*old, *new) if (k in old) != (k in new)]
        return [d for k in keys for d in differences(old.get(k), new.get(k), f"{name}.{k}".lstrip("."))]
    return [] if old == new else [f"{name} {old}, now {new}"]
