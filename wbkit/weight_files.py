"""Weights in files of any kind -> a plain dict of tensors, without ever running code from the file.

PyTorch pickles (zip and older), safetensors; bare or inside a training program's wrapper.
"""

from __future__ import annotations

import pickle
import re
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from wbkit.errors import InputError
from wbkit.recipes import RECIPES

# Where training programs put the weights, best first: the averaged ones only if there are no others.
ENTRIES = ("state_dict", "model_state_dict", "model", "net", "network", "params", "weights")
ENTRIES += ("state_dict_ema", "model_ema", "ema_state_dict", "ema")
CLEAN = (
    "Load only files of weights. If you trust who made this one, make a clean one where it comes from: "
    'torch.save({"state_dict": torch.load(FILE, weights_only=False)["state_dict"]}, "clean.pth"); '
    "for a whole model save model.state_dict(); MMPose has tools/misc/publish_model.py for it"
)


def read_metadata(path: str | Path) -> dict[str, str]:
    """The texts in the header of a safetensors file; the weights are not read.

    Raises:
        InputError: the file is missing, damaged, or no safetensors file.
    """
    path = existing_file(path)
    try:
        with safe_open(path, framework="pt") as file:
            return dict(file.metadata() or {})
    except SafetensorError as error:
        raise InputError(
            f"is no whole safetensors file ({error})", "Write or fetch it again", file=path
        ) from error


def existing_file(path: str | Path) -> Path:
    """The path, `~` expanded, if a file with something in it lies there; InputError if not."""
    path = Path(path).expanduser()
    if path.is_dir():
        raise InputError("is a folder, not a checkpoint", "Name the file inside it", file=path)
    if not path.is_file():
        published = ", ".join(r.name for r in RECIPES.values() if r.checkpoint_url)
        remedy = f"Check the path; published ones are fetched by name: {published}"
        raise InputError("does not exist", remedy, file=path)
    if path.stat().st_size == 0:
        raise InputError("is empty", "Fetch or write it again", file=path)
    return path


def read_content(path: Path) -> tuple[Any, dict[str, str]]:
    """What the file holds, and its metadata; the first bytes tell its kind, whatever its name.

    Raises:
        InputError: no checkpoint, damaged, or a pickle that asks for more than data.
    """
    try:
        with path.open("rb") as file:
            start = file.read(64)
    except OSError as error:
        raise InputError(
            f"cannot be read ({error.strerror or error})", "Check its permissions", file=path
        ) from error
    if start[8:9] == b"{":
        metadata = read_metadata(path)
        with safe_open(path, framework="pt") as file:
            return {key: file.get_tensor(key) for key in file.keys()}, metadata  # noqa: SIM118
    if start.startswith((b"PK\x03\x04", b"\x80")):
        content = _unpickle(path)
        return content, _pickled_metadata(content)
    kinds = ((b"<", "a web page"), (b"version https://git-lfs", "a Git LFS pointer"), (b"\xff\xd8", "a JPEG"))
    kind = next((f" but {name}" for mark, name in kinds if start.lstrip().startswith(mark)), "")
    raise InputError(
        f"is not a checkpoint{kind} (it begins with {start[:12]!r})", "Fetch it again", file=path
    )


def _unpickle(path: Path) -> Any:
    """`torch.load` of data alone: nothing in the file is ever run."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about TorchScript and pickle protocols; both end in an error
            return torch.load(path, map_location="cpu", weights_only=True)
    except (
        Exception
    ) as error:  # torch has no error of its own: UnpicklingError, RuntimeError, EOFError, KeyError
        wants = _refused(path, error) if isinstance(error, pickle.UnpicklingError) else []
        if wants:
            problem, remedy = (
                f"was refused: unpickling it would call {few(wants, 12)}, which could run any code",
                CLEAN,
            )
        elif "TorchScript" in str(error):
            problem, remedy = "is a TorchScript program, not weights", "Save model.state_dict() instead"
        else:
            problem = f"is damaged, cut off, or not written by torch.save ({type(error).__name__})"
            remedy = "Fetch or write it again"
        raise InputError(problem, remedy, file=path) from error


def _pickled_metadata(content: Any) -> dict[str, str]:
    """Recipe and input size, where wbkit wrote the file: `wbkit export` or a training run's state."""
    content = content if isinstance(content, dict) else {}
    meta, identity = (v if isinstance(v, dict) else {} for v in map(content.get, ("meta", "identity")))
    recipe = identity.get("recipe")
    if isinstance(recipe, dict) and "name" in recipe and len(recipe.get("input_size") or ()) == 2:
        return {
            "layout": "wbkit",
            "recipe": recipe["name"],
            "input_size": "{}x{}".format(*recipe["input_size"]),
        }
    return dict(meta["wbkit"]) if isinstance(meta.get("wbkit"), dict) else {}


def _refused(path: Path, error: pickle.UnpicklingError) -> list[str]:
    """The classes and functions that a pickle asks for and must not have."""
    try:
        return sorted(torch.serialization.get_unsafe_globals_in_checkpoint(str(path)))
    except (ValueError, RuntimeError, pickle.UnpicklingError):  # before PyTorch 1.6, or a plain pickle
        return sorted(set(re.findall(r"GLOBAL ([\w.]+)", str(error))))


def _search(content: Any, depth: int = 3) -> dict[Any, Any] | None:
    """The state dict inside nested wrappers: the first entry of a known name that leads to tensors."""
    if not isinstance(content, dict) or depth == 0:
        return None
    for name in ENTRIES:
        found = _search(content.get(name), depth - 1)
        if found is not None:
            return found
    return content if any(isinstance(v, Tensor) for v in content.values()) else None


def find_weights(content: Any, entry: str | None, path: Path) -> tuple[dict[str, Any], list[str]]:
    """The state dict inside `content` (or inside its `entry`), and notes on others that the file holds.

    Raises:
        InputError: there is no such entry, or no dict with tensors.
    """
    entries = list(content) if isinstance(content, dict) else []
    if entry is not None and entry not in entries:
        raise InputError(f'has no entry "{entry}"', f"It has {few(entries)}", file=path)
    weights = _search(content if entry is None else content[entry])
    if weights is None:
        holds = f"a dict with {few(entries)}" if entries else f"a {type(content).__name__}"
        remedy = "Save model.state_dict(), or name the entry that holds it (entry=...)"
        raise InputError(f"holds no weights but {holds}", remedy, file=path)
    found = {e: _search(content[e]) for e in ENTRIES if e in entries}
    others = [e for e, state in found.items() if state is not None and state is not weights]
    notes = [f'entry "{e}" of the file was not used (entry="{e}" loads it)' for e in others]
    return {str(key): value for key, value in weights.items()}, notes


def few(items: Iterable[object], count: int = 4) -> str:
    """The first few, and how many more: for messages about long lists."""
    names = [str(item) for item in items]
    return ", ".join(names[:count]) + (f", ... and {len(names) - count} more" if len(names) > count else "")
