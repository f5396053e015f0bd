"""Encoders: from any timm name to embeddings, saved and loaded without a doubt about their weights."""

import json
from dataclasses import replace
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
import timm
import torch

from ml.artifacts import WEIGHTS_FILE
from ml.encoders.encoder import METADATA_FILE, Encoder, build, embed, forward_batch_size
from ml.encoders.pretrained_weights import load_pretrained
from ml.recipe_types import Fit
from tests.ml.tiny import TINY_ENCODER, striped

CPU = torch.device("cpu")
PIXELS = striped(10)[0]


def test_bytes_and_their_share_of_255_are_the_same_image() -> None:
    encoder = build(TINY_ENCODER).eval()
    pixels = torch.from_numpy(PIXELS)
    assert torch.allclose(encoder(pixels), encoder(pixels.float() / 255), atol=1e-6)


def test_the_normalization_is_the_backbones_own() -> None:
    encoder = build(TINY_ENCODER).eval()
    pixels = torch.from_numpy(PIXELS)
    config = timm.get_pretrained_cfg(TINY_ENCODER.backbone)
    by_hand = (pixels / 255 - torch.tensor(config.mean).view(3, 1, 1)) / torch.tensor(config.std).view(3, 1, 1)
    assert torch.allclose(encoder(pixels), encoder.backbone(by_hand), atol=1e-5)


def test_embedding_in_batches_reports_progress_and_changes_nothing() -> None:
    encoder = build(TINY_ENCODER)
    progress: list[tuple[int, int]] = []
    embeddings = embed(encoder, PIXELS, CPU, batch_size=4, on_progress=lambda *done: progress.append(done))
    assert embeddings.shape == (10, encoder.dim)
    assert embeddings.dtype == np.float32
    assert progress == [(4, 10), (8, 10), (10, 10)]
    assert np.allclose(embeddings, encoder(torch.from_numpy(PIXELS)).detach().numpy(), atol=1e-4)


def test_random_weights_follow_from_the_seed_alone() -> None:
    torch.manual_seed(1)
    first = embed(build(TINY_ENCODER), PIXELS, CPU)
    state = torch.get_rng_state()
    second = embed(build(TINY_ENCODER), PIXELS, CPU)
    assert np.array_equal(first, second)
    assert torch.equal(state, torch.get_rng_state())  # nobody else's random numbers change
    assert not np.allclose(first, embed(build(replace(TINY_ENCODER, seed=1)), PIXELS, CPU))


@pytest.mark.parametrize("backbone", ["test_efficientnet", "test_vit"])
def test_a_saved_encoder_comes_back_with_identical_embeddings(tmp_path: Path, backbone: str) -> None:
    encoder = build(replace(TINY_ENCODER, backbone=backbone))
    fingerprint = encoder.save(tmp_path, {"recipe": "tiny"})
    facts = json.loads((tmp_path / METADATA_FILE).read_text())
    assert facts["recipe"] == "tiny"
    assert facts["sha256"] == fingerprint
    assert np.array_equal(embed(Encoder.load(tmp_path), PIXELS, CPU), embed(encoder, PIXELS, CPU))


@pytest.mark.parametrize("fit", get_args(Fit))
def test_the_fit_of_images_comes_back_with_the_encoder(tmp_path: Path, fit: Fit) -> None:
    build(replace(TINY_ENCODER, fit=fit)).save(tmp_path, {})
    assert Encoder.load(tmp_path).fit == fit


def test_an_encoder_of_an_earlier_version_crops() -> None:
    encoder = build(replace(TINY_ENCODER, fit="pad"))
    metadata = {key: value for key, value in encoder.metadata().items() if key != "fit"}
    assert Encoder.described(metadata, encoder.backbone).fit == "crop"


def test_saving_leaves_two_files_and_replaces_the_old_ones(tmp_path: Path) -> None:
    old = build(TINY_ENCODER).save(tmp_path, {})
    new = build(replace(TINY_ENCODER, seed=1)).save(tmp_path, {})
    assert old != new
    assert sorted(path.name for path in tmp_path.iterdir()) == [METADATA_FILE, WEIGHTS_FILE]


def test_plain_timm_reads_the_weights(tmp_path: Path) -> None:
    encoder = build(TINY_ENCODER).eval()
    encoder.save(tmp_path, {})
    plain = timm.create_model(TINY_ENCODER.backbone, num_classes=0, checkpoint_path=str(tmp_path / WEIGHTS_FILE))
    image = torch.rand(1, 3, 32, 32)
    assert torch.allclose(plain.eval()(image), encoder.backbone(image), atol=1e-5)


def test_weights_that_are_not_those_described_are_refused(tmp_path: Path) -> None:
    build(TINY_ENCODER).save(tmp_path / "one", {})
    build(replace(TINY_ENCODER, seed=1)).save(tmp_path / "other", {})
    (tmp_path / "one" / WEIGHTS_FILE).write_bytes((tmp_path / "other" / WEIGHTS_FILE).read_bytes())
    with pytest.raises(ValueError, match=r"was written for .* train it again"):
        Encoder.load(tmp_path / "one")


def test_a_folder_without_an_encoder_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=rf"{tmp_path} has no encoder.json"):
        Encoder.load(tmp_path)


def test_a_full_disk_leaves_the_old_encoder_standing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    encoder = build(TINY_ENCODER)
    encoder.save(tmp_path, {})

    def no_space(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", no_space)
    with pytest.raises(OSError, match="No space left"):
        build(replace(TINY_ENCODER, seed=1)).save(tmp_path, {})
    assert np.array_equal(embed(Encoder.load(tmp_path), PIXELS, CPU), embed(encoder, PIXELS, CPU))


def test_an_unknown_backbone_is_refused_with_near_names() -> None:
    with pytest.raises(ValueError, match=r"unknown backbone 'resnet19'; timm knows similar names: .*resnet18"):
        build(replace(TINY_ENCODER, backbone="resnet19"))


def test_an_impossible_resolution_is_refused_before_any_training() -> None:
    with pytest.raises(ValueError, match=r"'inception_v3' cannot take images of 16 px"):
        build(replace(TINY_ENCODER, backbone="inception_v3", resolution=16))


def test_lite0_has_imagenet_weights_and_knows_a_shape_when_it_sees_one() -> None:
    encoder = build(replace(TINY_ENCODER, backbone="tf_efficientnet_lite0", weights="imagenet", resolution=64))
    assert encoder.origin == "imagenet"
    assert encoder.normalization.mean == (0.5, 0.5, 0.5)
    untrained = build(replace(TINY_ENCODER, backbone="tf_efficientnet_lite0", resolution=64))
    assert spread_between_kinds(encoder) > 2 * spread_between_kinds(untrained)


def spread_between_kinds(encoder: Encoder) -> float:
    """Returns Fisher's ratio: the distances between the four kinds of images relative to the spread within each."""
    pixels, labels = striped(40)
    embeddings = embed(encoder, pixels.repeat(2, axis=2).repeat(2, axis=3), CPU)
    kinds = [embeddings[labels[:, 3] == kind] for kind in np.unique(labels[:, 3])]
    centers = np.stack([kind.mean(axis=0) for kind in kinds])
    return float(centers.var(axis=0).sum() / np.mean([kind.var(axis=0).sum() for kind in kinds]))


def test_without_package_or_hub_the_error_names_both_ways(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(RuntimeError, match=r"no pretrained weights for 'resnet10t'.*hub.*efficientnet-lite0-py"):
        load_pretrained("resnet10t", 64)


def test_batches_of_a_cpu_have_about_the_same_number_of_pixels() -> None:
    assert [forward_batch_size(CPU, side, side) for side in (28, 64, 224, 518)] == [64, 64, 5, 2]
    assert forward_batch_size(torch.device("cuda"), 224, 224) == 64
