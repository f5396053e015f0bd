"""Mixing: losses are mixed in the same proportions as the images."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ml.recipe_types import Mixing
from ml.training.mixing import mix

KINDS = {
    "mixup": Mixing(mixup_alpha=0.4, cutmix_alpha=0),
    "cutmix": Mixing(mixup_alpha=0, cutmix_alpha=1),
    "both": Mixing(mixup_alpha=0.4, cutmix_alpha=1),
}


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), batch=st.integers(1, 6), height=st.integers(1, 9), width=st.integers(1, 9))
def test_the_share_is_what_an_image_keeps(kind: str, seed: int, batch: int, height: int, width: int) -> None:
    """Images of one color each show it: the mean of what came out is the mean of the two in their shares."""
    torch.manual_seed(seed)
    colors = torch.linspace(0, 1, batch)
    images = colors[:, None, None, None].expand(batch, 3, height, width)
    mixed = mix(images, KINDS[kind])
    expected = mixed.share * colors + (1 - mixed.share) * colors[mixed.partners]
    assert torch.allclose(mixed.images.mean(dim=(1, 2, 3)), expected, atol=1e-5)
    assert 0 <= mixed.share <= 1
    assert sorted(mixed.partners.tolist()) == list(range(batch))


def test_a_cut_image_holds_only_whole_pixels_of_one_of_the_two() -> None:
    torch.manual_seed(0)
    images = torch.rand(8, 3, 12, 12)
    mixed = mix(images, KINDS["cutmix"])
    own = (mixed.images == images).all(dim=1)
    partner_s = (mixed.images == images[mixed.partners]).all(dim=1)
    assert (own | partner_s).all()
    assert own.float().mean(dim=(1, 2)).min() >= mixed.share - 1e-6


def test_shares_have_the_mean_and_the_spread_of_the_beta_distribution() -> None:
    torch.manual_seed(0)
    image = torch.zeros(2, 3, 1, 1)
    shares = np.array([mix(image, KINDS["mixup"]).share for _ in range(4000)])
    alpha = 0.4
    assert shares.mean() == pytest.approx(0.5, abs=0.02)
    assert shares.var() == pytest.approx(1 / (4 * (2 * alpha + 1)), rel=0.05)


def test_bytes_come_out_on_the_scale_of_views() -> None:
    torch.manual_seed(0)
    mixed = mix(torch.full((2, 3, 4, 4), 255, dtype=torch.uint8), KINDS["mixup"])
    assert torch.allclose(mixed.images, torch.ones(2, 3, 4, 4))


def test_the_loss_is_that_of_soft_targets() -> None:
    """Cross entropy is linear in the targets, so two halves in their shares are the cross entropy of the mixture."""
    torch.manual_seed(3)
    mixed = mix(torch.rand(5, 3, 4, 4), KINDS["mixup"])
    logits, targets = torch.randn(5, 4), torch.tensor([0, 1, 2, 3, 0])
    one_hot = torch.nn.functional.one_hot(targets, 4).float()
    soft = mixed.share * one_hot + (1 - mixed.share) * one_hot[mixed.partners]
    ours = mixed.loss(lambda rows: torch.nn.functional.cross_entropy(logits, targets[rows]))
    assert torch.allclose(ours, torch.nn.functional.cross_entropy(logits, soft), atol=1e-6)


def test_the_share_of_unmixed_batches_is_the_requested_one() -> None:
    torch.manual_seed(0)
    images = torch.rand(2, 3, 2, 2)
    alone = [mix(images, Mixing(probability=0.3)).share == 1 for _ in range(1000)]
    assert np.mean(alone) == pytest.approx(0.7, abs=0.05)


def test_impossible_settings_are_refused() -> None:
    with pytest.raises(ValueError, match="got mixup_alpha 0 and cutmix_alpha 0"):
        Mixing(mixup_alpha=0, cutmix_alpha=0)
    with pytest.raises(ValueError, match=r"mixing has the probability 0\.0"):
        Mixing(probability=0.0)
