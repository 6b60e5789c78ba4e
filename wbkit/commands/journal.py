"""What a long `wbkit predict` has finished, a line a picture on disk, so that a killed run can go on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from wbkit.errors import InputError

_END = {"ended": True}
_ANEW = "to begin anew give another --out or delete {}"


class Journal:
    """The finished pictures of one process.

    The first line says how they were predicted, each other one what a picture gave. A line that breaks off
    (the process was killed while it wrote) is left out, and its picture predicted again.

    Args:
        out: the results file; journals lie beside it, hidden, one a process.
        rank, world: of this process, and how many there are.
        how: what must be the same for results to belong into one file.
        resume: go on from all journals beside `out`.

    Attributes:
        finished: picture's path -> what `add` was told, of all processes' journals; empty without `resume`.

    Raises:
        InputError: the journals were written with other options; or there is one, and no `resume`.
    """

    def __init__(self, out: Path, rank: int, world: int, how: dict[str, Any], resume: bool):
        self._path, self._how = out.parent / f"{_prefix(out)}{rank}", how
        self._file = None
        self.finished: dict[str, dict] = {}
        others = {f".{other}" for other in range(1, world)}  # which look after their own
        own = [p for p in journals(out) if p == self._path or (rank == 0 and p.suffix not in others)]
        if own and not resume and all(map(has_ended, own)):
            for path in own:
                path.unlink()
        elif own and not resume:
            remedy = f"Give --resume to go on with it, or {_ANEW.format(own[0])}"
            raise InputError("an unfinished run is there", remedy, file=out)
        for path in journals(out) if resume else []:
            self.finished |= _read(path, how)
        self._stamps = {picture: found.pop("stamp") for picture, found in self.finished.items()}

    def knows(self, picture: Path) -> bool:
        """Whether the picture is finished, and its file as it was then."""
        name = str(picture.resolve())
        return name in self._stamps and picture.is_file() and self._stamps[name] == _stamp(picture)

    def add(self, picture: Path, found: dict) -> None:
        """Note a picture and what it gave; the system has it when this returns.

        Raises:
            InputError: it cannot be written.
        """
        try:
            if self._file is None:
                self._file = self._path.open("a")
                self._write(self._how)
            self._write({"picture": str(picture.resolve()), "stamp": _stamp(picture), **found})
        except OSError as error:
            problem = f"cannot be written ({error.strerror or error})"
            raise InputError(problem, "Free some space, or give another --out", file=self._path) from error

    def _write(self, line: dict) -> None:
        self._file.write("\n" + json.dumps(line))  # what was there may have broken off
        self._file.flush()


def _stamp(picture: Path) -> list[int]:
    """Size and time of a file."""
    state = picture.stat()
    return [state.st_size, state.st_mtime_ns]


def _prefix(out: Path) -> str:
    return f".{out.name}.journal."


def journals(out: Path) -> list[Path]:
    """The journals beside a results file."""
    return sorted(path for path in out.parent.iterdir() if path.name.startswith(_prefix(out)))


def end(out: Path) -> None:
    """Note in the journals beside a results file that the run came to its end: nobody need go on with it."""
    for path in journals(out):
        with path.open("a") as file:
            file.write("\n" + json.dumps(_END))


def has_ended(path: Path) -> bool:
    """Whether the run of a journal came to its end."""
    return path.read_text(errors="replace").rstrip().endswith(json.dumps(_END))


def forget(out: Path) -> None:
    """Remove the journals beside a results file."""
    for path in journals(out):
        path.unlink(missing_ok=True)


def _read(path: Path, how: dict[str, Any]) -> dict[str, dict]:
    finished = {}
    for text in path.read_text(errors="replace").splitlines():
        try:
            line = json.loads(text)
        except ValueError:
            continue
        if not isinstance(line, dict):
            continue
        if line == _END:
            continue
        if "picture" in line:
            finished[line.pop("picture")] = line
        elif changed := [f"{k} {line.get(k)}, now {v}" for k, v in how.items() if line.get(k) != v]:
            problem = f"was begun with {'; '.join(changed)}"
            raise InputError(problem, f"Call it as before, or {_ANEW.format(path)}", file=path)
    return finished
