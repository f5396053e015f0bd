"""SimCLR's loss against a double loop written from the paper."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from ml.methods.simclr import nt_xent


def oracle(projected: Tensor, temperature: float) -> float:
    """Equation 1 and Algorithm 1 of Chen et al. 2020, one pair at a time."""

    def sim(i: int, j: int) -> float:
        u, v = projected[i], projected[j]
        return float(u @ v / (u.norm() * v.norm()))

    num = len(projected) // 2

    def loss(i: int, j: int) -> float:
        others = sum(math.exp(sim(i, k) / temperature) for k in range(2 * num) if k != i)
        return -math.log(math.exp(sim(i, j) / temperature) / others)

    return sum(loss(k, k + num) + loss(k + num, k) for k in range(num)) / (2 * num)


@given(batch=st.integers(2, 9), dim=st.integers(2, 6), temperature=st.floats(0.1, 2.0), seed=st.integers(0, 1000))
@settings(max_examples=30, deadline=None)
def test_nt_xent_equals_the_papers_equation(batch: int, dim: int, temperature: float, seed: int) -> None:
    projected = torch.randn(2 * batch, dim, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    assert nt_xent(projected, temperature).item() == pytest.approx(oracle(projected, temperature), rel=1e-6)


def test_nt_xent_is_least_when_partners_agree_and_others_are_opposed() -> None:
    pairs = torch.tensor([[1.0, 0.0], [-1.0, 0.0], [1.0, 0.0], [-1.0, 0.0]])
    mixed = pairs[[0, 1, 3, 2]]
    assert nt_xent(pairs, 0.1) < 1e-6 < nt_xent(mixed, 0.1)
