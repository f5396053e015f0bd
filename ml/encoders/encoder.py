"""Image encoders: a timm backbone with its input normalization, from uint8 images to embeddings."""

from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ml.artifacts import load_artifact, save_artifact
from ml.encoders.backbones import Normalization, create_backbone, embedding_dim, normalization
from ml.encoders.pretrained_weights import load_pretrained
from ml.encoders.third_party_weights import load_third_party_weights
from ml.memory import keep_freed_memory
from ml.pixels import PixelsLike
from ml.recipe_types import FORMER_FIT, EncoderRecipe, Fit

METADATA_FILE = "encoder.json"
MAX_FORWARD_IMAGES = 64
CPU_FORWARD_PIXELS = 1 << 18  # of a batch: 64 images of 64 px, or 5 of 224 px


class Encoder(nn.Module):
    """An image encoder: uint8 or 0..1 float images (batch, 3, height, width) -> embeddings (batch, dim).

    Args:
        name: timm's name of the backbone.
        backbone: The timm model without a classifier.
        resolution: Side of the input images in pixels.
        origin: Source of the weights: "random", "imagenet" or "pretrained" by timm's sources, "imported" from a
            checkpoint, or the method that pretrained them.
        fit: Conversion of input images that are not square.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, name: str, backbone: nn.Module, resolution: int, origin: str, *, fit: Fit = FORMER_FIT) -> None:
        super().__init__()
        self.name, self.resolution, self.origin, self.fit = name, resolution, origin, fit
        # The memory format is fixed here, because results of another format differ by rounding.
        self.backbone = backbone
        self.set_memory_format(channels_last=True)
        self.dim = embedding_dim(backbone, resolution)
        self.normalization = normalization(name)
        # Not persistent: the weights file has only what timm's create_model(checkpoint_path=...) expects.
        self.register_buffer("mean", torch.tensor(self.normalization.mean).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(self.normalization.std).view(1, 3, 1, 1), persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        """Returns embeddings (batch, dim) of images (batch, 3, height, width), uint8 or float in 0..1."""
        scaled = images.float() / 255 if images.dtype == torch.uint8 else images
        normalized = ((scaled - self.mean) / self.std).contiguous(memory_format=self._memory_format)
        embeddings: Tensor = self.backbone(normalized)
        return embeddings

    def set_memory_format(self, *, channels_last: bool) -> None:
        """Sets the memory format of images and filters, which affects speed and rounding."""
        self._memory_format = torch.channels_last if channels_last else torch.contiguous_format
        self.backbone.to(memory_format=self._memory_format)

    def accepts(self, resolution: int) -> bool:
        """Returns True if the backbone accepts images of this resolution."""
        try:
            embedding_dim(self.backbone, resolution)
        except (RuntimeError, AssertionError, ValueError):
            return False
        return True

    def metadata(self) -> dict[str, Any]:
        """Returns the values, besides the weights, that `load` needs to rebuild this encoder."""
        return {
            "backbone": self.name,
            "resolution": self.resolution,
            "fit": self.fit,
            "origin": self.origin,
            "dim": self.dim,
            **asdict(self.normalization),
        }

    def save(self, folder: Path, metadata: Mapping[str, Any]) -> str:
        """Saves `weights.safetensors` and `encoder.json`.

        Args:
            folder: Is created if it does not exist.
            metadata: Further values for `encoder.json`, besides those of `self.metadata()`.

        Returns:
            The SHA-256 (hex) of the weights file.
        """
        return save_artifact(folder, METADATA_FILE, self.backbone.state_dict(), {**metadata, **self.metadata()})

    @classmethod
    def load(cls, folder: Path) -> "Encoder":
        """Loads a saved encoder in evaluation mode.

        Raises:
            FileNotFoundError: The folder has no encoder.
            ValueError: The weights do not have the fingerprint recorded in `encoder.json`.
        """
        tensors, metadata = load_artifact(folder, METADATA_FILE)
        backbone = create_backbone(metadata["backbone"], metadata["resolution"])
        backbone.load_state_dict(tensors)
        return cls.described(metadata, backbone).eval()

    @classmethod
    def described(cls, metadata: Mapping[str, Any], backbone: nn.Module) -> "Encoder":
        """Returns the encoder that `metadata` describes, over a backbone; without a fit it is of an older version."""
        return cls(
            metadata["backbone"],
            backbone,
            metadata["resolution"],
            metadata["origin"],
            fit=metadata.get("fit", FORMER_FIT),
        )


def build(recipe: EncoderRecipe, parent: Encoder | None = None) -> Encoder:
    """Builds a recipe's encoder with its starting weights, before any pretraining.

    Args:
        recipe: The recipe; random weights depend only on its seed.
        parent: The trained encoder that `recipe.parent` names, if any.

    Raises:
        ValueError: The backbone is unknown, does not accept the recipe's resolution, or differs from that of the parent
            or the checkpoint; or the checkpoint is a pickle with more than tensors.
        FileNotFoundError: The checkpoint does not exist.
        RuntimeError: timm's weights are requested and not available.
    """
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(recipe.seed)
        backbone = create_backbone(recipe.backbone, recipe.resolution)
    if recipe.parent is not None:
        if parent is None or parent.name != recipe.backbone:
            given = "none" if parent is None else f"one of {parent.name!r}"
            raise ValueError(
                f"encoder {recipe.name!r} starts from {recipe.parent!r}, an encoder of {recipe.backbone!r}; "
                f"{given} was given"
            )
        backbone.load_state_dict(parent.backbone.state_dict())
        return Encoder(recipe.backbone, backbone, recipe.resolution, parent.origin, fit=recipe.fit)
    if recipe.weights_file is not None:
        backbone = load_third_party_weights(recipe.weights_file, recipe.backbone, recipe.resolution)
        return Encoder(recipe.backbone, backbone, recipe.resolution, "imported", fit=recipe.fit)
    if recipe.is_pretrained_by_timm:
        backbone = load_pretrained(recipe.backbone, recipe.resolution)
    return Encoder(recipe.backbone, backbone, recipe.resolution, recipe.weights, fit=recipe.fit)


def with_drop_path(encoder: Encoder, drop_path: float) -> Encoder:
    """Returns a copy of an encoder with stochastic depth in training (see `ClassifierRecipe.drop_path`).

    Raises:
        ValueError: The backbone has no drop path.
    """
    with torch.random.fork_rng(devices=[]):
        backbone = create_backbone(encoder.name, encoder.resolution, drop_path=drop_path)
    backbone.load_state_dict(encoder.backbone.state_dict())
    return Encoder(encoder.name, backbone, encoder.resolution, encoder.origin, fit=encoder.fit)


def forward_batch_size(device: torch.device, height: int, width: int) -> int:
    """Returns the number of images of a forward pass in evaluation mode.

    On a CPU as many as keep the activations in its caches: an EfficientNet-Lite at 224 px is 2.3 times as fast with 4
    images as with 64 on two cores of an AMD EPYC; at 64 px, 64 are the fastest.

    Args:
        device: The device that computes.
        height: Of the images in pixels.
        width: Of the images in pixels.
    """
    if device.type != "cpu":
        return MAX_FORWARD_IMAGES
    return max(2, min(MAX_FORWARD_IMAGES, CPU_FORWARD_PIXELS // (height * width)))


def embed(
    encoder: Encoder,
    pixels: PixelsLike,
    device: torch.device,
    batch_size: int | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> NDArray[np.float32]:
    """Computes the embeddings of images in evaluation mode.

    Args:
        encoder: Is moved to `device`.
        pixels: (num_images, 3, height, width), uint8.
        device: The device that computes.
        batch_size: Images per forward pass; None lets `forward_batch_size` choose.
        on_progress: Is called after each batch with the number of finished images and of all images.

    Returns:
        Embeddings (num_images, dim), float32.
    """
    keep_freed_memory()
    encoder = encoder.to(device).eval()
    batch_size = batch_size or forward_batch_size(device, *pixels.shape[2:])
    embeddings = np.empty((len(pixels), encoder.dim), dtype=np.float32)
    with torch.inference_mode():
        for start in range(0, len(pixels), batch_size):
            batch = torch.from_numpy(np.ascontiguousarray(pixels[start : start + batch_size]))
            embeddings[start : start + len(batch)] = encoder(batch.to(device)).cpu().numpy()
            if on_progress is not None:
                on_progress(start + len(batch), len(pixels))
    return embeddings


__all__ = ["Encoder", "Normalization", "build", "embed", "load_pretrained"]
