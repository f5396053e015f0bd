"""Barlow Twins: make the views' cross-correlation matrix the identity (Zbontar et al. 2021, arXiv:2103.03230)."""

from collections.abc import Sequence

import torch
from torch import Tensor

from ml.encoders.encoder import Encoder
from ml.methods.layers import mlp
from ml.methods.method import Method, Tensors, forward_views


class BarlowTwins(Method):
    """An encoder and a projector whose outputs Z^A and Z^B are decorrelated over the batch.

    Args:
        encoder: The encoder to train.
        hidden_dim: Width of the projector's two hidden layers.
        projection_dim: Width of the projections.
        redundancy: lambda, the weight of the off-diagonal terms.
    """

    def __init__(
        self, encoder: Encoder, *, hidden_dim: int = 1024, projection_dim: int = 1024, redundancy: float = 5e-3
    ) -> None:
        super().__init__(encoder)
        self.projector = mlp((encoder.dim, hidden_dim, hidden_dim, projection_dim))
        self.redundancy = redundancy

    def project(self, views: Sequence[Tensor]) -> Tensors:
        """Returns the projections of each view, (batch, projection_dim)."""
        return tuple(self.projector(torch.cat(forward_views(self.encoder, views))).chunk(len(views)))

    def loss(self, projections: Sequence[Tensor], targets: Sequence[Tensor]) -> Tensor:
        """Returns the Barlow Twins loss of both views' projections."""
        z_a, z_b = projections
        return barlow_twins(z_a, z_b, self.redundancy)


def barlow_twins(z_a: Tensor, z_b: Tensor, redundancy: float) -> Tensor:
    """Returns sum_i (1 - C_ii)^2 + lambda sum_i sum_j!=i C_ij^2 (Eq. 1).

    Args:
        z_a: Projections of the first views, (batch, dim).
        z_b: Projections of the second views, (batch, dim).
        redundancy: lambda.
    """
    correlation = standardize(z_a).T @ standardize(z_b) / len(z_a)  # C: (dim, dim)
    diagonal = correlation.diagonal()
    off_diagonal = correlation.square().sum() - diagonal.square().sum()
    return (1 - diagonal).square().sum() + redundancy * off_diagonal


def standardize(z: Tensor) -> Tensor:
    """Scales each dimension of (batch, dim) to mean 0 and standard deviation 1 over the batch."""
    return (z - z.mean(dim=0)) / torch.sqrt(z.var(dim=0, correction=0) + 1e-5)
