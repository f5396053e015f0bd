"""Ranks: the processes that train one method together, each on its share of every batch.

Every rank draws the same order of pictures and the same views, and computes those of its own rows. The losses compare
what all of them gathered, so two ranks do what one does with twice the batch. Without a process group there is one.
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
    """This process's place among `num` ones."""

    rank: int = 0
    num: int = 1

    @classmethod
    def here(cls) -> Ranks:
        """As torchrun or Ray Train have set up the process group; one alone without it."""
        if not (dist.is_available() and dist.is_initialized()):
            return cls()
        return cls(dist.get_rank(), dist.get_world_size())

    @property
    def is_first(self) -> bool:
        """Whether this is the one that writes files and reports."""
        return self.rank == 0

    def own(self, num_rows: int) -> slice:
        """This rank's rows of a batch; raises ValueError where they cannot be shared equally."""
        if num_rows % self.num:
            raise ValueError(f"a batch of {num_rows} cannot be shared by {self.num} ranks; choose a multiple of them")
        share = num_rows // self.num
        return slice(self.rank * share, (self.rank + 1) * share)

    def gathered(self, rows: Tensor) -> Tensor:
        """The rows of all ranks, in the order of the batch; without a gradient."""
        if self.num == 1:
            return rows
        parts = [torch.empty_like(rows) for _ in range(self.num)]
        dist.all_gather(parts, rows.contiguous())
        return torch.cat(parts)

    def own_rows(self, rows: Tensor, num_own: int) -> Tensor:
        """Of gathered rows those that came from here."""
        return rows[self.rank * num_own : (self.rank + 1) * num_own]

    def of_first(self, value: ValueT) -> ValueT:
        """The first rank's value, on every rank; it has to pickle."""
        if self.num == 1:
            return value
        values = [value]
        dist.broadcast_object_list(values)
        return values[0]

    def share_equally(self, module: nn.Module) -> None:
        """Gradients that every rank has in full, so that their sum is right."""
        if self.num > 1:
            for parameter in module.parameters():
                if parameter.grad is not None:
                    parameter.grad /= self.num

    def sum_gradients(self, module: nn.Module) -> None:
        """Every rank gets the sum of all ranks' gradients."""
        if self.num == 1:
            return
        gradients = [each.grad for each in module.parameters() if each.grad is not None]
        flat = torch.cat([each.flatten() for each in gradients])
        dist.all_reduce(flat)
        for gradient, summed in zip(gradients, torch.split(flat, [each.numel() for each in gradients]), strict=True):
            gradient.copy_(summed.view_as(gradient))


ALONE = Ranks()


def synchronise_norms(module: nn.Module, ranks: Ranks) -> None:
    """Batch norms of a module see the statistics of all ranks' rows, on any device; nothing to do for one rank."""
    if ranks.num == 1:
        return
    for norm in module.modules():
        if isinstance(norm, nn.modules.batchnorm._BatchNorm):
            norm.forward = partial(_synchronised, norm)  # type: ignore[method-assign]


def _synchronised(norm: Any, rows: Tensor) -> Any:
    """What a batch norm, timm's with their activation too, gives for (batch, channels, ...)."""
    if not norm.training:
        return type(norm).forward(norm, rows)
    shape = (1, -1, *[1] * (rows.ndim - 2))
    axes = [axis for axis in range(rows.ndim) if axis != 1]
    values = rows.float()
    num = values.numel() / values.shape[1] * dist.get_world_size()
    mean = _Sum.apply(values.sum(axes)) / num
    centred = values - mean.view(shape)
    variance = _Sum.apply(centred.square().sum(axes)) / num
    if norm.track_running_stats:
        norm.num_batches_tracked += 1
        with torch.no_grad():
            norm.running_mean.lerp_(mean.to(norm.running_mean.dtype), norm.momentum)
            unbiased = variance * num / max(1.0, num - 1)
            norm.running_var.lerp_(unbiased.to(norm.running_var.dtype), norm.momentum)
    normal = centred * torch.rsqrt(variance + norm.eps).view(shape)
    if norm.affine:
        normal = normal * norm.weight.view(shape) + norm.bias.view(shape)
    normal = normal.to(rows.dtype)
    for further in ("drop", "act"):  # of timm's BatchNormAct2d
        if hasattr(norm, further):
            normal = getattr(norm, further)(normal)
    return normal


class _Sum(torch.autograd.Function):
    """The sum over all ranks, through which gradients sum up as well."""

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
