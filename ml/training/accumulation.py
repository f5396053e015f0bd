"""Gradient accumulation: the gradient of a loss over a whole batch that goes through the networks in micro-batches.

A contrastive loss compares all images of a batch, so the mean of the micro-batches' gradients is not its gradient. As
in GradCache (Gao et al. 2021, arXiv:2101.06983), a first pass without gradients collects the outputs of all
micro-batches, the loss is differentiated with respect to these outputs, and a second pass propagates that gradient to
the weights, one micro-batch at a time. Memory is that of one micro-batch; the networks run forward twice. A batch of
one micro-batch runs once.

The gradient is exact except for layers that use batch statistics: batch norm normalizes by those of a micro-batch.
Dropout draws the same masks in both passes. Running statistics are updated once, in the second pass.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from ml.execution import autocast
from ml.methods.method import Method, Tensors
from ml.recipe_types import DEFAULT_EXECUTION, Execution
from ml.training.ranks import SINGLE_PROCESS, Ranks

Views = Sequence[Tensor]
Part = slice


def backward(
    method: Method,
    views_of: Callable[[Part], Views],
    parts: Sequence[Part],
    execution: Execution = DEFAULT_EXECUTION,
    ranks: Ranks = SINGLE_PROCESS,
) -> Tensor:
    """Adds the gradient of the method's loss over the batch to the weights' gradients.

    Args:
        method: The method to differentiate.
        views_of: Renders the views of a micro-batch, each (part, 3, height, width); has to be deterministic, since it
            is called twice per micro-batch.
        parts: Slices of this rank's batch, the micro-batches.
        execution: Precision of the forward passes.
        ranks: With several ranks, each has its own micro-batches, the loss is over the images of all ranks, and every
            rank ends up with the whole gradient.

    Returns:
        The loss, a scalar without gradient.
    """
    first_pass = [_forward(method, views_of(part), execution, grad=len(parts) == 1) for part in parts]
    outputs = [
        torch.cat(each) if len(each) > 1 else each[0] for each in zip(*(p for p, _, _ in first_pass), strict=True)
    ]
    targets = [torch.cat(each) for each in zip(*(t for _, t, _ in first_pass), strict=True)]
    leaves = [ranks.all_gather(each.detach()).requires_grad_() for each in outputs]
    loss = method.loss(leaves, [ranks.all_gather(each) for each in targets])
    loss.backward()  # type: ignore[no-untyped-call]
    ranks.divide_gradients(method)  # weights that only the loss uses have the whole gradient on every rank
    gradients = [ranks.local_rows(_gradient(leaf), len(each)) for leaf, each in zip(leaves, outputs, strict=True)]
    if len(parts) == 1:
        torch.autograd.backward(outputs, gradients)
    else:
        start = 0
        for part, (_, _, rng) in zip(parts, first_pass, strict=True):
            with _restored_rng(rng):
                part_outputs = _project(method, views_of(part), execution)
            rows = slice(start, start + len(part_outputs[0]))
            torch.autograd.backward(part_outputs, [each[rows] for each in gradients])
            start = rows.stop
    ranks.sum_gradients(method)
    return loss.detach()


def _forward(method: Method, views: Views, execution: Execution, grad: bool) -> tuple[Tensors, Tensors, list[Tensor]]:
    """Returns the projections, the targets, and the random state before the forward pass."""
    rng = _rng(views[0].device)
    if grad:
        projections = _project(method, views, execution)
    else:
        with torch.no_grad(), _frozen_statistics(method):
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
def _frozen_statistics(module: nn.Module) -> Iterator[None]:
    """Batch norms in training mode do not update their running statistics within the context."""
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
def _restored_rng(rng: list[Tensor]) -> Iterator[None]:
    """Restores the random state of the first pass within the context."""
    with torch.random.fork_rng():
        torch.set_rng_state(rng[0])
        for state in rng[1:]:
            torch.cuda.set_rng_state(state)
        yield
