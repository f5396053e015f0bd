"""Logistic regression: scikit-learn's minimum, autograd's gradient, and independence of the chunk size."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression
from torch import Tensor

from ml.embeddings import logistic
from ml.embeddings.logistic import Logistic, Stopping, fit_logistic


def embeddings(num: int, dim: int, num_classes: int, seed: int = 0, spread: float = 1.5) -> tuple[Tensor, Tensor]:
    """Clouds around one center per class; the variances of the directions differ a hundredfold."""
    rng = np.random.default_rng(seed)
    scales = np.logspace(0, -2, dim)
    labels = rng.integers(num_classes, size=num)
    labels[:num_classes] = np.arange(num_classes)
    centers = rng.normal(size=(num_classes, dim))
    vectors = (centers[labels] + spread * rng.normal(size=(num, dim))) * scales + 0.3
    return torch.from_numpy(vectors.astype(np.float32)), torch.from_numpy(labels)


def loss_of(inputs: Tensor, targets: Tensor, weight: Tensor, bias: Tensor, weight_decay: float) -> Tensor:
    """The objective of scikit-learn's manual, in float64."""
    logits = inputs.double() @ weight.double().T + bias.double()
    return F.cross_entropy(logits, targets) + weight_decay / 2 * weight.double().square().sum()


@pytest.mark.parametrize("weight_decay", [1e-1, 1e-3, 1e-5])
@pytest.mark.parametrize(("num", "dim", "num_classes"), [(400, 12, 3), (60, 100, 7), (500, 8, 40)])
def test_the_loss_equals_that_of_scikit_learn(num: int, dim: int, num_classes: int, weight_decay: float) -> None:
    inputs, targets = embeddings(num, dim, num_classes)
    ours = fit_logistic(inputs, targets, num_classes, weight_decay)
    peer = LogisticRegression(C=1 / (weight_decay * num), tol=1e-9, max_iter=20_000)
    peer.fit(inputs.numpy().astype(np.float64), targets.numpy())
    least = float(loss_of(inputs, targets, torch.tensor(peer.coef_), torch.tensor(peer.intercept_), weight_decay))
    assert ours.is_converged
    assert float(loss_of(inputs, targets, ours.weight, ours.bias, weight_decay)) == pytest.approx(least, rel=1e-4)
    assert ours.loss == pytest.approx(least, rel=1e-4)


@given(seed=st.integers(0, 1_000), num=st.integers(5, 60), dim=st.integers(1, 9), num_classes=st.integers(2, 5))
@settings(max_examples=30, deadline=None)
def test_loss_and_gradient_equal_those_of_autograd(seed: int, num: int, dim: int, num_classes: int) -> None:
    inputs, targets = embeddings(num, dim, num_classes, seed)
    mean = inputs.mean(dim=0)
    at = torch.randn(num_classes, dim + 1, generator=torch.Generator().manual_seed(seed))
    loss, gradient = logistic._Objective(inputs, targets, 0.05, mean)(at)
    leaf = at.double().requires_grad_()
    weight, bias = leaf[:, :-1], leaf[:, -1] - leaf[:, :-1] @ mean.double()
    expected = loss_of(inputs, targets, weight, bias, 0.05)
    expected.backward()
    assert loss == pytest.approx(expected.item(), rel=1e-5)
    assert leaf.grad is not None
    assert torch.allclose(gradient.double(), leaf.grad, atol=1e-5)


def test_computing_logits_in_small_chunks_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    inputs, targets = embeddings(200, 10, 4)
    whole = fit_logistic(inputs, targets, 4, 1e-2)
    monkeypatch.setattr(logistic, "MAX_LOGITS", 40)
    assert torch.allclose(fit_logistic(inputs, targets, 4, 1e-2).weight, whole.weight, atol=1e-3)


def test_a_descent_begun_in_bfloat16_ends_at_the_minimum_of_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    inputs, targets = embeddings(600, 30, 12)
    plain = fit_logistic(inputs, targets, 12, 1e-3)
    monkeypatch.setattr(logistic, "MIN_PRODUCTS", 0)
    monkeypatch.setattr(logistic, "is_faster_in_bfloat16", lambda *_: True)
    fast = fit_logistic(inputs, targets, 12, 1e-3)
    assert fast.is_converged
    assert fast.loss == pytest.approx(plain.loss, rel=1e-5)


def test_shifted_embeddings_give_the_same_weights_in_as_many_passes() -> None:
    inputs, targets = embeddings(300, 10, 4)
    near, far = (fit_logistic(inputs + shift, targets, 4, 1e-2) for shift in (0.0, 20.0))
    assert torch.allclose(near.weight, far.weight, atol=5e-3)
    assert far.num_passes <= near.num_passes + 5


def test_ill_scaled_embeddings_take_few_more_passes_than_white_ones() -> None:
    generator = torch.Generator().manual_seed(0)
    white = torch.randn(2_000, 20, generator=generator)
    targets = (white @ torch.randn(20, 5, generator=generator)).argmax(dim=1)
    ill = white * torch.logspace(0, -3, 20)
    passes = [fit_logistic(inputs, targets, 5, 1e-6 * float(inputs.var())).num_passes for inputs in (white, ill)]
    assert passes[1] < 3 * passes[0]


def test_continuing_from_a_neighbor_takes_fewer_passes_to_the_same_minimum() -> None:
    inputs, targets = embeddings(500, 20, 6)
    before = fit_logistic(inputs, targets, 6, 1.1e-3)
    cold, warm = fit_logistic(inputs, targets, 6, 1e-3), fit_logistic(inputs, targets, 6, 1e-3, start=before)
    assert warm.loss == pytest.approx(cold.loss, rel=1e-5)
    assert warm.num_passes < cold.num_passes


def test_a_fit_cut_short_is_not_converged() -> None:
    inputs, targets = embeddings(500, 20, 6)
    cut = fit_logistic(inputs, targets, 6, 1e-4, Stopping(max_passes=5))
    assert not cut.is_converged
    assert cut.num_passes <= 15  # a line search is completed
    assert cut.decrement > Stopping().tolerance


def test_a_class_without_images_is_improbable_and_a_constant_has_no_weight() -> None:
    inputs, targets = embeddings(200, 5, 3)
    inputs = torch.cat([inputs, torch.full((200, 1), 7.0)], dim=1)
    fitted = fit_logistic(inputs, targets, 4, 1e-2)
    assert fitted.log_probabilities(inputs).argmin(dim=1).unique().tolist() == [3]
    assert fitted.weight[:, -1].abs().max() < 1e-3


def test_a_single_class_has_no_loss() -> None:
    fitted = fit_logistic(torch.randn(10, 3), torch.zeros(10, dtype=torch.long), 1, 0.1)
    assert isinstance(fitted, Logistic)
    assert fitted.loss == 0
    assert fitted.is_converged


def test_invalid_arguments_are_refused() -> None:
    inputs, targets = embeddings(20, 3, 2)
    with pytest.raises(ValueError, match=r"embeddings are \(20, 3\), targets \(19,\); give \(num > 0, dim\)"):
        fit_logistic(inputs, targets[1:], 2, 0.1)
    with pytest.raises(ValueError, match=r"the weight decay is 0; it has to be positive"):
        fit_logistic(inputs, targets, 2, 0)
    with pytest.raises(ValueError, match=r"targets go from 0 to 1; expected 0\.\.0"):
        fit_logistic(inputs, targets, 1, 0.1)
