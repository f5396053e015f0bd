"""The contract of every method with every kind of backbone: convolutional, transformer and hybrid."""

from dataclasses import replace

import pytest
import torch

from ml.encoders.encoder import build
from ml.methods import METHODS, build_method, method_options
from ml.recipe_types import DEFAULT_EXECUTION, Augmentation, EncoderRecipe, LocalViews, Optimization, Pretraining
from ml.training.pretraining import PretrainingCallbacks, PretrainingTask, pretrain
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
        optimization=Optimization(epochs=2, batch_size=16, lr=1e-3),
        augmentation=Augmentation(crop_scale=(0.6, 1.0), blur_probability=0.5),
        second_augmentation=Augmentation(crop_scale=(0.6, 1.0), solarize_probability=0.2),
        local_views=LocalViews(num=2, resolution=16) if kind.supports_local_views else None,
        options={name: value for name, value in SMALL.items() if name in method_options(kind)},
        execution=DEFAULT_EXECUTION,
    )
    return replace(TINY_ENCODER, backbone=backbone, pretraining=settings)


@pytest.mark.parametrize("backbone", BACKBONES)
@pytest.mark.parametrize("method", METHODS)
def test_a_method_trains_every_weight_of_any_backbone(method: str, backbone: str) -> None:
    chosen = recipe(method, backbone)
    assert chosen.pretraining is not None
    module = build_method(build(chosen), chosen.pretraining).train()
    metrics = PretrainingTask(module, striped(8)[0], chosen.pretraining, CPU).backward(torch.arange(8))
    assert metrics["loss"].shape == ()
    assert torch.isfinite(metrics["loss"])
    without_gradient = [name for name, p in module.encoder.named_parameters() if p.grad is None]
    assert without_gradient == []
    momentum_copies = [name for name, p in module.named_parameters() if not p.requires_grad and p.grad is not None]
    assert momentum_copies == []


@pytest.mark.parametrize("backbone", BACKBONES)
@pytest.mark.parametrize("method", METHODS)
def test_a_method_pretrains_any_backbone_without_collapse(method: str, backbone: str) -> None:
    losses: list[float] = []
    callbacks = PretrainingCallbacks(on_epoch=lambda metrics: losses.append(metrics["loss"]))
    pretrained = pretrain(recipe(method, backbone), striped(16)[0], CPU, callbacks)
    assert len(losses) == 2
    assert pretrained.encoder.origin == method
    embeddings = pretrained.encoder(torch.from_numpy(striped(16)[0]))
    assert embeddings.shape == (16, pretrained.encoder.dim)
    assert embeddings.isfinite().all()
    assert embeddings.std(dim=0).max() > 1e-3


@pytest.mark.parametrize("method", sorted(METHODS.keys() - {"dino"}))  # whose targets become sharper during training
def test_a_method_lowers_its_own_loss(method: str) -> None:
    chosen = recipe(method, "test_resnet")
    assert chosen.pretraining is not None
    longer = replace(chosen.pretraining, optimization=Optimization(epochs=6, batch_size=32, lr=1e-3))
    losses: list[float] = []
    callbacks = PretrainingCallbacks(on_epoch=lambda metrics: losses.append(metrics["loss"]))
    pretrain(replace(chosen, pretraining=longer), striped(64)[0], CPU, callbacks)
    assert min(losses[-3:]) < losses[0]


@pytest.mark.parametrize("method", METHODS)
def test_the_state_of_a_method_can_be_saved_and_loaded(method: str) -> None:
    chosen = recipe(method, "test_resnet")
    assert chosen.pretraining is not None
    one, other = (build_method(build(chosen), chosen.pretraining) for _ in range(2))
    PretrainingTask(one, striped(8)[0], chosen.pretraining, CPU).backward(torch.arange(8))
    one.progress.fill_(0.5)
    other.load_state_dict(one.state_dict())
    for name, tensor in other.state_dict().items():
        assert torch.equal(tensor, one.state_dict()[name])


def test_an_unknown_method_is_refused_with_suggestions() -> None:
    assert TINY_SIMCLR.pretraining is not None
    with pytest.raises(ValueError, match=r"unknown method 'simclr2'; similar names: simclr; available: .*barlow_twins"):
        build_method(build(TINY_ENCODER), replace(TINY_SIMCLR.pretraining, method="simclr2"))


def test_an_unknown_option_is_refused_with_the_known_ones() -> None:
    assert TINY_SIMCLR.pretraining is not None
    settings = replace(TINY_SIMCLR.pretraining, options={"momentum": 0.9})
    with pytest.raises(ValueError, match=r"method 'simclr' has no option 'momentum'; it has hidden_dim, "):
        build_method(build(TINY_ENCODER), settings)


def test_local_views_are_refused_by_a_method_without_support() -> None:
    assert TINY_SIMCLR.pretraining is not None
    settings = replace(TINY_SIMCLR.pretraining, local_views=LocalViews())
    with pytest.raises(ValueError, match="'simclr' takes no local views; leave them out, or use swav, dino"):
        build_method(build(TINY_ENCODER), settings)
