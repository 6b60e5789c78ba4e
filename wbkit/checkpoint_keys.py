"""What a checkpoint is: its layout, its sizes, and the PoseNet key that each of its keys stands for.

Layouts: MMPose 1.x and PoseNet's own (`backbone.*`, `head.final_layer.*`), MMPose 0.x (`keypoint_head.*`),
the original HRNet and DarkPose repositories (no prefix), HRNet's ImageNet classifiers.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from torch import Tensor

from wbkit.download import fetch, is_url, verify_file
from wbkit.errors import InputError
from wbkit.recipes import RECIPES
from wbkit.weight_files import existing_file, few, find_weights, read_content

OFFICIAL_CHECKPOINTS = {r.name: r.checkpoint_url for r in RECIPES.values() if r.checkpoint_url}
"""The two published whole-body systems, by the name of their recipe."""

HEAD_WEIGHT, HEAD_BIAS = "head.final_layer.weight", "head.final_layer.bias"
_HIDDEN_WEIGHT = "head.conv_layers.0.weight"
_PREFIX = re.compile(r"((?:\w+\.)*?)(?:backbone\.)?stage[234]\.\d+\.(?:branches|fuse_layers)\.")
_BACKBONE = re.compile(
    r"(?:backbone\.)?((?:conv1|bn1|conv2|bn2|layer1|transition[123]|stage[234])\..+)", re.S
)
_HEAD = re.compile(r"(?:head\.|keypoint_head\.)?(final_layer\.(?:weight|bias)|conv_layers\.[01]\.\w+)")
_CLASSIFIER = re.compile(
    r"(?:backbone\.)?(?:incre_modules|downsamp_modules|final_layer\.\d|classifier)\..+|(?:neck|head\.fc)\..+"
)
_LOWER_OUTPUTS = re.compile(r"(?:backbone\.)?stage4\.2\.fuse_layers\.[123]\..+")


@dataclass(frozen=True)
class CheckpointInfo:
    """What a checkpoint holds: enough to build its model, `PoseNet(width, num_keypoints, head_channels)`.

    `num_keypoints` is None where there is no pose head (ImageNet and bare backbones), `head_channels` 0
    where nothing but the last layer follows the backbone. `metadata` is the
    safetensors header's, empty for other files; `verified` the hash that was compared, if any.
    """

    source: str
    layout: str
    width: int | None
    num_keypoints: int | None
    head_channels: int = 0
    metadata: dict[str, str] = field(default_factory=dict)
    verified: str | None = None

    def __str__(self) -> str:
        keypoints = "no pose head" if self.num_keypoints is None else f"{self.num_keypoints} keypoints"
        checked = f"{self.verified} verified" if self.verified else "no hash to verify"
        head = f", head of {self.head_channels} channels" * bool(self.head_channels)
        return f"{self.source}: {self.layout}, width {self.width}, {keypoints}{head} ({checked})"


@dataclass
class Checkpoint:
    """A file's tensors by their own keys, and the model key that each stands for (None: no such)."""

    info: CheckpointInfo
    tensors: dict[str, Tensor]
    targets: dict[str, str | None]
    expendable: set[str]  # keys without a target that a load of the backbone alone may leave out
    notes: list[str]


def describe_checkpoint(path_or_url: str | Path, *, entry: str | None = None) -> CheckpointInfo:
    """Layout, width, number of keypoints and metadata of a checkpoint, to build a model that fits it.

    Args and errors: as for `load_pose_weights`.
    """
    return read_checkpoint(path_or_url, entry).info


def read_checkpoint(path_or_url: str | Path, entry: str | None) -> Checkpoint:
    """Fetch and verify if need be, read, find the weights inside, name the model key of each."""
    if path_or_url in OFFICIAL_CHECKPOINTS and not Path(path_or_url).exists():
        path_or_url = OFFICIAL_CHECKPOINTS[path_or_url]
    path = fetch(path_or_url) if is_url(path_or_url) else existing_file(path_or_url)
    verified = verify_file(path)
    content, metadata = read_content(path)
    weights, notes = find_weights(content, entry, path)
    targets, expendable = _targets(weights, path)
    tensors = {k: v for k, v in weights.items() if isinstance(v, Tensor)}
    targets = {k: target if k in tensors else None for k, target in targets.items()}
    sizes = sizes_of({target: tensors[k] for k, target in targets.items() if target})
    info = CheckpointInfo(str(path_or_url), _layout(targets, metadata), *sizes, metadata, verified)
    return Checkpoint(info, tensors, targets, expendable, notes)


def _targets(keys: Iterable[str], path: Path) -> tuple[dict[str, str | None], set[str]]:
    """The model key of every key of a file (None: the model has none), and which of the rest may go."""
    prefixes = {match[1] for key in keys if (match := _PREFIX.match(key))}
    if len(prefixes) != 1:
        found = (
            f"several HRNets: {few(map(repr, sorted(prefixes)))}" if prefixes else f"no HRNet: {few(keys)}"
        )
        raise InputError(f"holds {found}", "Give a file of one HRNet pose model or backbone", file=path)
    (prefix,) = prefixes
    targets, expendable = {}, set()
    for key in keys:
        bare = key.removeprefix(prefix)
        backbone, head = _BACKBONE.fullmatch(bare), _HEAD.fullmatch(bare)
        targets[key] = f"backbone.{backbone[1]}" if backbone else f"head.{head[1]}" if head else None
        if _CLASSIFIER.fullmatch(bare) or _LOWER_OUTPUTS.fullmatch(bare):
            targets[key] = None
            expendable.add(key)
    twice = [name for name, count in Counter(targets.values()).items() if name and count > 1]
    if twice:
        raise InputError(f"holds {few(twice)} under two names", "Remove one set of weights", file=path)
    return targets, expendable


def _layout(keys: Iterable[str], metadata: dict[str, str]) -> str:
    """A name for the convention that the keys follow."""
    if metadata.get("layout") == "wbkit":
        return "wbkit"
    for pattern, name in (
        (r"(incre_modules|classifier|head\.fc|neck)\.", "ImageNet backbone"),
        (r"keypoint_head\.final_layer\.", "MMPose 0.x"),
        (r"head\.final_layer\.", "MMPose 1.x"),
        (r"final_layer\.weight$", "original HRNet"),
    ):
        if any(re.search(rf"(^|\.){pattern}", key) for key in keys):
            return name
    return "backbone only"


def sizes_of(state: dict[str, Tensor]) -> tuple[int | None, int | None, int]:
    """Width, number of keypoints (None where the key is missing), channels of the head's own convolution."""
    keys = ("backbone.stage2.0.branches.0.0.conv1.weight", HEAD_WEIGHT, _HIDDEN_WEIGHT)
    width, keypoints, hidden = (len(t) if (t := state.get(k)) is not None and t.ndim else None for k in keys)
    return width, keypoints, hidden or 0
