"""Weights from timm's hub: loaded from its cache without a network, or explained with the file and its place."""

from pathlib import Path

import pytest
import timm
import torch
from safetensors.torch import save_file

from ml.encoders.encoder import build
from ml.encoders.hub import WeightsSource, load_from_hub
from ml.gpu_recipes import GPU_ENCODERS
from ml.recipe_types import EncoderRecipe

NAME = "test_vit.r160_in1k"


@pytest.fixture
def cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """An empty cache of the Hugging Face hub, which is not reached."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    return tmp_path


def published(path: Path, name: str = NAME) -> dict[str, torch.Tensor]:
    """Writes a file of weights with a classifier, as timm publishes them."""
    torch.manual_seed(3)
    tensors = timm.create_model(name).state_dict()
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(tensors, path)
    return dict(tensors)


@pytest.mark.parametrize("name", [each.backbone for each in GPU_ENCODERS.values()])
def test_every_preset_has_a_source_of_weights(name: str) -> None:
    source = WeightsSource.of(name)
    assert source is not None
    assert source.url.startswith("https://")
    assert source.url.endswith((".safetensors", ".pth"))


def test_without_a_hub_the_error_names_the_file_to_download_and_both_places_for_it(cache: Path) -> None:
    recipe = EncoderRecipe(name="own", backbone=NAME, weights="pretrained", resolution=160)
    with pytest.raises(
        RuntimeError, match=r"no pretrained weights for 'test_vit\.r160_in1k': timm's hub fail"
    ) as raised:
        build(recipe)
    message = str(raised.value)
    assert "https://huggingface.co/timm/test_vit.r160_in1k/resolve/main/model.safetensors" in message
    assert "weights = the path of that file" in message
    assert f"put the folder, from the same place of a machine that has it, at {cache}/models--timm--test_vit" in message
    assert "\n" not in message


def test_a_file_outside_the_hugging_face_hub_is_named_with_its_place(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def unreachable(url: str, *_: object, **__: object) -> None:
        raise OSError(f"<urlopen error [Errno -2] Name or service not known> of {url}")

    monkeypatch.setattr("torch.hub.download_url_to_file", unreachable)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    with pytest.raises(RuntimeError, match=r"xception-43020ad28\.pth") as raised:
        load_from_hub("legacy_xception.tf_in1k", 96)
    assert f"put the file at {tmp_path}/hub/checkpoints/xception-43020ad28.pth" in str(raised.value)


def test_the_named_file_at_the_named_path_has_the_weights(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    tensors = published(path)
    encoder = build(EncoderRecipe(name="own", backbone=NAME, weights=str(path), resolution=160))
    assert all(torch.equal(each, tensors[key]) for key, each in encoder.backbone.state_dict().items())
    assert encoder.origin == "imported"


def test_the_named_folder_in_the_cache_has_the_weights_without_a_network_also_for_another_size(cache: Path) -> None:
    source = WeightsSource.of(NAME)
    assert source is not None
    (source.cached_at / "refs").mkdir(parents=True)
    (source.cached_at / "refs" / "main").write_text("a" * 40)
    tensors = published(source.cached_at / "snapshots" / ("a" * 40) / "model.safetensors")
    for resolution in (160, 96):
        encoder = build(EncoderRecipe(name="own", backbone=NAME, weights="pretrained", resolution=resolution))
        own = encoder.backbone.state_dict()
        assert torch.equal(own["blocks.0.attn.qkv.weight"], tensors["blocks.0.attn.qkv.weight"])
        assert torch.equal(own["pos_embed"], tensors["pos_embed"]) == (resolution == 160)
        assert encoder.origin == "pretrained"


def test_a_truncated_file_in_the_cache_is_explained(cache: Path) -> None:
    source = WeightsSource.of(NAME)
    assert source is not None
    file = source.cached_at / "snapshots" / ("a" * 40) / "model.safetensors"
    published(file)
    (source.cached_at / "refs").mkdir()
    (source.cached_at / "refs" / "main").write_text("a" * 40)
    file.write_bytes(file.read_bytes()[:1_000])
    with pytest.raises(RuntimeError, match=r"no pretrained weights for 'test_vit\.r160_in1k': .*SafetensorError"):
        load_from_hub(NAME, 160)


def test_a_backbone_without_published_weights_is_explained_with_its_tags() -> None:
    with pytest.raises(RuntimeError, match=r"weights for 'coatnet_nano_cc_224': timm publishes none \(it has"):
        load_from_hub("coatnet_nano_cc_224", 224)
