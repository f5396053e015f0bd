"""Distillation: the losses of a student against a slow oracle, and its teacher's classes mapped to its own."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ml.classifiers.distillation import IMPOSSIBLE, over_student_classes, similarity_loss, soft_loss
from ml.classifiers.hierarchy import Hierarchy


def oracle(student: torch.Tensor, teacher: torch.Tensor, temperature: float) -> float:
    """T^2 times the mean over images of sum_c q_c (log q_c - log p_c), image by image."""
    total = 0.0
    for s, t in zip(student.double().numpy(), teacher.double().numpy(), strict=True):
        p, q = np.exp(s / temperature), np.exp(t / temperature)
        p, q = p / p.sum(), q / q.sum()
        total += float((q * (np.log(q) - np.log(p))).sum())
    return temperature**2 * total / len(student)


@given(st.integers(0, 10_000), st.floats(0.5, 8))
@settings(deadline=None)
def test_the_soft_loss_equals_the_formula(seed: int, temperature: float) -> None:
    generator = torch.Generator().manual_seed(seed)
    students = [torch.randn(3, num, generator=generator) for num in (2, 5)]
    teachers = [torch.randn(3, num, generator=generator) for num in (2, 5)]
    expected = sum(w * oracle(s, t, temperature) for s, t, w in zip(students, teachers, (0.5, 1.0), strict=True))
    assert soft_loss(students, teachers, temperature, (0.5, 1.0)).item() == pytest.approx(expected, rel=1e-4, abs=1e-6)


def test_a_student_that_predicts_like_its_teacher_has_no_loss() -> None:
    logits = torch.randn(4, 6)
    assert soft_loss([logits], [logits.log_softmax(dim=1)], 4.0, (1.0,)).item() == pytest.approx(0, abs=1e-6)


def test_a_teachers_predictions_are_mapped_to_the_classes_of_the_student() -> None:
    teacher, student = (Hierarchy.of_labels(np.array(ids)[:, None]) for ids in ([1, 2, 3], [2, 3, 4]))
    predictions = (np.log(np.array([[0.5, 0.3, 0.2]], dtype=np.float16)),)
    (mapped,) = over_student_classes(student, teacher, predictions)
    np.testing.assert_array_equal(mapped[:, :2], predictions[0][:, 1:])
    assert mapped[0, 2] == IMPOSSIBLE
    with pytest.raises(ValueError, match="share no classes of level 1"):
        over_student_classes(Hierarchy.of_labels(np.array([[9]])), teacher, predictions)


def test_the_similarity_loss_equals_the_formula_and_ignores_rotation_and_scale() -> None:
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
