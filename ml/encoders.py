"""Encoders: a timm backbone that takes uint8 pictures and gives embeddings, with its normalisation inside."""

from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ml.artefacts import load_artefact, save_artefact
from ml.backbones import Normalisation, create_backbone, embedding_dim, normalisation
from ml.foreign import load_foreign
from ml.imagenet import load_imagenet
from ml.memory import keep_freed_memory
from ml.pixels import PixelRows
from ml.recipe_types import EncoderRecipe

FACTS_FILE = "encoder.json"


class Encoder(nn.Module):
    """A timm backbone from pixels to embeddings: uint8 or 0..1 float (batch, 3, h, w) -> float (batch, dim).

    `origin` says where its weights come from: "random", "imagenet", "imported" from another tool's checkpoint, or the
    method that pretrained them.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, name: str, backbone: nn.Module, resolution: int, origin: str) -> None:
        super().__init__()
        self.name, self.resolution, self.origin = name, resolution, origin
        # The layout is fixed here, because the same weights in another layout give other last digits.
        self.backbone = backbone
        self.set_layout(channels_last=True)
        self.dim = embedding_dim(backbone, resolution)
        self.normalisation = normalisation(name)
        # Not persistent: the weights' file holds what timm's create_model(checkpoint_path=...) expects.
        self.register_buffer("mean", torch.tensor(self.normalisation.mean).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(self.normalisation.std).view(1, 3, 1, 1), persistent=False)

    def forward(self, pictures: Tensor) -> Tensor:
        """Embeddings (batch, dim) of pictures (batch, 3, h, w), uint8 or already on a 0..1 scale."""
        scaled = pictures.float() / 255 if pictures.dtype == torch.uint8 else pictures
        normalised = ((scaled - self.mean) / self.std).contiguous(memory_format=self._layout)
        embeddings: Tensor = self.backbone(normalised)
        return embeddings

    def set_layout(self, *, channels_last: bool) -> None:
        """How pictures and filters lie in memory, which is a matter of speed and last digits."""
        self._layout = torch.channels_last if channels_last else torch.contiguous_format
        self.backbone.to(memory_format=self._layout)

    def takes(self, resolution: int) -> bool:
        """Whether the backbone takes pictures of another resolution than its own."""
        try:
            embedding_dim(self.backbone, resolution)
        except (RuntimeError, AssertionError, ValueError):
            return False
        return True

    def facts(self) -> dict[str, Any]:
        """What it takes, besides the weights, to build this encoder again."""
        return {
            "backbone": self.name,
            "resolution": self.resolution,
            "origin": self.origin,
            "dim": self.dim,
            **asdict(self.normalisation),
        }

    def save(self, folder: Path, facts: Mapping[str, Any]) -> str:
        """Write `weights.safetensors` and `encoder.json` (these facts and ours); return the fingerprint."""
        return save_artefact(folder, FACTS_FILE, self.backbone.state_dict(), {**facts, **self.facts()})

    @classmethod
    def load(cls, folder: Path) -> "Encoder":
        """The encoder saved in a folder, ready to embed.

        Raises:
            FileNotFoundError: the folder holds no encoder.
            ValueError: the weights are not those that `encoder.json` describes.
        """
        tensors, facts = load_artefact(folder, FACTS_FILE)
        backbone = create_backbone(facts["backbone"], facts["resolution"])
        backbone.load_state_dict(tensors)
        return cls(facts["backbone"], backbone, facts["resolution"], facts["origin"]).eval()


def build(recipe: EncoderRecipe, parent: Encoder | None = None) -> Encoder:
    """The encoder that a recipe starts from, before any pretraining; its random weights follow from the seed.

    `parent` is the encoder that the recipe names as the one it goes on from.

    Raises:
        ValueError: the backbone is unknown, cannot take the recipe's resolution, or is not that of the parent or of the
            checkpoint; or the checkpoint is a pickle of more than tensors.
        FileNotFoundError: there is no such checkpoint.
        RuntimeError: the recipe wants ImageNet weights and none can be had.
    """
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(recipe.seed)
        backbone = create_backbone(recipe.backbone, recipe.resolution)
    if recipe.parent is not None:
        if parent is None or parent.name != recipe.backbone:
            given = "none" if parent is None else f"one of {parent.name!r}"
            raise ValueError(
                f"encoder {recipe.name!r} goes on from {recipe.parent!r}, an encoder of {recipe.backbone!r}; "
                f"{given} was given"
            )
        backbone.load_state_dict(parent.backbone.state_dict())
        return Encoder(recipe.backbone, backbone, recipe.resolution, parent.origin)
    if recipe.weights_file is not None:
        backbone = load_foreign(recipe.weights_file, recipe.backbone, recipe.resolution)
        return Encoder(recipe.backbone, backbone, recipe.resolution, "imported")
    if recipe.weights == "imagenet":
        backbone = load_imagenet(recipe.backbone, recipe.resolution)
    return Encoder(recipe.backbone, backbone, recipe.resolution, recipe.weights)


def embed(
    encoder: Encoder,
    pixels: PixelRows,
    device: torch.device,
    batch_size: int = 64,
    on_progress: Callable[[int, int], None] | None = None,
) -> NDArray[np.float32]:
    """Embeddings (num_pictures, dim), float32, of pixels (num_pictures, 3, h, w).

    `on_progress` is called after each batch with the number of pictures done and the number of all.
    """
    keep_freed_memory()
    encoder = encoder.to(device).eval()
    embeddings = np.empty((len(pixels), encoder.dim), dtype=np.float32)
    with torch.inference_mode():
        for start in range(0, len(pixels), batch_size):
            batch = torch.from_numpy(np.ascontiguousarray(pixels[start : start + batch_size]))
            embeddings[start : start + len(batch)] = encoder(batch.to(device)).cpu().numpy()
            if on_progress is not None:
                on_progress(start + len(batch), len(pixels))
    return embeddings


__all__ = ["Encoder", "Normalisation", "build", "embed", "load_imagenet"]
