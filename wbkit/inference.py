"""A network that only predicts: BatchNorm folded, channels last, one precision, compiled if asked."""

from __future__ import annotations

from copy import deepcopy
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval


def fold_batchnorm(model: nn.Module) -> nn.Module:
    """A copy in eval mode in which each BatchNorm is part of the convolution registered before it.

    BatchNorm with fixed statistics is y = a x + b a channel, and so is a scaled convolution's output:
    W' = a W, b' = b. Heatmaps change by rounding only (about 1e-6 of their maximum).
    """
    copy = deepcopy(model).eval()
    for parent in list(copy.modules()):
        for (name, layer), (norm_name, norm) in pairwise(list(parent.named_children())):
            if isinstance(layer, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                setattr(parent, name, fuse_conv_bn_eval(layer, norm))
                setattr(parent, norm_name, nn.Identity())
    return copy


def prepare(model: nn.Module, dtype: torch.dtype = torch.float32, compile: bool = False) -> nn.Module:
    """A copy of the network for predicting.

    Args:
        model: trained; not changed, and later changes of it do not reach the copy.
        dtype: of weights and activations. bfloat16 is the fast one on GPUs and on CPUs with AVX512-BF16 or
            AMX; give it images of that type.
        compile: see `Compiled`: half a minute or more for every new input shape, then faster (by how much
            stands in the README).
    """
    network = fold_batchnorm(model).to(dtype=dtype, memory_format=torch.channels_last).requires_grad_(False)
    return Compiled(network) if compile else network


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
