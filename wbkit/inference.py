"""A network that only predicts: BatchNorm folded, channels last, one precision, fused or compiled."""

from __future__ import annotations

from copy import deepcopy
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from wbkit.hrnet import BasicBlock, Bottleneck


def prepare(model: nn.Module, dtype: torch.dtype = torch.float32, compile: bool = False) -> nn.Module:
    """A copy of the network for predicting, and nothing else: later changes of the model do not reach it.

    On a CPU with oneDNN (`can_fuse`) its weights are no parameters: it cannot be trained, saved, moved,
    copied or differentiated, it has lost the hooks of the model's layers, and blocks write into the memory of
    their input (given one block alone, into the caller's).

    Args:
        model: trained; not changed.
        dtype: of weights and activations. bfloat16 is the fast one on GPUs and on CPUs with AVX512-BF16 or
            AMX; give it images of that type.
        compile: see `Compiled`: half a minute or more for every new input shape. On CPUs with oneDNN the
            copy is about as fast without (`fuse`; how fast stands in the README).
    """
    network = fold_batchnorm(model).to(dtype=dtype, memory_format=torch.channels_last).requires_grad_(False)
    if compile:
        return Compiled(network)
    return fuse(network) if can_fuse(network) else network


def fold_batchnorm(model: nn.Module) -> nn.Module:
    """A copy in eval mode in which each BatchNorm is part of the convolution registered before it.

    BatchNorm with fixed statistics is y = a x + b a channel, and so is a scaled convolution's output:
    W' = a W, b' = b. Heatmaps change by rounding only (about 1e-6 of their maximum).
    """
    copy = deepcopy(model).eval()
    for parent in list(copy.modules()):
        for (name, layer), (norm_name, norm) in pairwise(list(parent.named_children())):
            if isinstance(layer, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d | nn.SyncBatchNorm):
                setattr(parent, name, fuse_conv_bn_eval(layer, norm))
                setattr(parent, norm_name, nn.Identity())
    return copy


class Compiled(nn.Module):
    """`torch.compile` with the weights as constants: changes do not reach an input shape that was compiled.

    On CPUs they are packed, and convolutions take over the addition and ReLU after them. The setting must
    hold while a call is traced, without gradients: as an option of `torch.compile` it comes too late.
    """

    def __init__(self, network: nn.Module):
        super().__init__()
        from torch._inductor import config  # takes a second

        self.network, self.frozen = torch.compile(network, dynamic=False), config.patch(freezing=True)

    def forward(self, images: Tensor) -> Tensor:
        with self.frozen, torch.no_grad():
            return self.network(images)


def can_fuse(network: nn.Module) -> bool:
    """Whether oneDNN computes this network's convolutions here, and whatever comes after them with them.

    Not on ARM, where it hands them on to the Compute Library, which does not.
    """
    weight = next(network.parameters())
    one_dnn = torch.backends.mkldnn.is_available() and torch.backends.mkldnn.enabled
    if weight.device.type != "cpu" or not one_dnn or torch.ops.mkldnn._is_mkldnn_acl_supported():
        return False
    if weight.dtype == torch.bfloat16:
        return torch.ops.mkldnn._is_mkldnn_bf16_supported()
    return weight.dtype == torch.float32


class FusedConv(nn.Module):
    """relu(W * x + b) or relu(W * x + b + skip) in one pass over the output: (B, C, H, W) -> (B, C', H', W').

    By torch's calls of oneDNN, those to which `torch.compile` comes in the end. The weights lie in oneDNN's
    own order.

    Args:
        conv: with zeros for padding, in a type for which `can_fuse`; not changed.
        relu: in `forward`; `add_relu_` has it always.
    """

    def __init__(self, conv: nn.Conv2d, relu: bool = False):
        super().__init__()
        geometry = (list(conv.padding), list(conv.stride), list(conv.dilation), conv.groups)
        self.weight = torch.ops.mkldnn._reorder_convolution_weight(conv.weight.detach(), *geometry)
        self.bias = None if conv.bias is None else conv.bias.detach()
        self.geometry, self.relu = geometry, relu

    def forward(self, x: Tensor) -> Tensor:
        after = "relu" if self.relu else "none"
        return torch.ops.mkldnn._convolution_pointwise(
            x, self.weight, self.bias, *self.geometry, after, [], ""
        )

    def add_relu_(self, skip: Tensor, x: Tensor) -> Tensor:
        """relu(W * x + b + skip): the answer (B, C', H', W') takes the memory of `skip`, of that shape."""
        return torch.ops.mkldnn._convolution_pointwise_.binary(
            skip, x, self.weight, self.bias, *self.geometry, "add", 1.0, "relu", [], None
        )


class FusedBlock(nn.Module):
    """A residual block: its last convolution adds the skip connection, in whose memory the answer lies.

    Without a convolution on that way it is the block's input, which nothing in HRNet reads afterwards.
    """

    def __init__(self, block: BasicBlock | Bottleneck):
        super().__init__()
        *first, last = [m for m in block.children() if isinstance(m, nn.Conv2d)]
        self.first = nn.Sequential(*(FusedConv(m, relu=True) for m in first))
        self.last = FusedConv(last)
        self.downsample = fuse(getattr(block, "downsample", None) or nn.Identity())

    def forward(self, x: Tensor) -> Tensor:
        return self.last.add_relu_(self.downsample(x), self.first(x))


def fuse(network: nn.Module) -> nn.Module:
    """Let convolutions do the addition and ReLU after them, in blocks and sequences.

    Args:
        network: from `fold_batchnorm`, for which `can_fuse`; used up.

    Returns:
        the network, or what takes its place.
    """
    kind = type(network)  # a class derived from these may do something else
    if kind in (BasicBlock, Bottleneck):
        others = {type(m) for name, m in network.named_children() if name != "downsample"}
        return FusedBlock(network) if others == {nn.Conv2d, nn.Identity} else network
    if kind is nn.Conv2d:
        plain = network.padding_mode == "zeros" and not isinstance(network.padding, str)
        return FusedConv(network) if plain else network
    if kind is nn.Sequential:
        return nn.Sequential(*_join_relu([fuse(m) for m in network if not isinstance(m, nn.Identity)]))
    for name, child in network.named_children():
        setattr(network, name, fuse(child))
    return network


def _join_relu(layers: list[nn.Module]) -> list[nn.Module]:
    """Let each convolution do the ReLU right after it."""
    kept: list[nn.Module] = []
    for layer in layers:
        if isinstance(layer, nn.ReLU) and kept and isinstance(kept[-1], FusedConv):
            kept[-1].relu = True
        else:
            kept.append(layer)
    return kept
