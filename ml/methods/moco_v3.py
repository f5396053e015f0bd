"""MoCo v3: tell the slow copy's key of a picture from all other keys (Chen, Xie, He 2021, arXiv:2104.02057)."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ml.encoders import Encoder
from ml.layers import cosine, follow, mlp, slow_copy
from ml.methods.method import Method, Tensors, each_view


class MoCoV3(Method):
    """Queries q of encoder, projector and predictor; keys k of a momentum copy without the predictor; no queue."""

    def __init__(
        self,
        encoder: Encoder,
        *,
        temperature: float = 0.2,  # tau
        hidden_dim: int = 1024,
        projection_dim: int = 256,
        momentum: float = 0.99,  # m
    ) -> None:
        super().__init__(encoder)
        self.projector = mlp((encoder.dim, hidden_dim, hidden_dim, projection_dim), last_norm=True)
        self.predictor = mlp((projection_dim, hidden_dim, projection_dim), last_norm=True)
        self.slow = slow_copy(nn.Sequential(encoder, self.projector))
        self.temperature, self.momentum = temperature, momentum

    def project(self, views: Sequence[Tensor]) -> Tensors:
        projected = self.projector(torch.cat(each_view(self.encoder, views)))
        return tuple(self.predictor(projected).chunk(len(views)))

    @torch.no_grad()
    def targets(self, views: Sequence[Tensor]) -> Tensors:
        return tuple(each_view(self.slow, views))

    def loss(self, projections: Sequence[Tensor], targets: Sequence[Tensor]) -> Tensor:
        (q_1, q_2), (k_1, k_2) = projections, targets
        return contrast(q_1, k_2, self.temperature) + contrast(q_2, k_1, self.temperature)

    def after_update(self) -> None:
        follow(self.slow, nn.Sequential(self.encoder, self.projector), cosine(self.momentum, 1.0, self.progress))


def contrast(queries: Tensor, keys: Tensor, temperature: float) -> Tensor:
    """InfoNCE of each query with the key in its row, scaled by 2 tau as in Algorithm 1; both (batch, dim)."""
    logits = F.normalize(queries, dim=1) @ F.normalize(keys, dim=1).T / temperature
    return 2 * temperature * F.cross_entropy(logits, torch.arange(len(queries), device=queries.device))
