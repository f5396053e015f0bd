"""The contract of a self-supervised method."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn

from ml.encoders import Encoder

Tensors = tuple[Tensor, ...]


class Method(nn.Module, ABC):
    """A way to train an encoder without labels: a loss over several random views of the same pictures.

    It owns the encoder that it trains and what is thrown away afterwards (projectors, slow copies, queues). What runs
    through networks is kept apart from the loss, since a large batch goes through networks in parts, on several
    devices perhaps, while the loss compares all of it: `project` and `targets` see some rows of a batch, `loss` all.
    """

    num_views: ClassVar[int] = 2
    takes_local_views: ClassVar[bool] = False  # views further than `num_views`, which show a small part of the picture

    encoder: Encoder
    progress: Tensor  # share of the training that is done, for what changes in its course; () float64

    def __init__(self, encoder: Encoder) -> None:
        super().__init__()
        self.encoder = encoder
        self.register_buffer("progress", torch.zeros((), dtype=torch.float64))

    @abstractmethod
    def project(self, views: Sequence[Tensor]) -> Tensors:
        """What carries the gradient: any number of tensors of one row a picture.

        `views` are the global ones, then the local ones, each (batch, 3, h, w); row i of each shows one picture.
        """

    def targets(self, views: Sequence[Tensor]) -> Tensors:
        """What the projections are compared with and carries no gradient, of one row a picture; nothing by default."""
        return ()

    @abstractmethod
    def loss(self, projections: Sequence[Tensor], targets: Sequence[Tensor]) -> Tensor:
        """The scalar to minimise, of everything that `project` and `targets` gave for the pictures of a step."""

    def after_update(self) -> None:
        """Called after every step of the optimiser: slow copies follow here."""


def each_view(network: nn.Module, views: Sequence[Tensor]) -> list[Tensor]:
    """What a network makes of each view, (batch, dim); views of one size go through it together."""
    outputs: list[Tensor] = []
    start = 0
    while start < len(views):
        stop = start + 1
        while stop < len(views) and views[stop].shape == views[start].shape:
            stop += 1
        outputs += network(torch.cat(list(views[start:stop]))).chunk(stop - start)
        start = stop
    return outputs
