"""Distillation: a teacher's answers, and the loss of a student that is to give the same."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ml.classifiers.hierarchy import Hierarchy
from ml.distillation import IMPOSSIBLE, as_seen_by, similarity_loss, soft_loss


def oracle(student: torch.Tensor, teacher: torch.Tensor, temperature: float) -> float:
    """T^2 times the mean over pictures of sum_c q_c (log q_c - log p_c), word by word."""
    total = 0.0
    for s, t in zip(student.double().numpy(), teacher.double().numpy(), strict=True):
        p, q = np.exp(s / temperature), np.exp(t / temperature)
        p, q = p / p.sum(), q / q.sum()
        total += float((q * (np.log(q) - np.log(p))).sum())
    return temperature**2 * total / len(student)


@given(st.integers(0, 10_000), st.floats(0.5, 8))
def test_the_soft_loss_is_hintons(seed: int, temperature: float) -> None:
    generator = torch.Generator().manual_seed(seed)
    students = [torch.randn(3, num, generator=generator) for num in (2, 5)]
    teachers = [torch.randn(3, num, generator=generator) for num in (2, 5)]
    expected = sum(w * oracle(s, t, temperature) for s, t, w in zip(students, teachers, (0.5, 1.0), strict=True))
    assert soft_loss(students, teachers, temperature, (0.5, 1.0)).item() == pytest.approx(expected, rel=1e-4, abs=1e-6)


def test_a_student_that_answers_like_its_teacher_loses_nothing() -> None:
    logits = torch.randn(4, 6)
    assert soft_loss([logits], [logits.log_softmax(dim=1)], 4.0, (1.0,)).item() == pytest.approx(0, abs=1e-6)


def test_a_student_sees_only_the_classes_that_it_knows() -> None:
    teacher, student = (Hierarchy.of_labels(np.array(ids)[:, None]) for ids in ([1, 2, 3], [2, 3, 4]))
    said = (np.log(np.array([[0.5, 0.3, 0.2]], dtype=np.float16)),)
    (seen,) = as_seen_by(student, teacher, said)
    np.testing.assert_array_equal(seen[:, :2], said[0][:, 1:])
    assert seen[0, 2] == IMPOSSIBLE
    with pytest.raises(ValueError, match="share no class of level 1"):
        as_seen_by(Hierarchy.of_labels(np.array([[9]])), teacher, said)


def test_the_similarity_loss_is_that_of_the_paper_and_sees_no_rotation_or_scale() -> None:
    rng = np.random.default_rng(0)
    student, teacher = rng.normal(size=(6, 5)), rng.normal(size=(6, 9))

    def gram(embeddings: np.ndarray) -> np.ndarray:
        products = embeddings @ embeddings.T
        return products / np.linalg.norm(products, axis=1, keepdims=True)

    expected = ((gram(student) - gram(teacher)) ** 2).sum() / 6**2
    ours = similarity_loss(torch.from_numpy(student), torch.from_numpy(teacher)).item()
    assert ours == pytest.approx(expected, rel=1e-5)
    rotation = np.linalg.qr(rng.normal(size=(9, 9)))[0]
    turned = torch.from_numpy(3 * teacher @ rotation)
    assert similarity_loss(turned, torch.from_numpy(teacher)).item() == pytest.approx(0, abs=1e-10)
