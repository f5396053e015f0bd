"""DINO: self-distillation from a momentum teacher without labels (Caron et al. 2021, arXiv:2104.14294)."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ml.encoders.encoder import Encoder
from ml.methods.layers import cosine_schedule, momentum_copy, update_momentum
from ml.methods.method import Method, Tensors, forward_views


class DINO(Method):
    """A student g_s and a momentum teacher g_t of the same architecture; supports local views.

    Args:
        encoder: The student's encoder.
        student_temperature: tau_s.
        teacher_temperature: tau_t.
        hidden_dim: Width of the head's hidden layer.
        bottleneck_dim: Width of the features before the prototypes.
        num_prototypes: K.
        momentum: lambda, which rises to 1 along a cosine. The paper's 0.996 is for longer trainings.
        center_momentum: m of the teacher's center.
        freeze_until: Share of the training during which the student's last layer is frozen.
    """

    supports_local_views = True
    center: Tensor  # C: running mean of the teacher's outputs, (num_prototypes,)

    def __init__(
        self,
        encoder: Encoder,
        *,
        student_temperature: float = 0.1,
        teacher_temperature: float = 0.04,
        hidden_dim: int = 1024,
        bottleneck_dim: int = 128,
        num_prototypes: int = 1024,
        momentum: float = 0.99,
        center_momentum: float = 0.9,
        freeze_until: float = 0.05,
    ) -> None:
        super().__init__(encoder)
        self.head = nn.Sequential(  # without batch norm
            nn.Linear(encoder.dim, hidden_dim), nn.GELU(), nn.Linear(hidden_dim, bottleneck_dim)
        )
        self.prototypes = nn.Linear(bottleneck_dim, num_prototypes, bias=False)
        self.teacher = momentum_copy(nn.Sequential(encoder, self.head))
        self.teacher_prototypes = momentum_copy(self.prototypes)
        self.student_temperature, self.teacher_temperature = student_temperature, teacher_temperature
        self.momentum, self.center_momentum, self.freeze_until = momentum, center_momentum, freeze_until
        self.register_buffer("center", torch.zeros(num_prototypes))

    def project(self, views: Sequence[Tensor]) -> Tensors:
        """Returns the student's features of all views, (batch, bottleneck_dim)."""
        features = forward_views(self.encoder, views)
        return tuple(self.head(torch.cat(features)).split([len(each) for each in features]))

    @torch.no_grad()
    def targets(self, views: Sequence[Tensor]) -> Tensors:
        """Returns the teacher's features of the global views, (batch, bottleneck_dim)."""
        return tuple(forward_views(self.teacher, views[: self.num_views]))

    def loss(self, projections: Sequence[Tensor], targets: Sequence[Tensor]) -> Tensor:
        """Returns the distillation loss and updates the center (Eq. 4)."""
        weight = self.prototypes.weight.detach() if self.progress < self.freeze_until else self.prototypes.weight
        students = [prototype_scores(each, weight) for each in projections]
        teachers = [prototype_scores(each, self.teacher_prototypes.weight) for each in targets]
        loss = distillation_loss(students, teachers, self.center, self.student_temperature, self.teacher_temperature)
        with torch.no_grad():
            self.center.lerp_(torch.cat(teachers).mean(dim=0), 1 - self.center_momentum)
        return loss

    def after_update(self) -> None:
        """Moves the teacher toward the student."""
        momentum = cosine_schedule(self.momentum, 1.0, self.progress)
        update_momentum(self.teacher, nn.Sequential(self.encoder, self.head), momentum)
        update_momentum(self.teacher_prototypes, self.prototypes, momentum)


def prototype_scores(features: Tensor, weight: Tensor) -> Tensor:
    """Returns the cosines (batch, K) of features (batch, dim) and prototypes (K, dim), a weight-normalized layer."""
    return F.normalize(features, dim=1) @ F.normalize(weight, dim=1).T


def distillation_loss(
    students: Sequence[Tensor], teachers: Sequence[Tensor], center: Tensor, tau_s: float, tau_t: float
) -> Tensor:
    """Returns the mean cross entropy H(P_t, P_s) over all pairs of different views (Eq. 3).

    Args:
        students: Student scores of all views, each (batch, K).
        teachers: Teacher scores of the global views, each (batch, K), in the order of `students`.
        center: C, (K,).
        tau_s: Student temperature.
        tau_t: Teacher temperature.
    """
    losses = [
        -(F.softmax((teacher - center) / tau_t, dim=1) * F.log_softmax(student / tau_s, dim=1)).sum(dim=1).mean()
        for source, teacher in enumerate(teachers)
        for view, student in enumerate(students)
        if view != source
    ]
    return torch.stack(losses).mean()
