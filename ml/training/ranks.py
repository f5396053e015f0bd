"""Ranks: data-parallel training of one method by several processes, each on its share of every batch.

Every rank draws the same order of images and the same views, and computes those of its own rows. The loss is over the
gathered outputs of all ranks, so n ranks compute the same gradient as one process with the same global batch. Without a
process group there is one rank.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn

ValueT = TypeVar("ValueT")


@dataclass(frozen=True)
class Ranks:
    """The rank of this process in a process group of `world_size`."""

    rank: int = 0
    world_size: int = 1

    @classmethod
    def current(cls) -> Ranks:
        """Returns the rank in the process group that torchrun or Ray Train initialized; a single rank without one."""
        if not (dist.is_available() and dist.is_initialized()):
            return cls()
        return cls(dist.get_rank(), dist.get_world_size())

    @property
    def is_first(self) -> bool:
        """True for the rank that writes files and reports metrics."""
        return self.rank == 0

    def local_slice(self, num_rows: int) -> slice:
        """Returns this rank's rows of a batch; raises ValueError if the batch does not divide into equal shares."""
        if num_rows % self.world_size:
            raise ValueError(
                f"a batch of {num_rows} cannot be shared by {self.world_size} ranks; choose a multiple of them"
            )
        share = num_rows // self.world_size
        return slice(self.rank * share, (self.rank + 1) * share)

    def all_gather(self, rows: Tensor) -> Tensor:
        """Gathers the rows of all ranks in the order of the batch, without a gradient."""
        if self.world_size == 1:
            return rows
        parts = [torch.empty_like(rows) for _ in range(self.world_size)]
        dist.all_gather(parts, rows.contiguous())
        return torch.cat(parts)

    def local_rows(self, rows: Tensor, num_own: int) -> Tensor:
        """Returns this rank's `num_own` rows of gathered rows."""
        return rows[self.rank * num_own : (self.rank + 1) * num_own]

    def broadcast_first(self, value: ValueT) -> ValueT:
        """Returns the first rank's value, which has to be picklable, on every rank."""
        if self.world_size == 1:
            return value
        values = [value]
        dist.broadcast_object_list(values)
        return values[0]

    def divide_gradients(self, module: nn.Module) -> None:
        """Divides gradients that are complete on every rank by `world_size`, so that `sum_gradients` is correct."""
        if self.world_size > 1:
            for parameter in module.parameters():
                if parameter.grad is not None:
                    parameter.grad /= self.world_size

    def sum_gradients(self, module: nn.Module) -> None:
        """Replaces the gradients on every rank by their sum over all ranks."""
        if self.world_size == 1:
            return
        gradients = [each.grad for each in module.parameters() if each.grad is not None]
        flat = torch.cat([each.flatten() for each in gradients])
        dist.all_reduce(flat)
        for gradient, summed in zip(gradients, torch.split(flat, [each.numel() for each in gradients]), strict=True):
            gradient.copy_(summed.view_as(gradient))


SINGLE_PROCESS = Ranks()


def synchronize_norms(module: nn.Module, ranks: Ranks) -> None:
    """Makes the batch norms of a module use the statistics of all ranks' rows, on any device."""
    if ranks.world_size == 1:
        return
    for norm in module.modules():
        if isinstance(norm, nn.modules.batchnorm._BatchNorm):
            norm.forward = partial(_synchronized, norm)  # type: ignore[method-assign]


def _synchronized(norm: Any, rows: Tensor) -> Any:
    """The forward pass of a batch norm over all ranks, (batch, channels, ...), including timm's BatchNormAct2d."""
    if not norm.training:
        return type(norm).forward(norm, rows)
    shape = (1, -1, *[1] * (rows.ndim - 2))
    axes = [axis for axis in range(rows.ndim) if axis != 1]
    values = rows.float()
    num = values.numel() / values.shape[1] * dist.get_world_size()
    mean = _Sum.apply(values.sum(axes)) / num
    centered = values - mean.view(shape)
    variance = _Sum.apply(centered.square().sum(axes)) / num
    if norm.track_running_stats:
        norm.num_batches_tracked += 1
        with torch.no_grad():
            norm.running_mean.lerp_(mean.to(norm.running_mean.dtype), norm.momentum)
            unbiased = variance * num / max(1.0, num - 1)
            norm.running_var.lerp_(unbiased.to(norm.running_var.dtype), norm.momentum)
    normalized = centered * torch.rsqrt(variance + norm.eps).view(shape)
    if norm.affine:
        normalized = normalized * norm.weight.view(shape) + norm.bias.view(shape)
    normalized = normalized.to(rows.dtype)
    for layer in ("drop", "act"):  # of timm's BatchNormAct2d
        if hasattr(norm, layer):
            normalized = getattr(norm, layer)(normalized)
    return normalized


class _Sum(torch.autograd.Function):
    """A differentiable sum over all ranks."""

    @staticmethod
    def forward(_: Any, values: Tensor) -> Tensor:
        summed = values.clone()
        dist.all_reduce(summed)
        return summed

    @staticmethod
    def backward(_: Any, gradient: Tensor) -> Tensor:
        summed = gradient.clone()
        dist.all_reduce(summed)
        return summed
