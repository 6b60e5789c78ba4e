"""Data and cache folders, JSON with clear errors, atomic writes."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TextIO

from wbkit.errors import InputError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None


def data_folder() -> Path:
    """The project's `data/`: `$WBKIT_DATA` if set, else the checkout that this package lies in.

    Raises:
        InputError: neither exists.
    """
    named = os.environ.get("WBKIT_DATA")
    folder = Path(named) if named else Path(__file__).resolve().parent.parent / "data"
    if not folder.is_dir():
        why = "the folder that WBKIT_DATA names does not exist" if named else "no data folder beside wbkit"
        raise InputError(why, "Set WBKIT_DATA to the data/ folder of a wbkit checkout", file=folder)
    return folder


def cache_folder(kind: str) -> Path:
    """Folder for things that can be made or fetched again: `$WBKIT_CACHE/kind`, else the user's cache."""
    named = os.environ.get("WBKIT_CACHE")
    if not named:
        import pooch

        named = pooch.os_cache("wbkit")
    return Path(named) / kind


def require_writable(path: Path) -> None:
    """Find out before the work whether a file can be written there; missing folders are made.

    Raises:
        InputError: it cannot.
    """
    trial = path.with_name(f".{path.name}.{os.getpid()}.trial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        trial.touch()
        trial.unlink()
    except OSError as error:
        problem = f"cannot be written ({error.strerror or error})"
        raise InputError(problem, "Choose a writable place", file=path) from error


@contextmanager
def one_process(lock: Path, busy: str | None = None) -> Iterator[None]:
    """Let one process at a time in; the system frees the lock when a process and its children have died.

    Args:
        lock: a file that is there for this only, and goes with the last.
        busy: what to say if another process is in; None: wait for it.

    Raises:
        InputError: another process is in, and `busy` says so.
    """
    lock.parent.mkdir(parents=True, exist_ok=True)
    while True:
        with lock.open("w") as file:
            try:
                if fcntl is not None:
                    fcntl.flock(file, fcntl.LOCK_EX | (fcntl.LOCK_NB if busy else 0))
            except BlockingIOError:
                remedy = "Wait for it (a killed one takes some seconds to end), or give another --out"
                raise InputError(busy, remedy) from None
            except OSError:  # a file system without locks: go on without
                pass
            if not _is_at(file, lock):
                continue  # whoever was in took the file away: another may hold the next one
            try:
                yield
            finally:
                with suppress(OSError):  # Windows keeps open files
                    lock.unlink()
            return


def _is_at(file: TextIO, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False


@contextmanager
def atomic_write(path: str | Path) -> Iterator[Path]:
    """Give a temporary path beside `path`; rename it to `path` on success, remove it on failure.

    Readers see the old file or the whole new one, never half of it. Missing parent folders are made.

    Raises:
        InputError: the folder cannot be written to.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp{path.suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        with suppress(PermissionError):  # of a file system that has no modes
            temporary.chmod(0o666 & ~_umask())  # some libraries write for the owner's eyes only
        temporary.replace(path)
    except OSError as error:
        raise InputError(
            f"cannot be written ({error.strerror or error})", "Choose a writable place", file=path
        ) from error
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def _umask() -> int:
    """The process's mask; it can only be read by setting it."""
    mask = os.umask(0o022)
    os.umask(mask)
    return mask


def read_json(path: str | Path) -> Any:
    """Parse a JSON file.

    Raises:
        InputError: the file is missing, unreadable, or not JSON; the message says where it breaks off.
    """
    try:
        return json.loads(Path(path).read_bytes())
    except OSError as error:
        raise InputError(
            f"cannot be read ({error.strerror or error})", "Check the path", file=path
        ) from error
    except ValueError as error:  # JSONDecodeError, or bytes that are no text
        if Path(path).suffix.lower() in (".csv", ".pkl", ".pickle", ".npz", ".yaml"):
            problem = f"is a {Path(path).suffix} file, not JSON"
            raise InputError(problem, "Give the JSON file", file=path) from error
        raise InputError(
            f"is not valid JSON ({error})", "Fetch or write the file again; it may be cut off", file=path
        ) from error


def write_json(path: str | Path, content: Any) -> None:
    """Write `content` as compact JSON, atomically."""
    with atomic_write(path) as temporary:
        temporary.write_text(json.dumps(content, separators=(",", ":")))
