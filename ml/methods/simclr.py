"""SimCLR: tell a picture's other view from all other pictures (Chen et al. 2020, arXiv:2002.05709)."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ml.encoders import Encoder
from ml.methods.method import Method
from ml.recipes import Pretraining


class SimCLR(Method):
    """An encoder f and a projector g, trained by NT-Xent on two views of every picture."""

    def __init__(self, encoder: Encoder, settings: Pretraining) -> None:
        super().__init__()
        self.encoder = encoder
        self.temperature = settings.temperature
        self.projector = nn.Sequential(
            nn.Linear(encoder.dim, settings.projector_hidden_dim, bias=False),
            nn.BatchNorm1d(settings.projector_hidden_dim),
            nn.ReLU(inplace=True),
            nn.Linear(settings.projector_hidden_dim, settings.projector_dim),
        )

    def loss(self, views: Sequence[Tensor]) -> Tensor:  # views: 2 x (batch, 3, height, width)
        return nt_xent(self.projector(self.encoder(torch.cat(list(views)))), self.temperature)


def nt_xent(projected: Tensor, temperature: float) -> Tensor:
    """The normalised temperature-scaled cross entropy (Eq. 1).

    `projected` is (2 x batch, dim); rows i and i + batch are the two views of one picture.
    """
    z = F.normalize(projected, dim=1)
    similarity = z @ z.T / temperature  # (2 x batch, 2 x batch)
    similarity.fill_diagonal_(float("-inf"))  # k != i: nothing is compared with itself
    partner = torch.arange(len(z), device=z.device).roll(len(z) // 2)
    return F.cross_entropy(similarity, partner)
