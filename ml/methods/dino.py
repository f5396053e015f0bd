"""DINO: a student learns the sharpened distributions of its slow copy (Caron et al. 2021, arXiv:2104.14294)."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ml.encoders import Encoder
from ml.layers import cosine, follow, slow_copy
from ml.methods.method import Method, Tensors, each_view


class DINO(Method):
    """Student g_s and teacher g_t of one shape; centre C of the teacher's outputs; takes local views."""

    takes_local_views = True
    centre: Tensor  # (num_prototypes,)

    def __init__(
        self,
        encoder: Encoder,
        *,
        student_temperature: float = 0.1,  # tau_s
        teacher_temperature: float = 0.04,  # tau_t
        hidden_dim: int = 1024,
        bottleneck_dim: int = 128,
        num_prototypes: int = 1024,  # K
        momentum: float = 0.99,  # lambda: 0.996 in the paper's longer trainings
        centre_momentum: float = 0.9,  # m
        freeze_until: float = 0.05,  # the share of the training in which the student's last layer stays
    ) -> None:
        super().__init__(encoder)
        self.head = nn.Sequential(  # without batch norm
            nn.Linear(encoder.dim, hidden_dim), nn.GELU(), nn.Linear(hidden_dim, bottleneck_dim)
        )
        self.prototypes = nn.Linear(bottleneck_dim, num_prototypes, bias=False)
        self.teacher = slow_copy(nn.Sequential(encoder, self.head))
        self.teacher_prototypes = slow_copy(self.prototypes)
        self.student_temperature, self.teacher_temperature = student_temperature, teacher_temperature
        self.momentum, self.centre_momentum, self.freeze_until = momentum, centre_momentum, freeze_until
        self.register_buffer("centre", torch.zeros(num_prototypes))

    def project(self, views: Sequence[Tensor]) -> Tensors:
        features = each_view(self.encoder, views)
        return tuple(self.head(torch.cat(features)).split([len(each) for each in features]))

    @torch.no_grad()
    def targets(self, views: Sequence[Tensor]) -> Tensors:
        return tuple(each_view(self.teacher, views[: self.num_views]))

    def loss(self, projections: Sequence[Tensor], targets: Sequence[Tensor]) -> Tensor:
        weight = self.prototypes.weight.detach() if self.progress < self.freeze_until else self.prototypes.weight
        students = [prototype_scores(each, weight) for each in projections]
        teachers = [prototype_scores(each, self.teacher_prototypes.weight) for each in targets]
        loss = distillation(students, teachers, self.centre, self.student_temperature, self.teacher_temperature)
        with torch.no_grad():
            self.centre.lerp_(torch.cat(teachers).mean(dim=0), 1 - self.centre_momentum)  # Eq. 4
        return loss

    def after_update(self) -> None:
        momentum = cosine(self.momentum, 1.0, self.progress)
        follow(self.teacher, nn.Sequential(self.encoder, self.head), momentum)
        follow(self.teacher_prototypes, self.prototypes, momentum)


def prototype_scores(features: Tensor, weight: Tensor) -> Tensor:
    """Cosines of (batch, dim) features with (K, dim) prototypes: a weight-normalised last layer of scale 1."""
    return F.normalize(features, dim=1) @ F.normalize(weight, dim=1).T


def distillation(
    students: Sequence[Tensor], teachers: Sequence[Tensor], centre: Tensor, tau_s: float, tau_t: float
) -> Tensor:
    """The mean cross entropy H(P_t, P_s) over every teacher's view and every other student's view (Eq. 3)."""
    losses = [
        -(F.softmax((teacher - centre) / tau_t, dim=1) * F.log_softmax(student / tau_s, dim=1)).sum(dim=1).mean()
        for source, teacher in enumerate(teachers)
        for view, student in enumerate(students)
        if view != source
    ]
    return torch.stack(losses).mean()
