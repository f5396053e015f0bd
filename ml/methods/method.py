"""The base class of self-supervised methods."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn

from ml.encoders.encoder import Encoder

Tensors = tuple[Tensor, ...]


class Method(nn.Module, ABC):
    """A self-supervised method: the encoder to train, the layers that training adds, and the loss over random views.

    The forward passes (`project`, `targets`) are separate from `loss`, because a contrastive loss compares all images
    of a batch while a large batch goes through the networks in micro-batches, possibly on several devices: `project`
    and `targets` receive some images of a batch, `loss` the outputs of all of them.

    Attributes:
        num_views: Number of global views.
        supports_local_views: Whether the method accepts additional multi-crop views.
        encoder: The encoder that is trained; all other layers are discarded after pretraining.
        progress: Share of the training that is finished, () float64, for schedules.
    """

    num_views: ClassVar[int] = 2
    supports_local_views: ClassVar[bool] = False

    encoder: Encoder
    progress: Tensor

    def __init__(self, encoder: Encoder) -> None:
        super().__init__()
        self.encoder = encoder
        self.register_buffer("progress", torch.zeros((), dtype=torch.float64))

    @abstractmethod
    def project(self, views: Sequence[Tensor]) -> Tensors:
        """Computes the outputs that carry a gradient.

        Args:
            views: The global views, then the local ones, each (batch, 3, height, width) in 0..1; row i of every view
                shows the same image.

        Returns:
            Any number of tensors with one row per image, (batch, ...).
        """

    def targets(self, views: Sequence[Tensor]) -> Tensors:
        """Computes outputs without a gradient, (batch, ...), such as a momentum encoder's; none by default."""
        return ()

    @abstractmethod
    def loss(self, projections: Sequence[Tensor], targets: Sequence[Tensor]) -> Tensor:
        """Returns the scalar loss of a whole batch, given the outputs of `project` and `targets` for all its images."""

    def after_update(self) -> None:
        """Is called after every optimizer step, to update momentum encoders and normalize weights."""


def forward_views(network: nn.Module, views: Sequence[Tensor]) -> list[Tensor]:
    """Returns the network's output (batch, dim) for each view; consecutive views of one size share a forward pass."""
    outputs: list[Tensor] = []
    start = 0
    while start < len(views):
        stop = start + 1
        while stop < len(views) and views[stop].shape == views[start].shape:
            stop += 1
        outputs += network(torch.cat(list(views[start:stop]))).chunk(stop - start)
        start = stop
    return outputs
