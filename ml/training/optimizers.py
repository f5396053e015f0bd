"""Optimizers: parameter groups with weight decay and layer-wise learning rates, clipping, and weight averaging."""

from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import timm.optim
import torch
from timm.utils.agc import adaptive_clip_grad
from torch import Tensor, nn

from ml.encoders.backbones import block_of_parameter
from ml.recipe_types import Optimization

MOMENTUM = 0.9  # of all optimizers with one


def build_optimizer(module: nn.Module, settings: Optimization) -> torch.optim.Optimizer:
    """Builds the optimizer of the trainable parameters; a group's rate is the run's rate times its `lr_factor`."""
    groups = _parameter_groups(module, settings)
    if settings.optimizer == "sgd":
        return torch.optim.SGD(groups, lr=settings.lr, momentum=MOMENTUM, nesterov=True)
    if settings.optimizer == "rmsprop":
        # As TensorFlow computes it, with which EfficientNets are published: epsilon is inside the square root.
        return timm.optim.RMSpropTF(groups, lr=settings.lr, alpha=0.9, eps=1e-3, momentum=MOMENTUM)  # type: ignore[attr-defined]
    if settings.optimizer == "lars":
        # timm adapts only groups with weight decay, so not biases and normalization scales, as large-batch recipes do.
        return timm.optim.Lars(groups, lr=settings.lr, momentum=MOMENTUM)  # type: ignore[attr-defined]
    return torch.optim.AdamW(groups, lr=settings.lr, fused=True)  # one pass over weights and moments


def clip_gradients(module: nn.Module, settings: Optimization) -> Tensor:
    """Clips a module's gradients in place and returns their norm, a scalar, before it is limited to `max_grad_norm`."""
    encoder = getattr(module, "encoder", None)
    if settings.adaptive_clip is not None and encoder is not None:
        adaptive_clip_grad(encoder.parameters(), clip_factor=settings.adaptive_clip)  # type: ignore[no-untyped-call]
    return nn.utils.clip_grad_norm_(module.parameters(), settings.max_grad_norm)


def set_learning_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Sets the learning rate of each parameter group to `rate` times the group's `lr_factor`."""
    for group in optimizer.param_groups:
        group["lr"] = rate * group["lr_factor"]


class ExponentialMovingAverage:
    """An exponential moving average of a module's parameters and buffers.

    The decay is min(`decay`, (1 + steps) / (10 + steps)), so that the initial weights are forgotten quickly.

    Args:
        module: The module that trains.
        decay: Share of the previous average that each update keeps.
    """

    def __init__(self, module: nn.Module, decay: float) -> None:
        self._module, self._decay = module, decay
        self.tensors = {name: tensor.clone() for name, tensor in self._own().items()}

    def update(self, num_steps: int) -> None:
        """Adds the current weights to the average, after `num_steps` optimizer steps."""
        decay = min(self._decay, (1 + num_steps) / (10 + num_steps))
        for name, tensor in self._own().items():
            if tensor.is_floating_point():
                self.tensors[name].lerp_(tensor.to(self.tensors[name].dtype), 1 - decay)
            else:
                self.tensors[name].copy_(tensor)

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Loads the average into the module within the context; restores the training weights after."""
        current = {name: tensor.clone() for name, tensor in self._own().items()}
        self.copy_to_module()
        try:
            yield
        finally:
            self._fill(current)

    def copy_to_module(self) -> None:
        """Replaces the module's weights by the average."""
        self._fill(self.tensors)

    def _fill(self, tensors: dict[str, Tensor]) -> None:
        for name, tensor in self._own().items():
            tensor.copy_(tensors[name])

    def _own(self) -> dict[str, Tensor]:
        return {name: tensor.detach() for name, tensor in self._module.state_dict(keep_vars=True).items()}


def _parameter_groups(module: nn.Module, settings: Optimization) -> list[dict[str, Any]]:
    """Groups parameters by learning rate and by decay; one-dimensional ones (biases, norm scales) do not decay."""
    rate_of_block = dict(_rates_of_blocks(module, settings))
    groups: dict[tuple[float, bool], list[nn.Parameter]] = defaultdict(list)
    for name, parameter in module.named_parameters():
        if parameter.requires_grad:
            groups[rate_of_block.get(name, 1.0), parameter.ndim > 1].append(parameter)
    return [
        {"params": parameters, "weight_decay": settings.weight_decay if decays else 0.0, "lr_factor": factor}
        for (factor, decays), parameters in groups.items()
    ]


def _rates_of_blocks(module: nn.Module, settings: Optimization) -> Iterator[tuple[str, float]]:
    """Yields the name and the relative learning rate of each parameter of the module's encoder, if it has one."""
    encoder = getattr(module, "encoder", None)
    if encoder is None:
        return
    factor = settings.encoder_lr_factor
    if settings.layer_decay == 1:
        yield from ((f"encoder.{name}", factor) for name, _ in encoder.named_parameters())
        return
    block = block_of_parameter(encoder.name, encoder.backbone)
    last = max(block.values())
    for name, own in block.items():
        yield f"encoder.backbone.{name}", factor * settings.layer_decay ** (last - own)
