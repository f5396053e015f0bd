"""BYOL: predict what a slow copy says of the other view (Grill et al. 2020, arXiv:2006.07733)."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ml.encoders import Encoder
from ml.layers import cosine, follow, mlp, slow_copy
from ml.methods.method import Method, Tensors, each_view


class BYOL(Method):
    """Online encoder f, projector g and predictor q of weights theta; target f, g of weights xi, which follow them."""

    def __init__(
        self,
        encoder: Encoder,
        *,
        hidden_dim: int = 1024,
        projection_dim: int = 256,
        momentum: float = 0.99,  # tau_base: 0.996 in the paper's long trainings of 4,096 pictures a step
    ) -> None:
        super().__init__(encoder)
        self.projector = mlp((encoder.dim, hidden_dim, projection_dim))
        self.predictor = mlp((projection_dim, hidden_dim, projection_dim))
        self.target = slow_copy(nn.Sequential(encoder, self.projector))
        self.momentum = momentum

    def project(self, views: Sequence[Tensor]) -> Tensors:
        projected = self.projector(torch.cat(each_view(self.encoder, views)))
        return tuple(self.predictor(projected).chunk(len(views)))

    @torch.no_grad()
    def targets(self, views: Sequence[Tensor]) -> Tensors:
        return tuple(each_view(self.target, views))

    def loss(self, projections: Sequence[Tensor], targets: Sequence[Tensor]) -> Tensor:
        (q_1, q_2), (z_1, z_2) = projections, targets
        return regression(q_1, z_2) + regression(q_2, z_1)  # L + L~

    def after_update(self) -> None:
        follow(self.target, nn.Sequential(self.encoder, self.projector), cosine(self.momentum, 1.0, self.progress))


def regression(predicted: Tensor, target: Tensor) -> Tensor:
    """The mean squared distance of the normalised vectors (Eq. 2): 2 - 2 x cosine; both (batch, dim)."""
    return (2 - 2 * F.cosine_similarity(predicted, target, dim=1)).mean()
