"""Layers that several methods share: projection heads and momentum copies."""

import copy
import math
from collections.abc import Sequence
from itertools import pairwise
from typing import TypeVar

import torch
from torch import Tensor, nn

ModuleT = TypeVar("ModuleT", bound=nn.Module)


def mlp(dims: Sequence[int], *, last_norm: bool = False) -> nn.Sequential:
    """Builds a multi-layer perceptron with batch norm and ReLU after every layer but the last.

    Args:
        dims: Widths of input, hidden layers and output: maps (batch, dims[0]) to (batch, dims[-1]).
        last_norm: Adds a batch norm without scale and offset after the last layer, as in MoCo v3.
    """
    layers: list[nn.Module] = []
    for dim_in, dim_out in pairwise(dims[:-1]):
        layers += [nn.Linear(dim_in, dim_out, bias=False), nn.BatchNorm1d(dim_out), nn.ReLU(inplace=True)]
    layers.append(nn.Linear(dims[-2], dims[-1], bias=not last_norm))
    if last_norm:
        layers.append(nn.BatchNorm1d(dims[-1], affine=False))
    return nn.Sequential(*layers)


def momentum_copy(network: ModuleT) -> ModuleT:
    """Copies a network without gradients, as a target for `update_momentum`."""
    return copy.deepcopy(network).requires_grad_(requires_grad=False)


@torch.no_grad()
def update_momentum(target: nn.Module, online: nn.Module, momentum: float) -> None:
    """Updates parameters as target <- momentum * target + (1 - momentum) * online, and copies buffers."""
    torch._foreach_lerp_(list(target.parameters()), list(online.parameters()), 1 - momentum)
    for target_buffer, online_buffer in zip(target.buffers(), online.buffers(), strict=True):
        target_buffer.copy_(online_buffer)


def cosine_schedule(start: float, end: float, progress: Tensor) -> float:
    """Interpolates from `start` to `end` along half a cosine; `progress` is in 0..1."""
    return end - (end - start) * (math.cos(math.pi * float(progress)) + 1) / 2
