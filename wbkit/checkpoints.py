"""Published and own checkpoints -> PoseNet: account for every key, refuse the rest; and back to a file.

`wbkit.checkpoint_keys` recognises the layouts. Own files are safetensors with width, number of keypoints and
what the caller adds (such as the recipe) in the header.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor

from wbkit.checkpoint_keys import (
    HEAD_BIAS,
    HEAD_WEIGHT,
    OFFICIAL_CHECKPOINTS,
    Checkpoint,
    CheckpointInfo,
    describe_checkpoint,
    read_checkpoint,
    sizes_of,
)
from wbkit.errors import InputError
from wbkit.files import atomic_write
from wbkit.hrnet import PoseNet
from wbkit.weight_files import few

__all__ = [
    "OFFICIAL_CHECKPOINTS",
    "LoadReport",
    "describe_checkpoint",
    "load_pose_weights",
    "save_pose_weights",
]
HEADS = ("load", "fresh", "carry_body")
NUM_BODY = 17
BODY_FIRST = (17, 23, 133)  # COCO, with feet, whole body: heads whose first 17 maps are COCO's body


@dataclass
class LoadReport:
    """Where every key went. Each key of the model is in exactly one of `used`, `kept`, `missing` and
    `mismatched`; each key of the file is a source of `used`, or in `skipped`, `leftover` or `mismatched`.

    Attributes:
        info: source, layout, width, keypoints and metadata of the checkpoint.
        used: key of the model -> key of the file that it was loaded from.
        kept: model keys left as they were on purpose (fresh head; batch counters that old files lack).
        missing: model keys that the file should have had. Empty after a strict load, as the next two.
        leftover: keys of the file that nothing expects.
        mismatched: model key -> (key of the file, shape in the file, shape in the model).
        skipped: keys of the file left out on purpose (a replaced head, ImageNet's classifier).
        notes: remarks for a reader.
    """

    info: CheckpointInfo
    used: dict[str, str] = field(default_factory=dict)
    kept: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    leftover: list[str] = field(default_factory=list)
    mismatched: dict[str, tuple[str, tuple[int, ...], tuple[int, ...]]] = field(default_factory=dict)
    skipped: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def source(self) -> str:
        """The path or address that was loaded."""
        return self.info.source

    @property
    def layout(self) -> str:
        """The convention that the file's keys follow, such as "MMPose 0.x"."""
        return self.info.layout

    @property
    def renamed(self) -> dict[str, str]:
        """Key of the file -> key of the model, for those loaded under another name."""
        return {source: target for target, source in self.used.items() if source != target}

    @property
    def faults(self) -> str:
        """What a strict load does not accept, in words; empty if nothing."""
        shapes = [f"{k} {theirs} for {ours}" for k, (_, theirs, ours) in self.mismatched.items()]
        parts = (("missing", self.missing), ("left over", self.leftover), ("of another shape", shapes))
        return "; ".join(f"{len(keys)} keys {what}: {few(keys)}" for what, keys in parts if keys)

    def __str__(self) -> str:
        lists = {
            f"{len(self.used)} weights loaded, {len(self.renamed)} of them renamed": [
                f"{a} -> {b}" for a, b in self.renamed.items()
            ],
            f"{len(self.kept)} of the model kept as they were": self.kept,
            f"{len(self.skipped)} of the file left out on purpose": self.skipped,
        }
        lines = [f"{what}: {few(keys)}" if keys else what for what, keys in lists.items() if what[0] != "0"]
        lines += [f"NOT LOADED: {self.faults}"] * bool(self.faults) + [f"note: {n}" for n in self.notes]
        return "\n  ".join([str(self.info), *lines])


def load_pose_weights(
    model: PoseNet,
    path_or_url: str | Path,
    *,
    strict: bool = True,
    head: str = "load",
    entry: str | None = None,
) -> LoadReport:
    """Load a checkpoint of any known layout into `model`: all of it, or nothing and an error.

    Args:
        model: a PoseNet of the checkpoint's width; stays on its device and in its dtype.
        path_or_url: a file (.pth, .pt, .safetensors), an address, or a name of `OFFICIAL_CHECKPOINTS`.
            A name that ends in a hash is verified.
        strict: accept nothing missing, left over, of another shape, NaN or infinite. False loads what fits
            and reports the rest; another width is an error all the same.
        head: what becomes of the head. "load": the checkpoint's. "fresh": the model's stays, and
            everything else must match; for ImageNet backbones (their classifier is left out) and for
            another number of keypoints. "carry_body": as "fresh", but maps 0..16, COCO's body, are copied:
            from 17 keypoints to 133, the published `+` training.
        entry: which entry of a training checkpoint to take, such as "state_dict_ema"; found by default.

    Returns:
        A report that accounts for every key; `print` it for a summary.

    Raises:
        InputError: the file is missing, damaged, has the wrong hash, wants to run code when unpickled, holds
            no HRNet, or does not fit; the message names file and keys and says what to do. The model is as
            it was.
    """
    if not isinstance(model, PoseNet):
        remedy = "Hand in the PoseNet itself, for a wrapped one `model.module`"
        raise InputError(f"weights are loaded into a PoseNet, not a {type(model).__name__}", remedy)
    if head not in HEADS:
        raise InputError(f'head="{head}" is unknown', f"Choose one of {', '.join(HEADS)}")
    checkpoint = read_checkpoint(path_or_url, entry)
    own = model.state_dict()
    _check_width(checkpoint.info, own)
    new, report = _match(own, checkpoint, head)
    if head == "carry_body":
        _carry_body(own, new, checkpoint, report)
    _check_values(new, report, strict)
    if (strict and report.faults) or not report.used:
        raise InputError(report.faults, _remedy(report.info, sizes_of(own), head), file=report.source)
    model.load_state_dict({**own, **new})
    return report


def save_pose_weights(
    model: PoseNet, path: str | Path, metadata: dict[str, str], dtype: torch.dtype | None = None
) -> None:
    """Write a model's weights as safetensors, atomically, with its width and number of keypoints.

    Args:
        model: what to save, on any device.
        path: the file to write; missing folders are made.
        metadata: texts for the header, such as `{"recipe": "tiny"}`.
        dtype: store convolution weights as this (float16 halves the file); BatchNorm and biases stay as
            they are, being small and sensitive. Loading converts back.

    Raises:
        InputError: metadata that is no text or contradicts the model, a weight beyond the range of `dtype`,
            a place that cannot be written to.
    """
    state = {k: v.detach().cpu().contiguous() for k, v in model.state_dict().items()}
    width, num_keypoints, _ = sizes_of(state)
    own = {"format": "pt", "layout": "wbkit", "width": str(width), "num_keypoints": str(num_keypoints)}
    for key, value in metadata.items():
        if not isinstance(key, str) or not isinstance(value, str) or own.get(key, value) != value:
            remedy = f"Give str -> str, and leave {', '.join(own)} to the model"
            raise InputError(f"metadata {key!r}: {value!r} cannot be stored", remedy, file=path)
    if dtype is not None:
        state = {k: v.to(dtype) if v.ndim > 1 else v for k, v in state.items()}
        beyond = [k for k, v in state.items() if not v.isfinite().all()]
        if beyond:
            raise InputError(f"{few(beyond)}: not finite as {dtype}", "Save with dtype=None", file=path)
    with atomic_write(path) as temporary:
        try:
            save_file(state, temporary, {**metadata, **own})
        except SafetensorError as error:  # where the disk is full, too
            raise OSError(str(error)) from error


def _match(own: dict[str, Tensor], checkpoint: Checkpoint, head: str) -> tuple[dict[str, Tensor], LoadReport]:
    """Account for every key of both sides; the tensors that can be loaded, by model key."""
    report = LoadReport(checkpoint.info, notes=list(checkpoint.notes))
    new: dict[str, Tensor] = {}
    last = (HEAD_WEIGHT, HEAD_BIAS)
    whole = [k for k in (*own, *checkpoint.targets.values()) if k and k.startswith("head.")]
    replaced = {"load": (), "fresh": whole, "carry_body": last}[head]
    for key, target in checkpoint.targets.items():
        expendable = head != "load" and key in checkpoint.expendable
        if expendable or target in replaced or key == "n_averaged":  # the counter of torch's AveragedModel
            report.skipped.append(key)
        elif target not in own:
            report.leftover.append(key)
        elif (theirs := checkpoint.tensors[key]).shape != own[target].shape:
            report.mismatched[target] = (key, tuple(theirs.shape), tuple(own[target].shape))
        else:
            new[target], report.used[target] = theirs, key
    rest = [key for key in own if key not in report.used and key not in report.mismatched]
    counters = [k for k in rest if k.endswith("num_batches_tracked") and k not in replaced]
    report.kept = [key for key in rest if key in counters or key in replaced]
    report.missing = [key for key in rest if key not in report.kept]
    if counters:
        old = "PyTorch before 0.4.1 wrote none, nothing uses them"
        report.notes.append(f"{len(counters)} num_batches_tracked are not in the file: {old}")
    return new, report


def _carry_body(
    own: dict[str, Tensor], new: dict[str, Tensor], checkpoint: Checkpoint, report: LoadReport
) -> None:
    """Add the model's last layer with rows 0..16 of the checkpoint's to `new`."""
    sources = {
        target: key for key, target in checkpoint.targets.items() if target in (HEAD_WEIGHT, HEAD_BIAS)
    }
    counts = checkpoint.info.num_keypoints, own[HEAD_WEIGHT].shape[0]
    if len(sources) < 2 or counts[0] not in BODY_FIRST or counts[1] not in BODY_FIRST:
        raise InputError(
            f'head="carry_body" takes COCO\'s 17 body maps from {counts[0] or "no"} keypoints to {counts[1]}',
            f'Both must be one of {BODY_FIRST}; use head="fresh" instead',
            file=report.source,
        )
    for target, key in sources.items():
        theirs = checkpoint.tensors[key]
        if theirs.shape[1:] != own[target].shape[1:] or theirs.shape[0] != counts[0]:
            report.mismatched[target] = (key, tuple(theirs.shape), tuple(own[target].shape))
        else:
            new[target] = own[target].detach().clone()
            new[target][:NUM_BODY] = theirs[:NUM_BODY]
            report.used[target] = key
            report.skipped.remove(key)
        report.kept.remove(target)
    report.notes.append(
        f"maps 0..16 of the head carried over from {counts[0]} keypoints, the others as they were"
    )


def _check_width(info: CheckpointInfo, own: dict[str, Tensor]) -> None:
    """Refuse another width at once: nearly every key would be of another shape."""
    if info.width not in (None, sizes_of(own)[0]):
        raise InputError(
            f"this checkpoint is width {info.width}, the model is width {sizes_of(own)[0]}",
            f"Use {_posenet(info)} (on the command line, the --recipe that it was trained with)",
            file=info.source,
        )


def _posenet(info: CheckpointInfo) -> str:
    """How to build the checkpoint's model."""
    sizes = {"num_keypoints": info.num_keypoints, "head_channels": info.head_channels}
    return "".join([f"PoseNet(width={info.width}", *(f", {k}={v}" for k, v in sizes.items() if v), ")"])


def _check_values(new: dict[str, Tensor], report: LoadReport, strict: bool) -> None:
    """Refuse integers (quantised files) always, NaN and infinity if strict; note a conversion."""
    floats = {k: v for k, v in new.items() if not k.endswith("num_batches_tracked")}
    integer = [k for k, v in floats.items() if not v.is_floating_point()]
    bad = [k for k, v in floats.items() if k not in integer and not v.float().isfinite().all()]
    if integer or (bad and strict):
        what = "not floating point (quantised?)" if integer else "NaN or infinite"
        remedy = (
            "Take a float checkpoint" if integer else "Take an earlier checkpoint: this training diverged"
        )
        raise InputError(f"weights are {what}: {few(integer or bad)}", remedy, file=report.source)
    if bad:
        report.notes.append(f"NaN or infinite: {few(bad)}")
    stored = {str(v.dtype).removeprefix("torch.") for v in floats.values()} - {"float32"}
    if stored:
        report.notes.append(f"some weights are stored as {', '.join(sorted(stored))} and were converted")


def _remedy(info: CheckpointInfo, own_sizes: tuple[int | None, int | None, int], head: str) -> str:
    """What to do about a checkpoint that does not fit."""
    loose = "strict=False loads what fits and reports the rest"
    if head == "load" and info.num_keypoints is None:
        return f'It has no pose head: head="fresh" loads the backbone and keeps the model\'s head; {loose}'
    if head == "load" and info.num_keypoints != own_sizes[1]:
        return (
            f"This checkpoint has {info.num_keypoints} keypoints, the model {own_sizes[1]}: use "
            f"{_posenet(info)}, or keep the model's head with "
            f'head="fresh" or, for COCO\'s 17 body points, head="carry_body" (wbkit train: --head)'
        )
    if head != "fresh" and info.head_channels != own_sizes[2]:
        wanted = _posenet(replace(info, num_keypoints=own_sizes[1]))
        return (
            f"The convolution before the last layer has {info.head_channels} channels here, in the model "
            f'{own_sizes[2]} (0: none): use {wanted}, or head="fresh" (wbkit train --head fresh), which '
            "takes the backbone and leaves the model's own head"
        )
    return f"Check that it is a checkpoint of this model; {loose}"
