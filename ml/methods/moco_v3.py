"""MoCo v3: contrast queries with a momentum encoder's keys (Chen, Xie and He 2021, arXiv:2104.02057)."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ml.encoders.encoder import Encoder
from ml.methods.layers import cosine_schedule, mlp, momentum_copy, update_momentum
from ml.methods.method import Method, Tensors, forward_views


class MoCoV3(Method):
    """Queries q of encoder, projector and predictor; keys k of the momentum encoder, without a predictor or a queue.

    Args:
        encoder: The query encoder.
        temperature: tau of the loss.
        hidden_dim: Width of the hidden layers of projector and predictor.
        projection_dim: Width of queries and keys.
        momentum: m, which rises to 1 along a cosine.
    """

    def __init__(
        self,
        encoder: Encoder,
        *,
        temperature: float = 0.2,
        hidden_dim: int = 1024,
        projection_dim: int = 256,
        momentum: float = 0.99,
    ) -> None:
        super().__init__(encoder)
        self.projector = mlp((encoder.dim, hidden_dim, hidden_dim, projection_dim), last_norm=True)
        self.predictor = mlp((projection_dim, hidden_dim, projection_dim), last_norm=True)
        self.momentum_encoder = momentum_copy(nn.Sequential(encoder, self.projector))
        self.temperature, self.momentum = temperature, momentum

    def project(self, views: Sequence[Tensor]) -> Tensors:
        """Returns the queries of each view, (batch, projection_dim)."""
        projected = self.projector(torch.cat(forward_views(self.encoder, views)))
        return tuple(self.predictor(projected).chunk(len(views)))

    @torch.no_grad()
    def targets(self, views: Sequence[Tensor]) -> Tensors:
        """Returns the keys of each view, (batch, projection_dim)."""
        return tuple(forward_views(self.momentum_encoder, views))

    def loss(self, projections: Sequence[Tensor], targets: Sequence[Tensor]) -> Tensor:
        """Returns the symmetrized loss: each view's queries against the other view's keys."""
        (q_1, q_2), (k_1, k_2) = projections, targets
        return contrastive_loss(q_1, k_2, self.temperature) + contrastive_loss(q_2, k_1, self.temperature)

    def after_update(self) -> None:
        """Moves the momentum encoder toward the encoder."""
        momentum = cosine_schedule(self.momentum, 1.0, self.progress)
        update_momentum(self.momentum_encoder, nn.Sequential(self.encoder, self.projector), momentum)


def contrastive_loss(queries: Tensor, keys: Tensor, temperature: float) -> Tensor:
    """Returns InfoNCE with the positive key in the query's row, scaled by 2 tau (Algorithm 1); both (batch, dim)."""
    logits = F.normalize(queries, dim=1) @ F.normalize(keys, dim=1).T / temperature  # (batch, batch)
    return 2 * temperature * F.cross_entropy(logits, torch.arange(len(queries), device=queries.device))
