"""Weights from other tools' checkpoints, in the layouts in which these write them."""

import argparse
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import torchvision
from safetensors.torch import save_file
from torch import Tensor, nn

from ml.encoders.encoder import build
from ml.encoders.third_party_weights import load_third_party_weights
from tests.ml.tiny import TINY_ENCODER

RESOLUTION = 64
State = Mapping[str, Tensor]


@pytest.fixture(scope="module")
def trained() -> nn.Module:
    """torchvision's resnet18, whose outputs no timm code made."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = torchvision.models.resnet18(weights=None)
        network.train()(torch.rand(8, 3, RESOLUTION, RESOLUTION))  # statistics of its batch norms
    return network.eval()


def features(network: nn.Module, images: Tensor) -> Tensor:
    headless = nn.Sequential(*list(network.children())[:-1])
    return headless(images).flatten(1)


def prefixed(state: State, prefix: str) -> dict[str, Tensor]:
    return {f"{prefix}{key}": value for key, value in state.items()}


def noise(state: State) -> dict[str, Tensor]:
    """Another network of the same shape."""
    return {key: torch.zeros_like(value) for key, value in state.items()}


def lightly(network: nn.Module) -> dict[str, Any]:
    """A Lightning checkpoint of lightly's tutorials: the children in a row, without the classifier."""
    backbone = nn.Sequential(*list(network.children())[:-1])
    head = {"projection_head.layers.0.weight": torch.zeros(8, 512)}
    state = {**prefixed(backbone.state_dict(), "backbone."), **head}
    return {"state_dict": state, "epoch": 3, "global_step": 7, "pytorch-lightning_version": "2.5.0", "loops": {}}


def lightly_byol(network: nn.Module) -> dict[str, Any]:
    checkpoint = lightly(network)
    slow = {
        key.replace("backbone.", "backbone_momentum."): value for key, value in noise(checkpoint["state_dict"]).items()
    }
    return {**checkpoint, "state_dict": {**slow, **checkpoint["state_dict"]}}


def solo_learn(network: nn.Module) -> dict[str, Any]:
    """`backbone.` beside the momentum copy, without a `fc`; hyperparameters as plain values."""
    state = {key: value for key, value in network.state_dict().items() if not key.startswith("fc.")}
    both = {**prefixed(noise(state), "momentum_backbone."), **prefixed(state, "backbone.")}
    return {"state_dict": {**both, "projector.0.weight": torch.zeros(4, 512)}, "hyper_parameters": {"method": "byol"}}


def old_solo_learn(network: nn.Module) -> dict[str, Any]:
    return {"state_dict": prefixed(network.state_dict(), "encoder.")}


def dino(network: nn.Module) -> dict[str, Any]:
    """The teacher is what its paper judges."""
    state = network.state_dict()
    return {
        "student": prefixed(noise(state), "module.backbone."),
        "teacher": prefixed(state, "backbone."),
        "epoch": 1,
    }


def moco(network: nn.Module) -> dict[str, Any]:
    state = network.state_dict()
    both = {**prefixed(noise(state), "module.encoder_k."), **prefixed(state, "module.encoder_q.")}
    return {"state_dict": both, "arch": "resnet18"}


def plain(network: nn.Module) -> dict[str, Any]:
    return dict(network.state_dict())


def without_counters(network: nn.Module) -> dict[str, Any]:
    return {"model": {key: value for key, value in network.state_dict().items() if "num_batches" not in key}}


LAYOUTS = (plain, without_counters, lightly, lightly_byol, solo_learn, old_solo_learn, dino, moco)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_gives_the_network_that_was_trained(
    tmp_path: Path, trained: nn.Module, layout: Callable[[nn.Module], dict[str, Any]]
) -> None:
    path = tmp_path / "last.ckpt"
    torch.save(layout(trained), path)
    backbone = load_third_party_weights(path, "resnet18", RESOLUTION).eval()
    images = torch.rand(4, 3, RESOLUTION, RESOLUTION)
    with torch.inference_mode():
        assert torch.allclose(backbone(images), features(trained, images), atol=1e-5)


def test_safetensors_are_read(tmp_path: Path, trained: nn.Module) -> None:
    path = tmp_path / "model.safetensors"
    save_file(dict(trained.state_dict()), path)
    assert torch.equal(
        load_third_party_weights(path, "resnet18", RESOLUTION).state_dict()["conv1.weight"], trained.conv1.weight
    )  # type: ignore[union-attr, arg-type]


def test_a_recipe_takes_a_file_by_its_path(tmp_path: Path) -> None:
    origin = build(TINY_ENCODER)
    path = tmp_path / "tiny.pth"
    torch.save({"state_dict": prefixed(origin.backbone.state_dict(), "backbone.")}, path)
    imported = build(replace(TINY_ENCODER, weights=str(path), seed=5))
    assert imported.origin == "imported"
    for key, value in origin.backbone.state_dict().items():
        assert torch.equal(imported.backbone.state_dict()[key], value), key


class Poison:
    """An object that runs code when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (self.mark,))


def test_a_poisoned_pickle_is_refused_and_nothing_of_it_runs(tmp_path: Path, trained: nn.Module) -> None:
    mark, path = tmp_path / "ran", tmp_path / "poisoned.pth"
    torch.save({"state_dict": trained.state_dict(), "extra": Poison(mark)}, path)
    with pytest.raises(ValueError, match=r"poisoned.pth' was refused: it has more than tensors.*keep its tensors"):
        load_third_party_weights(path, "resnet18", RESOLUTION)
    assert not mark.exists()


def test_objects_that_are_no_tensors_are_refused_with_the_way_out(tmp_path: Path, trained: nn.Module) -> None:
    path = tmp_path / "args.pth"
    torch.save({"state_dict": trained.state_dict(), "args": argparse.Namespace(lr=1)}, path)
    with pytest.raises(ValueError, match=r"argparse.Namespace.*torch.save\(torch.load\(FILE"):
        load_third_party_weights(path, "resnet18", RESOLUTION)


@pytest.mark.parametrize("name", ["broken.pth", "broken.safetensors"])
def test_a_damaged_file_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"PK\x03\x04 cut off")
    with pytest.raises(ValueError, match=f"{name}' (is damaged|was refused)"):
        load_third_party_weights(tmp_path / name, "resnet18", RESOLUTION)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(
        FileNotFoundError, match=r"no checkpoint at .*imagnet'; weights are random, imagenet, pretrained"
    ):
        build(replace(TINY_ENCODER, weights="imagnet"))


def test_another_network_s_weights_are_refused(tmp_path: Path, trained: nn.Module) -> None:
    path = tmp_path / "resnet18.pth"
    torch.save(lightly(trained), path)
    with pytest.raises(ValueError, match=r"has no complete 'resnet34': .* is missing; it has 'state_dict.backbone"):
        load_third_party_weights(path, "resnet34", RESOLUTION)
    torch.save([1, 2], path)
    with pytest.raises(ValueError, match="it has no tensor"):
        load_third_party_weights(path, "resnet18", RESOLUTION)


def test_a_stem_changed_for_small_images_is_detected_by_its_shape(tmp_path: Path, trained: nn.Module) -> None:
    state = dict(trained.state_dict())
    state["conv1.weight"] = torch.zeros(64, 3, 3, 3)
    path = tmp_path / "cifar.pth"
    torch.save({"state_dict": prefixed(state, "backbone.")}, path)
    with pytest.raises(
        ValueError, match=r"'conv1.weight' of shape \(64, 3, 3, 3\) where 'resnet18' has \(64, 3, 7, 7\)"
    ):
        load_third_party_weights(path, "resnet18", RESOLUTION)


@pytest.mark.filterwarnings("ignore")  # Lightning's own, about workers and loggers
def test_a_checkpoint_that_lightly_wrote_is_read(tmp_path: Path) -> None:
    """As its tutorial trains SimCLR: a LightningModule, its trainer, the file that `save_checkpoint` writes."""
    import pytorch_lightning
    from lightly.loss import NTXentLoss
    from lightly.models.modules import SimCLRProjectionHead

    class SimCLR(pytorch_lightning.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            network = torchvision.models.resnet18()
            self.backbone = nn.Sequential(*list(network.children())[:-1])
            self.projection_head = SimCLRProjectionHead(512, 32, 16)
            self.criterion = NTXentLoss()

        def training_step(self, batch: list[Tensor], _: int) -> Tensor:
            first, second = (self.projection_head(self.backbone(view).flatten(start_dim=1)) for view in batch)
            loss: Tensor = self.criterion(first, second)
            return loss

        def configure_optimizers(self) -> torch.optim.Optimizer:
            return torch.optim.SGD(self.parameters(), lr=0.06)

    views = torch.rand(8, 3, RESOLUTION, RESOLUTION), torch.rand(8, 3, RESOLUTION, RESOLUTION)
    loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(*views), batch_size=4)
    trainer = pytorch_lightning.Trainer(
        max_epochs=1,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        default_root_dir=tmp_path,
    )
    model = SimCLR()
    trainer.fit(model, loader)
    path = tmp_path / "simclr.ckpt"
    trainer.save_checkpoint(path)
    backbone = load_third_party_weights(path, "resnet18", RESOLUTION).eval()
    images = torch.rand(2, 3, RESOLUTION, RESOLUTION)
    with torch.no_grad():
        expected = model.eval().backbone(images).flatten(1)
        torch.testing.assert_close(backbone(images), expected)
