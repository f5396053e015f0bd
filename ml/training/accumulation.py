"""Accumulation: the gradient of a loss over a whole batch, whose pictures go through the networks in parts.

A contrastive loss compares all pictures of a batch, so the mean of its parts' gradients is another gradient. Here, as
in GradCache (Gao et al. 2021, arXiv:2101.06983), a first pass without gradients collects what the loss compares, the
loss gives the gradient of that, and a second pass takes it on to the weights, part by part. Memory grows with a part;
the networks run forward twice. A batch of one part runs once.

Exact but for layers that look at the statistics of a batch: batch norm normalises by those of a part. Dropout draws the
same in both passes. Running statistics move once, in the second pass.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from ml.methods.method import Method, Tensors
from ml.recipe_types import PLAIN, Execution
from ml.training.execution import autocast
from ml.training.ranks import ALONE, Ranks

Views = Sequence[Tensor]
Part = slice


def backward(
    method: Method,
    views_of: Callable[[Part], Views],
    parts: Sequence[Part],
    execution: Execution = PLAIN,
    ranks: Ranks = ALONE,
) -> Tensor:
    """Adds the gradient of the method's loss over all parts, of all ranks; returns the loss.

    `views_of` renders the views of a part, the same ones when asked again. Where there are several ranks, each has
    parts of its own, the loss is over all of them, and afterwards every rank has the whole gradient.
    """
    first_pass = [_forward(method, views_of(part), execution, grad=len(parts) == 1) for part in parts]
    mine = [torch.cat(each) if len(each) > 1 else each[0] for each in zip(*(p for p, _, _ in first_pass), strict=True)]
    targets = [torch.cat(each) for each in zip(*(t for _, t, _ in first_pass), strict=True)]
    leaves = [ranks.gathered(each.detach()).requires_grad_() for each in mine]
    loss = method.loss(leaves, [ranks.gathered(each) for each in targets])
    loss.backward()  # type: ignore[no-untyped-call]
    ranks.share_equally(method)  # what the loss itself has weights for is the same on every rank
    gradients = [ranks.own_rows(_gradient(leaf), len(each)) for leaf, each in zip(leaves, mine, strict=True)]
    if len(parts) == 1:
        torch.autograd.backward(mine, gradients)
    else:
        start = 0
        for part, (_, _, rng) in zip(parts, first_pass, strict=True):
            with _as_drawn(rng):
                again = _project(method, views_of(part), execution)
            rows = slice(start, start + len(again[0]))
            torch.autograd.backward(again, [each[rows] for each in gradients])
            start = rows.stop
    ranks.sum_gradients(method)
    return loss.detach()


def _forward(method: Method, views: Views, execution: Execution, grad: bool) -> tuple[Tensors, Tensors, list[Tensor]]:
    rng = _rng(views[0].device)
    if grad:
        projections = _project(method, views, execution)
    else:
        with torch.no_grad(), _still_statistics(method):
            projections = _project(method, views, execution)
    with autocast(execution, views[0].device):
        targets = method.targets(views)
    return projections, tuple(each.float() for each in targets), rng


def _project(method: Method, views: Views, execution: Execution) -> Tensors:
    with autocast(execution, views[0].device):
        return tuple(each.float() for each in method.project(views))


def _gradient(leaf: Tensor) -> Tensor:
    return torch.zeros_like(leaf) if leaf.grad is None else leaf.grad


@contextmanager
def _still_statistics(module: nn.Module) -> Iterator[None]:
    """Running statistics stay as they are, though batches are normalised by their own."""
    norms = [each for each in module.modules() if isinstance(each, nn.modules.batchnorm._BatchNorm)]
    momenta = [each.momentum for each in norms]
    for each in norms:
        each.momentum = 0.0
    try:
        yield
    finally:
        for each, momentum in zip(norms, momenta, strict=True):
            each.momentum = momentum


def _rng(device: torch.device) -> list[Tensor]:
    states = [torch.get_rng_state()]
    return [*states, torch.cuda.get_rng_state(device)] if device.type == "cuda" else states


@contextmanager
def _as_drawn(rng: list[Tensor]) -> Iterator[None]:
    """Random numbers as in the first pass; afterwards they go on where they stood."""
    with torch.random.fork_rng():
        torch.set_rng_state(rng[0])
        for state in rng[1:]:
            torch.cuda.set_rng_state(state)
        yield
