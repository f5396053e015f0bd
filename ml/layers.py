"""Layers that methods put behind an encoder: projectors, and copies that follow slowly."""

import copy
import math
from collections.abc import Sequence
from itertools import pairwise
from typing import TypeVar

import torch
from torch import Tensor, nn

ModuleT = TypeVar("ModuleT", bound=nn.Module)


def mlp(dims: Sequence[int], *, last_norm: bool = False) -> nn.Sequential:
    """Linear layers through these widths, (batch, dims[0]) -> (batch, dims[-1]), each but the last with BN and ReLU.

    With `last_norm` the last one has a batch norm without scale and offset behind it, as MoCo v3 has.
    """
    layers: list[nn.Module] = []
    for dim_in, dim_out in pairwise(dims[:-1]):
        layers += [nn.Linear(dim_in, dim_out, bias=False), nn.BatchNorm1d(dim_out), nn.ReLU(inplace=True)]
    layers.append(nn.Linear(dims[-2], dims[-1], bias=not last_norm))
    if last_norm:
        layers.append(nn.BatchNorm1d(dims[-1], affine=False))
    return nn.Sequential(*layers)


def slow_copy(network: ModuleT) -> ModuleT:
    """A copy that no gradient reaches, to be moved by `follow`."""
    return copy.deepcopy(network).requires_grad_(requires_grad=False)


@torch.no_grad()
def follow(slow: nn.Module, fast: nn.Module, momentum: float) -> None:
    """Moves a slow copy: slow <- momentum x slow + (1 - momentum) x fast; buffers are taken over."""
    torch._foreach_lerp_(list(slow.parameters()), list(fast.parameters()), 1 - momentum)
    for mine, other in zip(slow.buffers(), fast.buffers(), strict=True):
        mine.copy_(other)


def cosine(start: float, end: float, progress: Tensor) -> float:
    """The value at a progress of 0..1 on half a cosine from start to end."""
    return end - (end - start) * (math.cos(math.pi * float(progress)) + 1) / 2
