"""The data flow of a PoseNet, read from the network as it runs: its feature maps, and what feeds them."""

from __future__ import annotations

import re
from copy import deepcopy
from dataclasses import dataclass

import pandas as pd
import torch
from torch import Tensor, nn

from wbkit.hrnet import HighResolutionModule, PoseNet

_BLOCKS = re.compile(r"backbone\.(stage\d)\.\d+\.branches\.\d+")
_FUSE_PATH = re.compile(r"backbone\.stage\d\.\d+\.fuse_layers\.(\d+)\.\d+")
_TRANSITION = re.compile(r"backbone\.transition\d\.\d+")
_MAPS = {  # other modules whose output is a map of its own -> its kind; the stem's ReLU works in place
    "backbone.bn1": "stem",
    "backbone.bn2": "stem",
    "backbone.layer1": "blocks",
    "head.conv_layers": "hidden",  # empty in published nets
    "head.final_layer": "heatmaps",
}
_ON_THE_WAY = ("backbone.conv1", "backbone.conv2")


@dataclass(frozen=True)
class Flow:
    """A network as a graph.

    Attributes:
        maps: a row for every feature map, in the order in which they are computed; indexed by the name of the
            module that made it ("image", "backbone.stage3.1.branches.2", "backbone.stage3.1 -> 2" for what
            module stage3.1 hands on at branch 2). Columns: kind ("image", "stem", "blocks", "fused",
            "hidden", "heatmaps"), stage ("stem", "layer1", "stage2" ... "stage4", "head"), column (length of
            the longest way from the image), stride (of the image), channels, height, width.
        paths: a row for every way from one map to another. Columns: source, target (names of maps), kind
            ("same", "down", "up": what it does to the resolution), module (on the way: a fuse path, a
            transition; "" for none).
    """

    maps: pd.DataFrame
    paths: pd.DataFrame


def trace(model: PoseNet, input_size: tuple[int, int]) -> Flow:
    """Run a copy of `model` on torch's "meta" device (shapes only, no arithmetic) and note what goes where.

    Args:
        model: not changed; any width.
        input_size: (W, H) px, multiples of 32.
    """
    tracer = _Tracer()
    copy = deepcopy(model).to("meta").eval()
    for name, module in copy.named_modules():
        if (name in _MAPS and any(True for _ in module.parameters())) or _BLOCKS.fullmatch(name):
            module.register_forward_hook(tracer.makes_a_map(name))
        elif isinstance(module, HighResolutionModule):
            module.register_forward_hook(tracer.fuses(name))
        elif name in _ON_THE_WAY or _TRANSITION.fullmatch(name) or _FUSE_PATH.fullmatch(name):
            module.register_forward_hook(tracer.passes_through(name))
    width, height = input_size
    image = torch.empty(1, 3, height, width, device="meta")
    tracer.add("image", "image", "stem", image, [])
    copy(image)
    return tracer.flow()


class _Tracer:
    """Forward hooks that recognise tensors again: by identity, so all of them are kept until the end."""

    def __init__(self):
        self.kept: list[Tensor] = []
        self.origin: dict[int, tuple[str, str]] = {}  # id of a tensor -> its map, the module on the way
        self.arriving: dict[int, list[tuple[str, str]]] = {}  # output of the module that runs -> its sources
        self.maps: dict[str, dict] = {}
        self.paths: list[dict] = []

    def add(self, name: str, kind: str, stage: str, tensor: Tensor, sources: list[tuple[str, str]]) -> None:
        """A new map and the ways to it, from (map, module on the way)."""
        self._remember(tensor, name, "")
        channels, height, width = tensor.shape[1:]
        full = self.maps["image"]["height"] if self.maps else height
        column = 1 + max((self.maps[source]["column"] for source, _ in sources), default=-1)
        self.maps[name] = {
            "kind": kind, "stage": stage, "column": column, "stride": full // height,
            "channels": channels, "height": height, "width": width,
        }  # fmt: skip
        for source, module in sources:
            before = self.maps[source]["height"]
            change = "same" if before == height else "down" if before > height else "up"
            self.paths.append({"source": source, "target": name, "kind": change, "module": module})

    def makes_a_map(self, name: str):
        """A hook for a module whose output is a map."""
        blocks = _BLOCKS.fullmatch(name)
        kind = "blocks" if blocks else _MAPS[name]
        stage = blocks[1] if blocks else {"stem": "stem", "blocks": "layer1"}.get(kind, "head")

        def hook(module: nn.Module, inputs: tuple[Tensor], output: Tensor) -> None:
            self.add(name, kind, stage, output, [self.origin[id(inputs[0])]])

        return hook

    def passes_through(self, name: str):
        """A hook for what lies between two maps; a fuse path also says which output it is added to."""
        path = _FUSE_PATH.fullmatch(name)

        def hook(module: nn.Module, inputs: tuple[Tensor], output: Tensor) -> None:
            source, _ = self.origin[id(inputs[0])]
            if path:
                self.arriving.setdefault(int(path[1]), []).append((source, name))
            elif output is not inputs[0]:  # the identity hands on the same tensor
                self._remember(output, source, "" if name in _ON_THE_WAY else name)

        return hook

    def fuses(self, name: str):
        """A hook for a HighResolutionModule: its outputs are sums of all that arrived."""
        stage = name.split(".")[1]

        def hook(module: nn.Module, inputs: tuple, outputs: list[Tensor]) -> None:
            for branch, output in enumerate(outputs):
                self.add(f"{name} -> {branch}", "fused", stage, output, self.arriving.pop(branch))

        return hook

    def _remember(self, tensor: Tensor, source: str, module: str) -> None:
        self.kept.append(tensor)
        self.origin[id(tensor)] = (source, module)

    def flow(self) -> Flow:
        """What was seen."""
        return Flow(pd.DataFrame.from_dict(self.maps, orient="index"), pd.DataFrame(self.paths))
