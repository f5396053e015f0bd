"""What every method owes to every backbone: convolutional, transformer or hybrid."""

from dataclasses import replace

import pytest
import torch

from ml.encoders import build
from ml.methods import METHODS, build_method, options_of
from ml.recipe_types import PLAIN, Augmentation, EncoderRecipe, LocalViews, Optimisation, Pretraining
from ml.training.pretraining import PretrainingTask, Watch, pretrain
from tests.ml.tiny import TINY_ENCODER, TINY_SIMCLR, striped

BACKBONES = [
    "mobilenetv3_small_050",  # depthwise convolutions
    "test_resnet",  # residual ones
    "test_vit",  # a transformer
    "edgenext_xx_small",  # convolutions and attention
    "test_mambaout",  # gated convolutions with layer norm
]
CPU = torch.device("cpu")
SMALL = {"hidden_dim": 32, "projection_dim": 16, "bottleneck_dim": 16, "num_prototypes": 24, "queue_length": 64}


def recipe(method: str, backbone: str) -> EncoderRecipe:
    kind = METHODS[method]
    settings = Pretraining(
        method=method,
        optimisation=Optimisation(epochs=6, batch_size=32, lr=1e-3),
        augmentation=Augmentation(crop_scale=(0.6, 1.0), blur_probability=0.5),
        second_augmentation=Augmentation(crop_scale=(0.6, 1.0), solarise_probability=0.2),
        local_views=LocalViews(num=2, resolution=16) if kind.takes_local_views else None,
        options={name: value for name, value in SMALL.items() if name in options_of(kind)},
        execution=PLAIN,
    )
    return replace(TINY_ENCODER, backbone=backbone, pretraining=settings)


@pytest.mark.parametrize("backbone", BACKBONES)
@pytest.mark.parametrize("method", METHODS)
def test_a_method_trains_every_weight_of_any_backbone(method: str, backbone: str) -> None:
    chosen = recipe(method, backbone)
    assert chosen.pretraining is not None
    module = build_method(build(chosen), chosen.pretraining).train()
    figures = PretrainingTask(module, striped(8)[0], chosen.pretraining, CPU).backward(torch.arange(8))
    assert figures["loss"].shape == ()
    assert torch.isfinite(figures["loss"])
    without = [name for name, p in module.encoder.named_parameters() if p.grad is None]
    assert without == []
    slow = [name for name, p in module.named_parameters() if not p.requires_grad and p.grad is not None]
    assert slow == []


@pytest.mark.parametrize("backbone", BACKBONES)
@pytest.mark.parametrize("method", METHODS)
def test_a_method_pretrains_any_backbone_into_embeddings_that_have_not_collapsed(method: str, backbone: str) -> None:
    losses: list[float] = []
    watch = Watch(on_epoch=lambda metrics: losses.append(metrics["loss"]))
    pretrained = pretrain(recipe(method, backbone), striped(64)[0], CPU, watch)
    assert len(losses) == 6
    assert pretrained.encoder.origin == method
    embeddings = pretrained.encoder(torch.from_numpy(striped(16)[0]))
    assert embeddings.shape == (16, pretrained.encoder.dim)
    assert embeddings.isfinite().all()
    assert embeddings.std(dim=0).max() > 1e-3


@pytest.mark.parametrize("method", sorted(METHODS.keys() - {"dino"}))  # whose target grows sharper as it learns
def test_a_method_lowers_its_own_loss(method: str) -> None:
    chosen = recipe(method, "test_resnet")
    assert chosen.pretraining is not None
    longer = replace(chosen.pretraining, optimisation=Optimisation(epochs=20, batch_size=32, lr=1e-3))
    losses: list[float] = []
    watch = Watch(on_epoch=lambda metrics: losses.append(metrics["loss"]))
    pretrain(replace(chosen, pretraining=longer), striped(64)[0], CPU, watch)
    assert min(losses[-3:]) < losses[0]


@pytest.mark.parametrize("method", METHODS)
def test_what_a_method_holds_can_be_saved_and_taken_over(method: str) -> None:
    chosen = recipe(method, "test_resnet")
    assert chosen.pretraining is not None
    one, other = (build_method(build(chosen), chosen.pretraining) for _ in range(2))
    PretrainingTask(one, striped(8)[0], chosen.pretraining, CPU).backward(torch.arange(8))
    one.progress.fill_(0.5)
    other.load_state_dict(one.state_dict())
    for name, tensor in other.state_dict().items():
        assert torch.equal(tensor, one.state_dict()[name])


def test_an_unknown_method_is_refused_with_the_near_and_the_known_ones() -> None:
    assert TINY_SIMCLR.pretraining is not None
    with pytest.raises(ValueError, match=r"unknown method 'simclr2'; near are simclr; known are .*barlow_twins"):
        build_method(build(TINY_ENCODER), replace(TINY_SIMCLR.pretraining, method="simclr2"))


def test_an_option_that_a_method_lacks_is_refused_with_those_it_has() -> None:
    assert TINY_SIMCLR.pretraining is not None
    settings = replace(TINY_SIMCLR.pretraining, options={"momentum": 0.9})
    with pytest.raises(ValueError, match=r"method 'simclr' has no option 'momentum'; it has hidden_dim, "):
        build_method(build(TINY_ENCODER), settings)


def test_local_views_are_refused_by_a_method_that_compares_all_with_all() -> None:
    assert TINY_SIMCLR.pretraining is not None
    settings = replace(TINY_SIMCLR.pretraining, local_views=LocalViews())
    with pytest.raises(ValueError, match="'simclr' takes no local views; leave them out, or use swav, dino"):
        build_method(build(TINY_ENCODER), settings)
