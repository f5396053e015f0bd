"""VICReg: views agree, every dimension varies, no two of them together (Bardes et al. 2022, arXiv:2105.04906)."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from ml.encoders import Encoder
from ml.layers import mlp
from ml.methods.method import Method, Tensors, each_view

GAMMA = 1.0  # the standard deviation wanted of every dimension
EPSILON = 1e-4


class VICReg(Method):
    """An encoder and an expander whose outputs Z, Z' are kept alike and from collapsing."""

    def __init__(
        self,
        encoder: Encoder,
        *,
        hidden_dim: int = 1024,
        projection_dim: int = 1024,
        invariance: float = 25.0,  # lambda
        variance: float = 25.0,  # mu
        covariance: float = 1.0,  # nu
    ) -> None:
        super().__init__(encoder)
        self.projector = mlp((encoder.dim, hidden_dim, hidden_dim, projection_dim))
        self.weights = (invariance, variance, covariance)

    def project(self, views: Sequence[Tensor]) -> Tensors:
        return tuple(self.projector(torch.cat(each_view(self.encoder, views))).chunk(len(views)))

    def loss(self, projections: Sequence[Tensor], targets: Sequence[Tensor]) -> Tensor:
        z, z_other = projections
        return vicreg(z, z_other, *self.weights)


def vicreg(z: Tensor, z_other: Tensor, invariance: float, variance: float, covariance: float) -> Tensor:
    """lambda s(Z, Z') + mu (v(Z) + v(Z')) + nu (c(Z) + c(Z')) (Eq. 6); both (batch, dim).

    s is the mean over the dimensions too and v is halved, as in the authors' code, for which lambda = mu = 25 was
    found.
    """
    spread = (hinged_deviation(z) + hinged_deviation(z_other)) / 2
    return (
        invariance * F.mse_loss(z, z_other)
        + variance * spread
        + covariance * (shared_variance(z) + shared_variance(z_other))
    )


def hinged_deviation(z: Tensor) -> Tensor:
    """v: how far the standard deviations of the dimensions stay below gamma, their mean (Eq. 1)."""
    return F.relu(GAMMA - torch.sqrt(z.var(dim=0) + EPSILON)).mean()


def shared_variance(z: Tensor) -> Tensor:
    """c: the squared covariances of different dimensions, summed, over the dimensions (Eq. 4)."""
    centred = z - z.mean(dim=0)
    covariance = centred.T @ centred / (len(z) - 1)
    return (covariance.square().sum() - covariance.diagonal().square().sum()) / z.shape[1]
