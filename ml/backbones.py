"""Backbones: any timm network by name, without its classifier, for pictures of one resolution."""

from dataclasses import dataclass
from typing import Any

import timm
import torch
from timm.models import group_parameters
from torch import Tensor, nn

from ml.near_names import near


@dataclass(frozen=True, kw_only=True)
class Normalisation:
    """Mean and standard deviation of each colour channel (0..1) that a backbone expects removed."""

    mean: tuple[float, float, float]
    std: tuple[float, float, float]


def create_backbone(name: str, resolution: int) -> nn.Module:
    """A timm backbone with fresh weights that maps (batch, 3, resolution, resolution) to (batch, dim).

    Raises:
        ValueError: timm has no such backbone, or it cannot take pictures of this resolution.
    """
    require_known(name)
    try:
        backbone: nn.Module = timm.create_model(name, pretrained=False, num_classes=0, **size_option(name, resolution))
        embedding_dim(backbone, resolution)
    except (RuntimeError, AssertionError, TypeError, ValueError) as error:
        raise ValueError(
            f"backbone {name!r} cannot take pictures of {resolution} px ({error}); its own resolution is "
            f"{_config(name).input_size[-1]}"
        ) from error
    return backbone


def require_known(name: str) -> None:
    """Refuse a name that timm lacks, listing the nearest ones that it has."""
    if not timm.is_model(name):
        raise ValueError(f"unknown backbone {name!r}; of timm's, {near(name, timm.list_models())}")


def size_option(name: str, resolution: int) -> dict[str, Any]:
    """What tells timm our resolution, for a backbone built for one size, as most transformers are."""
    return {"img_size": resolution} if _config(name).fixed_input_size else {}


def normalisation(name: str) -> Normalisation:
    """The normalisation that timm's weights of this backbone were trained with."""
    config = _config(name)
    return Normalisation(mean=tuple(config.mean), std=tuple(config.std))


def embedding_dim(backbone: nn.Module, resolution: int) -> int:
    """The width of a backbone's embeddings, found by running it once: some widen them after pooling."""
    was_training = backbone.training
    with torch.inference_mode():
        embedding: Tensor = backbone.eval()(torch.zeros(1, 3, resolution, resolution))
    backbone.train(was_training)
    return embedding.shape[1]


def block_of_parameter(name: str, backbone: nn.Module) -> dict[str, int]:
    """The block that each parameter of a backbone belongs to, by the parameter's name; 0 is next to the pictures.

    Raises:
        ValueError: timm does not say how this backbone is divided.
    """
    try:
        matcher = backbone.group_matcher(coarse=False)  # type: ignore[operator]
        blocks: dict[str, int] = group_parameters(backbone, matcher, reverse=True)
    except (AttributeError, NotImplementedError, AssertionError) as error:
        raise ValueError(
            f"timm does not say which blocks {name!r} has; leave layer_decay and tuned_share at 1, or take another"
        ) from error
    return blocks


def _config(name: str) -> Any:
    """What timm says about a backbone: its own picture size and its normalisation among other things."""
    return timm.get_pretrained_cfg(name)
