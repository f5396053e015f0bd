import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.evaluation import bootstrap
from catalog.evaluation.bootstrap import blocks_of, interval, resampled_counts


@given(st.integers(1, 500), st.integers(1, 60))
def test_blocks_are_of_one_size_give_or_take_one(num_samples: int, num_blocks: int) -> None:
    sizes = np.bincount(blocks_of(num_samples, num_blocks=num_blocks))
    assert len(sizes) == min(num_samples, num_blocks)
    assert np.ptp(sizes) <= 1


def test_each_of_few_samples_is_its_own_block_in_order() -> None:
    assert blocks_of(4).tolist() == [0, 1, 2, 3]


def test_neighbors_are_in_random_blocks_reproducible_by_seed() -> None:
    blocks = blocks_of(5_000, num_blocks=100, seed=1)
    assert blocks.tolist() != np.resize(np.arange(100), 5_000).tolist()
    assert blocks.tolist() == blocks_of(5_000, num_blocks=100, seed=1).tolist()


@given(st.integers(1, 50), st.integers(1, 20))
def test_a_resample_draws_as_many_as_there_are(num: int, resamples: int) -> None:
    counts = np.concatenate(list(resampled_counts(num, resamples)))
    assert counts.shape == (resamples, num)
    assert (counts.sum(axis=1) == num).all()


def test_chunks_of_any_size_draw_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    at_once = np.concatenate(list(resampled_counts(60, 50, seed=9)))
    monkeypatch.setattr(bootstrap, "_COUNTS_PER_CHUNK", 60 * 7)
    assert (np.concatenate(list(resampled_counts(60, 50, seed=9))) == at_once).all()


def test_an_interval_leaves_out_what_is_undefined() -> None:
    assert interval(np.array([np.nan, *np.linspace(0, 1, 101)])) == pytest.approx((0.025, 0.975))


def test_nothing_to_resample_is_refused() -> None:
    with pytest.raises(ValueError, match="no sample to resample"):
        blocks_of(0)
