"""What every method owes to every backbone: convolutional, transformer or hybrid."""

from dataclasses import replace

import pytest
import torch

from ml.encoders import build
from ml.methods import METHODS, build_method
from ml.recipes import Augmentation, EncoderRecipe, Optimisation, Pretraining
from ml.training.pretraining import pretrain
from ml.views import random_view
from tests.ml.tiny import RESOLUTION, TINY_ENCODER, TINY_SIMCLR, striped

BACKBONES = ["mobilenetv3_small_050", "test_vit", "edgenext_xx_small"]  # edgenext: convolutions and attention
CPU = torch.device("cpu")


def recipe(method: str, backbone: str) -> EncoderRecipe:
    settings = Pretraining(
        method=method,
        optimisation=Optimisation(epochs=6, batch_size=32, lr=1e-3),
        augmentation=Augmentation(crop_scale=(0.6, 1.0)),
        projector_hidden_dim=32,
        projector_dim=16,
    )
    return replace(TINY_ENCODER, backbone=backbone, pretraining=settings)


@pytest.mark.parametrize("backbone", BACKBONES)
@pytest.mark.parametrize("method", METHODS)
def test_a_method_trains_every_weight_of_any_backbone(method: str, backbone: str) -> None:
    chosen = recipe(method, backbone)
    assert chosen.pretraining is not None
    module = build_method(build(chosen), chosen.pretraining).train()
    pixels = torch.from_numpy(striped(8)[0])
    views = [random_view(pixels, Augmentation(), RESOLUTION) for _ in range(module.num_views)]
    loss = module.loss(views)
    loss.backward()  # type: ignore[no-untyped-call]
    assert loss.shape == ()
    assert torch.isfinite(loss)
    without = [name for name, p in module.encoder.named_parameters() if p.grad is None]
    assert without == []


@pytest.mark.parametrize("backbone", BACKBONES)
@pytest.mark.parametrize("method", METHODS)
def test_a_method_lowers_its_own_loss_on_any_backbone(method: str, backbone: str) -> None:
    losses: list[float] = []
    pretrained = pretrain(
        recipe(method, backbone), striped(64)[0], CPU, on_epoch=lambda metrics: losses.append(metrics["loss"])
    )
    assert min(losses[-2:]) < losses[0]
    assert pretrained.encoder.origin == method
    assert pretrained.encoder(torch.from_numpy(striped(2)[0])).shape == (2, pretrained.encoder.dim)


def test_an_unknown_method_is_refused_with_the_known_ones() -> None:
    assert TINY_SIMCLR.pretraining is not None
    with pytest.raises(ValueError, match=r"unknown method 'simclr2'; known are .*simclr"):
        build_method(build(TINY_ENCODER), replace(TINY_SIMCLR.pretraining, method="simclr2"))
