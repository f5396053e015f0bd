"""SimCLR: tell a picture's other view from all other pictures (Chen et al. 2020, arXiv:2002.05709)."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from ml.encoders import Encoder
from ml.layers import mlp
from ml.methods.method import Method, Tensors, each_view


class SimCLR(Method):
    """An encoder f and a projector g, trained by NT-Xent on two views of every picture."""

    def __init__(
        self, encoder: Encoder, *, temperature: float = 0.2, hidden_dim: int = 512, projection_dim: int = 128
    ) -> None:
        super().__init__(encoder)
        self.temperature = temperature
        self.projector = mlp((encoder.dim, hidden_dim, projection_dim))

    def project(self, views: Sequence[Tensor]) -> Tensors:
        return tuple(self.projector(torch.cat(each_view(self.encoder, views))).chunk(len(views)))

    def loss(self, projections: Sequence[Tensor], targets: Sequence[Tensor]) -> Tensor:
        return nt_xent(torch.cat(list(projections)), self.temperature)


def nt_xent(projected: Tensor, temperature: float) -> Tensor:
    """The normalised temperature-scaled cross entropy (Eq. 1).

    `projected` is (2 x batch, dim); rows i and i + batch are the two views of one picture.
    """
    z = F.normalize(projected, dim=1)
    similarity = z @ z.T / temperature  # (2 x batch, 2 x batch)
    similarity.fill_diagonal_(float("-inf"))  # k != i: nothing is compared with itself
    partner = torch.arange(len(z), device=z.device).roll(len(z) // 2)
    return F.cross_entropy(similarity, partner)
