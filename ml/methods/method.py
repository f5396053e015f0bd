"""The contract of a self-supervised method."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar

from torch import Tensor, nn

from ml.encoders import Encoder


class Method(nn.Module, ABC):
    """A way to train an encoder without labels: a loss over several random views of the same pictures.

    It owns the encoder that it trains and what is thrown away afterwards (projectors, slow copies, queues).
    """

    num_views: ClassVar[int] = 2
    encoder: Encoder

    @abstractmethod
    def loss(self, views: Sequence[Tensor]) -> Tensor:
        """The scalar to minimise; `views`: `num_views` x (batch, 3, h, w), row i of each the same picture."""
