"""Execution: the precision, memory layout and compilation that a device computes a method in."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

import torch

from ml.encoders import Encoder
from ml.recipe_types import Execution


class HasEncoder(Protocol):
    """What is trained and has an encoder: a method, or a classifier."""

    encoder: Encoder


def described(execution: Execution) -> str:
    """A way to compute, in words."""
    layout = "channels last" if execution.channels_last else "channels first"
    return f"{execution.precision}, {layout}" + (", compiled" if execution.compiled else "")


@contextmanager
def executing(module: HasEncoder, execution: Execution) -> Iterator[None]:
    """The module's encoder runs this way; afterwards it is as it was."""
    encoder = module.encoder
    encoder.set_layout(channels_last=execution.channels_last)
    if execution.compiled:
        encoder.backbone.compile()
    try:
        yield
    finally:
        encoder.backbone._compiled_call_impl = None
        encoder.set_layout(channels_last=True)


def autocast(execution: Execution, device: torch.device) -> AbstractContextManager[None]:
    """Networks compute in the execution's precision within; weights and losses stay float32."""
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=execution.precision == "bfloat16")
