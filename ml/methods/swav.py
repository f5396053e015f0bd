"""SwAV: predict one view's cluster assignment from another view (Caron et al. 2020, arXiv:2006.09882)."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ml.encoders.encoder import Encoder
from ml.methods.layers import mlp
from ml.methods.method import Method, Tensors, forward_views

SINKHORN_ITERATIONS = 3


class SwAV(Method):
    """Prototypes C, and codes q from Sinkhorn-Knopp over the batch and a queue of earlier features z.

    Supports local views, which predict the codes of the global ones.

    Args:
        encoder: The encoder to train.
        temperature: tau of the predictions.
        epsilon: Smoothness of the codes.
        hidden_dim: Width of the projector's hidden layer.
        projection_dim: Width of the features z.
        num_prototypes: K.
        queue_length: Features in the queue; 0 disables it.
        queue_from: Share of the training after which the queue is used, once features change slowly.
        freeze_until: Share of the training during which the prototypes are frozen.
    """

    supports_local_views = True
    queue: Tensor  # (num_views, queue_length, projection_dim), the newest first
    num_queued: Tensor  # () int64

    def __init__(
        self,
        encoder: Encoder,
        *,
        temperature: float = 0.1,
        epsilon: float = 0.05,
        hidden_dim: int = 512,
        projection_dim: int = 128,
        num_prototypes: int = 300,
        queue_length: int = 1024,
        queue_from: float = 0.1,
        freeze_until: float = 0.0,
    ) -> None:
        super().__init__(encoder)
        self.projector = mlp((encoder.dim, hidden_dim, projection_dim))
        self.prototypes = nn.Linear(projection_dim, num_prototypes, bias=False)
        self.temperature, self.epsilon = temperature, epsilon
        self.queue_from, self.freeze_until = queue_from, freeze_until
        self.register_buffer("queue", torch.zeros(self.num_views, queue_length, projection_dim))
        self.register_buffer("num_queued", torch.zeros((), dtype=torch.int64))
        self.after_update()

    def project(self, views: Sequence[Tensor]) -> Tensors:
        """Returns the normalized features z of each view, (batch, projection_dim)."""
        features = forward_views(self.encoder, views)
        projected = self.projector(torch.cat(features)).split([len(each) for each in features])
        return tuple(F.normalize(each, dim=1) for each in projected)

    def loss(self, projections: Sequence[Tensor], targets: Sequence[Tensor]) -> Tensor:
        """Returns the swapped prediction loss and adds the global views' features to the queue."""
        prototypes = self.prototypes.weight
        if self.progress < self.freeze_until:
            prototypes = prototypes.detach()
        scores = [z @ prototypes.T for z in projections]
        codes = [self._codes(scores[view].detach(), view) for view in range(self.num_views)]
        self._enqueue(projections[: self.num_views])
        return swapped_prediction_loss(scores, codes, self.temperature)

    def after_update(self) -> None:
        """Normalizes the prototypes to length one."""
        with torch.no_grad():
            self.prototypes.weight.copy_(F.normalize(self.prototypes.weight, dim=1))

    @torch.no_grad()
    def _codes(self, scores: Tensor, view: int) -> Tensor:
        num_queued = int(self.num_queued)
        if num_queued and self.progress >= self.queue_from:
            scores = torch.cat([scores, self.queue[view, :num_queued] @ self.prototypes.weight.T])
            return sinkhorn(scores, self.epsilon)[: len(scores) - num_queued]
        return sinkhorn(scores, self.epsilon)

    @torch.no_grad()
    def _enqueue(self, features: Sequence[Tensor]) -> None:
        length = self.queue.shape[1]
        for queue, newest in zip(self.queue, features, strict=True):
            queue.copy_(torch.cat([newest.detach(), queue])[:length])
        self.num_queued.copy_((self.num_queued + len(features[0])).clamp(max=length))


def sinkhorn(scores: Tensor, epsilon: float, num_iterations: int = SINKHORN_ITERATIONS) -> Tensor:
    """Computes codes that assign the batch equally to all prototypes (Eq. 5), in logarithms to avoid overflow.

    Args:
        scores: z^T C, (batch, K).
        epsilon: Weight of the entropy; smaller values give sharper codes.
        num_iterations: Iterations of Sinkhorn-Knopp.

    Returns:
        The codes Q, (batch, K), whose rows sum to one.
    """
    log_q = scores / epsilon
    for _ in range(num_iterations):
        log_q = log_q - log_q.logsumexp(dim=0, keepdim=True)
        log_q = log_q - log_q.logsumexp(dim=1, keepdim=True)
    return log_q.exp()


def swapped_prediction_loss(scores: Sequence[Tensor], codes: Sequence[Tensor], temperature: float) -> Tensor:
    """Returns the mean cross entropy of each view's scores with the codes of the other global views (Eq. 2 and 6).

    Args:
        scores: Scores of all views, the global ones first, each (batch, K).
        codes: Codes of the global views, each (batch, K).
        temperature: tau.
    """
    losses = [
        -(code * F.log_softmax(score / temperature, dim=1)).sum(dim=1).mean()
        for source, code in enumerate(codes)
        for view, score in enumerate(scores)
        if view != source
    ]
    return torch.stack(losses).mean()
