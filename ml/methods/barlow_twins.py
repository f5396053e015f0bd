"""Barlow Twins: the views' cross-correlation is to be the identity (Zbontar et al. 2021, arXiv:2103.03230)."""

from collections.abc import Sequence

import torch
from torch import Tensor

from ml.encoders import Encoder
from ml.layers import mlp
from ml.methods.method import Method, Tensors, each_view


class BarlowTwins(Method):
    """An encoder and a projector whose outputs Z^A, Z^B are decorrelated over the batch."""

    def __init__(
        self,
        encoder: Encoder,
        *,
        hidden_dim: int = 1024,
        projection_dim: int = 1024,
        redundancy: float = 5e-3,  # lambda
    ) -> None:
        super().__init__(encoder)
        self.projector = mlp((encoder.dim, hidden_dim, hidden_dim, projection_dim))
        self.redundancy = redundancy

    def project(self, views: Sequence[Tensor]) -> Tensors:
        return tuple(self.projector(torch.cat(each_view(self.encoder, views))).chunk(len(views)))

    def loss(self, projections: Sequence[Tensor], targets: Sequence[Tensor]) -> Tensor:
        z_a, z_b = projections
        return barlow_twins(z_a, z_b, self.redundancy)


def barlow_twins(z_a: Tensor, z_b: Tensor, redundancy: float) -> Tensor:
    """sum_i (1 - C_ii)^2 + lambda sum_i sum_j!=i C_ij^2 (Eq. 1); C correlates both (batch, dim) along the batch."""
    correlation = standardised(z_a).T @ standardised(z_b) / len(z_a)
    diagonal = correlation.diagonal()
    off_diagonal = correlation.square().sum() - diagonal.square().sum()
    return (1 - diagonal).square().sum() + redundancy * off_diagonal


def standardised(z: Tensor) -> Tensor:
    """Mean 0 and deviation 1 along the batch."""
    return (z - z.mean(dim=0)) / torch.sqrt(z.var(dim=0, correction=0) + 1e-5)
