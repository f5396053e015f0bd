"""VICReg: invariance of views, variance of each dimension, no covariance (Bardes et al. 2022, arXiv:2105.04906)."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from ml.encoders.encoder import Encoder
from ml.methods.layers import mlp
from ml.methods.method import Method, Tensors, forward_views

GAMMA = 1.0  # target standard deviation of each dimension
EPSILON = 1e-4


class VICReg(Method):
    """An encoder and an expander, trained with the variance-invariance-covariance loss on two views.

    Args:
        encoder: The encoder to train.
        hidden_dim: Width of the expander's two hidden layers.
        projection_dim: Width of the expanded embeddings.
        invariance: lambda.
        variance: mu.
        covariance: nu.
    """

    def __init__(
        self,
        encoder: Encoder,
        *,
        hidden_dim: int = 1024,
        projection_dim: int = 1024,
        invariance: float = 25.0,
        variance: float = 25.0,
        covariance: float = 1.0,
    ) -> None:
        super().__init__(encoder)
        self.projector = mlp((encoder.dim, hidden_dim, hidden_dim, projection_dim))
        self.weights = (invariance, variance, covariance)

    def project(self, views: Sequence[Tensor]) -> Tensors:
        """Returns the expanded embeddings of each view, (batch, projection_dim)."""
        return tuple(self.projector(torch.cat(forward_views(self.encoder, views))).chunk(len(views)))

    def loss(self, projections: Sequence[Tensor], targets: Sequence[Tensor]) -> Tensor:
        """Returns the VICReg loss of both views' expanded embeddings."""
        z, z_other = projections
        return vicreg(z, z_other, *self.weights)


def vicreg(z: Tensor, z_other: Tensor, invariance: float, variance: float, covariance: float) -> Tensor:
    """Returns lambda s(Z, Z') + mu (v(Z) + v(Z')) + nu (c(Z) + c(Z')) (Eq. 6); both views (batch, dim).

    As in the authors' code, for which lambda = mu = 25 was tuned, s is also a mean over dimensions and v is halved.
    """
    variances = (variance_loss(z) + variance_loss(z_other)) / 2
    covariances = covariance_loss(z) + covariance_loss(z_other)
    return invariance * F.mse_loss(z, z_other) + variance * variances + covariance * covariances


def variance_loss(z: Tensor) -> Tensor:
    """Returns v, the mean over dimensions of max(0, gamma - standard deviation) (Eq. 1)."""
    return F.relu(GAMMA - torch.sqrt(z.var(dim=0) + EPSILON)).mean()


def covariance_loss(z: Tensor) -> Tensor:
    """Returns c, the sum of the squared off-diagonal covariances divided by the number of dimensions (Eq. 4)."""
    centered = z - z.mean(dim=0)
    covariance = centered.T @ centered / (len(z) - 1)  # (dim, dim)
    return (covariance.square().sum() - covariance.diagonal().square().sum()) / z.shape[1]
