"""SimCLR: contrast the two views of an image with all other images (Chen et al. 2020, arXiv:2002.05709)."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from ml.encoders.encoder import Encoder
from ml.methods.layers import mlp
from ml.methods.method import Method, Tensors, forward_views


class SimCLR(Method):
    """An encoder f and a projector g, trained with NT-Xent on two views of every image.

    Args:
        encoder: The encoder to train.
        temperature: tau of the loss.
        hidden_dim: Width of the projector's hidden layer.
        projection_dim: Width of the projections.
    """

    def __init__(
        self, encoder: Encoder, *, temperature: float = 0.2, hidden_dim: int = 512, projection_dim: int = 128
    ) -> None:
        super().__init__(encoder)
        self.temperature = temperature
        self.projector = mlp((encoder.dim, hidden_dim, projection_dim))

    def project(self, views: Sequence[Tensor]) -> Tensors:
        """Returns the projections g(f(view)) of each view, (batch, projection_dim)."""
        return tuple(self.projector(torch.cat(forward_views(self.encoder, views))).chunk(len(views)))

    def loss(self, projections: Sequence[Tensor], targets: Sequence[Tensor]) -> Tensor:
        """Returns NT-Xent of both views' projections."""
        return nt_xent(torch.cat(list(projections)), self.temperature)


def nt_xent(projections: Tensor, temperature: float) -> Tensor:
    """Returns the normalized temperature-scaled cross entropy (Eq. 1).

    Args:
        projections: (2 * batch, dim); rows i and i + batch are the two views of one image.
        temperature: tau.
    """
    z = F.normalize(projections, dim=1)
    similarity = z @ z.T / temperature  # (2 * batch, 2 * batch)
    similarity.fill_diagonal_(float("-inf"))  # k != i
    positives = torch.arange(len(z), device=z.device).roll(len(z) // 2)
    return F.cross_entropy(similarity, positives)
