"""BYOL: predict the target network's projection of another view (Grill et al. 2020, arXiv:2006.07733)."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ml.encoders.encoder import Encoder
from ml.methods.layers import cosine_schedule, mlp, momentum_copy, update_momentum
from ml.methods.method import Method, Tensors, forward_views


class BYOL(Method):
    """An online network (encoder f, projector g, predictor q) and a target network, a moving average of f and g.

    Args:
        encoder: The online encoder.
        hidden_dim: Width of the hidden layers of projector and predictor.
        projection_dim: Width of the projections.
        momentum: tau_base, which rises to 1 along a cosine. The paper's 0.996 is for longer trainings.
    """

    def __init__(
        self, encoder: Encoder, *, hidden_dim: int = 1024, projection_dim: int = 256, momentum: float = 0.99
    ) -> None:
        super().__init__(encoder)
        self.projector = mlp((encoder.dim, hidden_dim, projection_dim))
        self.predictor = mlp((projection_dim, hidden_dim, projection_dim))
        self.target = momentum_copy(nn.Sequential(encoder, self.projector))
        self.momentum = momentum

    def project(self, views: Sequence[Tensor]) -> Tensors:
        """Returns the predictions q(g(f(view))) of each view, (batch, projection_dim)."""
        projected = self.projector(torch.cat(forward_views(self.encoder, views)))
        return tuple(self.predictor(projected).chunk(len(views)))

    @torch.no_grad()
    def targets(self, views: Sequence[Tensor]) -> Tensors:
        """Returns the target network's projections of each view, (batch, projection_dim)."""
        return tuple(forward_views(self.target, views))

    def loss(self, projections: Sequence[Tensor], targets: Sequence[Tensor]) -> Tensor:
        """Returns the symmetrized loss: each view's prediction against the other view's target."""
        (q_1, q_2), (z_1, z_2) = projections, targets
        return regression_loss(q_1, z_2) + regression_loss(q_2, z_1)

    def after_update(self) -> None:
        """Moves the target network toward the online network."""
        momentum = cosine_schedule(self.momentum, 1.0, self.progress)
        update_momentum(self.target, nn.Sequential(self.encoder, self.projector), momentum)


def regression_loss(prediction: Tensor, target: Tensor) -> Tensor:
    """Returns the mean squared distance of normalized vectors, 2 - 2 cos (Eq. 2); both (batch, dim)."""
    return (2 - 2 * F.cosine_similarity(prediction, target, dim=1)).mean()
