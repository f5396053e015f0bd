"""Optimisers: which weights decay, at which rate each learns, and the average that they leave behind."""

from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import timm.optim
import torch
from torch import Tensor, nn

from ml.backbones import block_of_parameter
from ml.recipe_types import Optimisation


def build_optimiser(module: nn.Module, settings: Optimisation) -> torch.optim.Optimizer:
    """AdamW or LARS over the weights that train; a group's rate is the run's, times its `lr_factor`."""
    groups = _parameter_groups(module, settings)
    if settings.optimiser == "lars":
        # Adapts where there is decay, which leaves out biases and normalisation scales, as large-batch recipes do.
        return timm.optim.Lars(groups, lr=settings.lr, momentum=0.9)  # type: ignore[attr-defined]
    return torch.optim.AdamW(groups, lr=settings.lr, fused=True)  # one pass over weights and moments


def set_rate(optimiser: torch.optim.Optimizer, rate: float) -> None:
    """Gives every group its share of a rate."""
    for group in optimiser.param_groups:
        group["lr"] = rate * group["lr_factor"]


class Average:
    """The exponential moving average of a module's weights and statistics: average <- d x average + (1 - d) x now.

    The decay d begins low, (1 + steps) / (10 + steps), so that the first weights are soon forgotten.
    """

    def __init__(self, module: nn.Module, decay: float) -> None:
        self._module, self._decay = module, decay
        self.tensors = {name: tensor.clone() for name, tensor in self._own().items()}

    def update(self, num_steps: int) -> None:
        """Takes the weights of now in, after so many steps."""
        decay = min(self._decay, (1 + num_steps) / (10 + num_steps))
        for name, tensor in self._own().items():
            if tensor.is_floating_point():
                self.tensors[name].lerp_(tensor.to(self.tensors[name].dtype), 1 - decay)
            else:
                self.tensors[name].copy_(tensor)

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """The module computes with the average; afterwards it goes on with what it had."""
        now = {name: tensor.clone() for name, tensor in self._own().items()}
        self.move_in()
        try:
            yield
        finally:
            self._fill(now)

    def move_in(self) -> None:
        """The average takes the weights' place."""
        self._fill(self.tensors)

    def _fill(self, tensors: dict[str, Tensor]) -> None:
        for name, tensor in self._own().items():
            tensor.copy_(tensors[name])

    def _own(self) -> dict[str, Tensor]:
        return {name: tensor.detach() for name, tensor in self._module.state_dict(keep_vars=True).items()}


def _parameter_groups(module: nn.Module, settings: Optimisation) -> list[dict[str, Any]]:
    """Weights decay; biases and normalisation scales, of one dimension, do not. An encoder has rates of its own."""
    rate_of_block = dict(_rates_of_blocks(module, settings))
    groups: dict[tuple[float, bool], list[nn.Parameter]] = defaultdict(list)
    for name, parameter in module.named_parameters():
        if parameter.requires_grad:
            groups[rate_of_block.get(name, 1.0), parameter.ndim > 1].append(parameter)
    return [
        {"params": parameters, "weight_decay": settings.weight_decay if decays else 0.0, "lr_factor": factor}
        for (factor, decays), parameters in groups.items()
    ]


def _rates_of_blocks(module: nn.Module, settings: Optimisation) -> Iterator[tuple[str, float]]:
    """The rate of each of an encoder's parameters, by its name in the module, over that of what stands behind it."""
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
