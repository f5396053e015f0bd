"""Losses: each against a slow oracle written from its paper, and against lightly's where that has one."""

import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from lightly.loss import BarlowTwinsLoss, DINOLoss, NegativeCosineSimilarity, NTXentLoss, SwaVLoss, VICRegLoss
from lightly.loss.swav_loss import sinkhorn as lightly_sinkhorn
from torch import Tensor

from ml.methods.barlow_twins import barlow_twins
from ml.methods.byol import regression_loss
from ml.methods.dino import distillation_loss
from ml.methods.moco_v3 import contrastive_loss
from ml.methods.simclr import nt_xent
from ml.methods.swav import sinkhorn, swapped_prediction_loss
from ml.methods.vicreg import vicreg

TOLERANCE = 1e-5
sizes = st.tuples(st.integers(2, 9), st.integers(2, 12), st.integers(0, 2**31))


def drawn(batch: int, dim: int, seed: int, num: int = 2) -> list[Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(batch, dim, generator=generator) for _ in range(num)]


def cosine(a: Tensor, b: Tensor) -> float:
    return float(a @ b / (a.norm() * b.norm()))


@given(size=sizes, temperature=st.sampled_from([0.1, 0.5, 1.0]))
@settings(deadline=None, max_examples=25)
def test_simclr(size: tuple[int, int, int], temperature: float) -> None:
    a, b = drawn(*size)
    z = torch.cat([a, b])
    num = len(z)
    losses = []
    for i in range(num):
        j = (i + num // 2) % num
        others = sum(math.exp(cosine(z[i], z[k]) / temperature) for k in range(num) if k != i)
        losses.append(-math.log(math.exp(cosine(z[i], z[j]) / temperature) / others))
    ours = nt_xent(z, temperature)
    assert ours.item() == pytest.approx(sum(losses) / num, abs=TOLERANCE)
    assert ours.item() == pytest.approx(NTXentLoss(temperature)(a, b).item(), abs=TOLERANCE)


@given(size=sizes)
@settings(deadline=None, max_examples=25)
def test_byol(size: tuple[int, int, int]) -> None:
    q_1, q_2, z_1, z_2 = drawn(*size, num=4)
    normal = [F.normalize(each, dim=1) for each in (q_1, q_2, z_1, z_2)]
    expected = sum(
        float((q - z).square().sum()) for q, z in zip(torch.cat(normal[:2]), torch.cat(normal[:1:-1]), strict=True)
    ) / len(q_1)
    ours = regression_loss(q_1, z_2) + regression_loss(q_2, z_1)
    assert ours.item() == pytest.approx(expected, abs=TOLERANCE)
    negative = NegativeCosineSimilarity()
    theirs = negative(q_1, z_2) + negative(q_2, z_1)  # 2 - 2 cos is an offset and a factor away from -cos
    assert ours.item() == pytest.approx(4 + 2 * theirs.item(), abs=TOLERANCE)


def codes_by_hand(scores: Tensor, epsilon: float, num_iterations: int) -> Tensor:
    """Sinkhorn-Knopp on Q = exp(C^T Z / epsilon), prototypes by rows, as the paper writes it."""
    num, num_prototypes = scores.shape
    q = torch.exp(scores.double().T / epsilon)
    q /= q.sum()
    for _ in range(num_iterations):
        for k in range(num_prototypes):
            q[k] /= q[k].sum() * num_prototypes
        for b in range(num):
            q[:, b] /= q[:, b].sum() * num
    return (q * num).T.float()


@given(size=sizes, epsilon=st.sampled_from([0.05, 0.2]), num_iterations=st.integers(1, 5))
@settings(deadline=None, max_examples=25)
def test_sinkhorn(size: tuple[int, int, int], epsilon: float, num_iterations: int) -> None:
    [scores] = drawn(*size, num=1)
    scores = scores.clamp(-1, 1)  # cosines
    ours = sinkhorn(scores, epsilon, num_iterations)
    assert torch.allclose(ours, codes_by_hand(scores, epsilon, num_iterations), atol=TOLERANCE)
    assert torch.allclose(ours, lightly_sinkhorn(scores, num_iterations, epsilon), atol=TOLERANCE)
    assert torch.allclose(ours.sum(dim=1), torch.ones(len(scores)), atol=TOLERANCE)


def test_sinkhorn_shares_the_batch_out_equally_and_overflows_nowhere() -> None:
    [scores] = drawn(64, 8, seed=0, num=1)
    shares = sinkhorn(scores.clamp(-1, 1), 0.05, num_iterations=200).sum(dim=0)
    assert torch.allclose(shares, torch.full((8,), 8.0), atol=0.01)
    assert sinkhorn(torch.full((4, 3), 900.0), 0.001).isfinite().all()


@given(size=sizes, num_local=st.integers(0, 3))
@settings(deadline=None, max_examples=25)
def test_swav(size: tuple[int, int, int], num_local: int) -> None:
    scores = [each.clamp(-1, 1) for each in drawn(*size, num=2 + num_local)]
    codes = [sinkhorn(each, 0.05) for each in scores[:2]]
    losses = []
    for source in range(2):
        for view in range(2 + num_local):
            if view == source:
                continue
            p = torch.softmax(scores[view] / 0.1, dim=1)
            losses.append(float(-(codes[source] * p.log()).sum() / len(p)))
    ours = swapped_prediction_loss(scores, codes, temperature=0.1)
    assert ours.item() == pytest.approx(sum(losses) / len(losses), abs=TOLERANCE)
    theirs = SwaVLoss(temperature=0.1, sinkhorn_epsilon=0.05)(scores[:2], scores[2:])
    assert ours.item() == pytest.approx(theirs.item(), abs=TOLERANCE)


@given(size=sizes, temperature=st.sampled_from([0.1, 0.2, 1.0]))
@settings(deadline=None, max_examples=25)
def test_moco_v3(size: tuple[int, int, int], temperature: float) -> None:
    q, k = drawn(*size)
    losses = []
    for i in range(len(q)):
        all_keys = sum(math.exp(cosine(q[i], key) / temperature) for key in k)
        losses.append(-math.log(math.exp(cosine(q[i], k[i]) / temperature) / all_keys))
    assert contrastive_loss(q, k, temperature).item() == pytest.approx(
        2 * temperature * sum(losses) / len(losses), abs=TOLERANCE
    )


@given(size=sizes, num_local=st.integers(0, 3))
@settings(deadline=None, max_examples=25)
def test_dino(size: tuple[int, int, int], num_local: int) -> None:
    students = drawn(*size, num=2 + num_local)
    teachers = drawn(size[0], size[1], size[2] + 1)
    center = torch.linspace(-0.1, 0.1, size[1])
    losses = []
    for source, teacher in enumerate(teachers):
        p_t = torch.softmax((teacher - center) / 0.04, dim=1)
        for view, student in enumerate(students):
            if view != source:
                losses.append(float(-(p_t * torch.softmax(student / 0.1, dim=1).log()).sum() / len(student)))
    ours = distillation_loss(students, teachers, center, 0.1, 0.04)
    assert ours.item() == pytest.approx(sum(losses) / len(losses), rel=TOLERANCE)
    theirs = DINOLoss(output_dim=size[1], teacher_temp=0.04, warmup_teacher_temp=0.04, student_temp=0.1)
    theirs.center = center.view_as(theirs.center)
    assert ours.item() == pytest.approx(theirs(teachers, students, epoch=0).item(), rel=TOLERANCE)


@given(size=sizes)
@settings(deadline=None, max_examples=25)
def test_vicreg(size: tuple[int, int, int]) -> None:
    a, b = drawn(*size)
    num, dim = a.shape
    invariance = float((a - b).square().sum() / (num * dim))
    spread, shared = 0.0, 0.0
    for z in (a, b):
        mean = z.sum(dim=0) / num
        for i in range(dim):
            variance = float((z[:, i] - mean[i]).square().sum() / (num - 1))
            spread += max(0.0, 1 - math.sqrt(variance + 1e-4)) / dim / 2
            for j in range(dim):
                if i != j:
                    covariance = float(((z[:, i] - mean[i]) * (z[:, j] - mean[j])).sum() / (num - 1))
                    shared += covariance**2 / dim
    ours = vicreg(a, b, 25.0, 25.0, 1.0)
    assert ours.item() == pytest.approx(25 * invariance + 25 * spread + shared, rel=TOLERANCE)
    assert ours.item() == pytest.approx(VICRegLoss()(a, b).item(), rel=TOLERANCE)


@given(size=sizes)
@settings(deadline=None, max_examples=25)
def test_barlow_twins(size: tuple[int, int, int]) -> None:
    a, b = drawn(*size)
    num, dim = a.shape

    def normal(z: Tensor) -> Tensor:
        return (z - z.mean(dim=0)) / torch.sqrt(z.var(dim=0, correction=0) + 1e-5)

    expected = 0.0
    for i in range(dim):
        for j in range(dim):
            c = float(normal(a)[:, i] @ normal(b)[:, j] / num)
            expected += (1 - c) ** 2 if i == j else 5e-3 * c**2
    ours = barlow_twins(a, b, 5e-3)
    assert ours.item() == pytest.approx(expected, rel=1e-4)
    assert ours.item() == pytest.approx(BarlowTwinsLoss()(a, b).item(), rel=1e-4)
