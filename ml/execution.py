"""Execution: runs a module's encoder with a given precision, memory format and compilation."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

import torch

from ml.encoders.encoder import Encoder
from ml.recipe_types import Execution


class HasEncoder(Protocol):
    """A trainable module with an encoder: a self-supervised method or a classifier."""

    encoder: Encoder


def describe_execution(execution: Execution) -> str:
    """Returns a short description, such as "bfloat16, channels last, compiled"."""
    memory_format = "channels last" if execution.channels_last else "channels first"
    return f"{execution.precision}, {memory_format}" + (", compiled" if execution.compiled else "")


@contextmanager
def executing(module: HasEncoder, execution: Execution) -> Iterator[None]:
    """Sets memory format and compilation of the module's encoder within the context; restores the defaults after."""
    encoder = module.encoder
    encoder.set_memory_format(channels_last=execution.channels_last)
    if execution.compiled:
        encoder.backbone.compile()
    try:
        yield
    finally:
        encoder.backbone._compiled_call_impl = None
        encoder.set_memory_format(channels_last=True)


def autocast(execution: Execution, device: torch.device) -> AbstractContextManager[None]:
    """Returns the autocast context of an execution's precision; weights and losses remain float32."""
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=execution.precision == "bfloat16")
