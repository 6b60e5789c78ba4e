"""What a long `wbkit predict` has finished, a line a picture on disk, so that a killed run can go on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from wbkit.errors import InputError


class Journal:
    """The finished pictures of one process.

    The first line says how they were predicted, each other one what a picture gave. A line that breaks off
    (the process was killed while it wrote) is left out, and its picture predicted again.

    Args:
        out: the results file; journals lie beside it, hidden, one a process.
        rank: of this process.
        how: what must be the same for results to belong into one file.
        resume: go on from all journals beside `out`; else begin anew with the first picture.

    Attributes:
        finished: picture's path -> what `add` was told, of all processes' journals; empty without `resume`.

    Raises:
        InputError: the journals were written with other options.
    """

    def __init__(self, out: Path, rank: int, how: dict[str, Any], resume: bool):
        self._path, self._how, self._resume = out.parent / f"{_prefix(out)}{rank}", how, resume
        self._file = None
        self.finished: dict[str, dict] = {}
        for path in journals(out) if resume else []:
            self.finished |= _read(path, how)

    def add(self, picture: Path, found: dict) -> None:
        """Note a picture and what it gave; on disk when this returns.

        Raises:
            InputError: it cannot be written.
        """
        try:
            if self._file is None:  # only now: until then an earlier run's is there to be resumed
                self._file = self._path.open("a" if self._resume else "w")
                self._write(self._how)
            self._write({"picture": str(picture), **found})
        except OSError as error:
            problem = f"cannot be written ({error.strerror or error})"
            raise InputError(problem, "Free some space, or give another --out", file=self._path) from error

    def _write(self, line: dict) -> None:
        self._file.write("\n" * self._resume + json.dumps(line) + "\n")  # what was there may have broken off
        self._file.flush()


def _prefix(out: Path) -> str:
    return f".{out.name}.journal."


def journals(out: Path) -> list[Path]:
    """The journals beside a results file."""
    return sorted(path for path in out.parent.iterdir() if path.name.startswith(_prefix(out)))


def forget(out: Path) -> None:
    """Remove the journals beside a results file."""
    for path in journals(out):
        path.unlink(missing_ok=True)


def _read(path: Path, how: dict[str, Any]) -> dict[str, dict]:
    finished = {}
    for text in path.read_text().splitlines():
        try:
            line = json.loads(text)
        except ValueError:
            continue
        if "picture" in line:
            finished[line.pop("picture")] = line
        elif changed := [f"{k} {line.get(k)}, now {v}" for k, v in how.items() if line.get(k) != v]:
            problem = f"was begun with {'; '.join(changed)}"
            raise InputError(problem, "Call it as before, or without --resume to begin anew", file=path)
    return finished
