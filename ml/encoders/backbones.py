"""Backbones: timm models without a classifier, for images of one resolution."""

from dataclasses import dataclass
from typing import Any

import timm
import torch
from timm.layers.patch_embed import PatchEmbed
from timm.models import group_parameters
from torch import Tensor, nn

from ml.name_suggestions import suggest_names


@dataclass(frozen=True, kw_only=True)
class Normalization:
    """Mean and standard deviation of each color channel, of values in 0..1, that a backbone expects."""

    mean: tuple[float, float, float]
    std: tuple[float, float, float]


def create_backbone(
    name: str, resolution: int, *, drop_path: float = 0.0, device: torch.device | str = "cpu"
) -> nn.Module:
    """Builds a timm backbone with random weights that maps (batch, 3, resolution, resolution) to (batch, dim).

    Args:
        name: timm's name of the backbone.
        resolution: Side of the input images in pixels.
        drop_path: Probability of stochastic depth in training.
        device: The device of the weights; on "meta" nothing is allocated or computed, but all is checked.

    Raises:
        ValueError: timm has no such model, or the model does not accept images of this resolution or a drop path.
    """
    require_known(name)
    if resolution < 1:
        raise ValueError(f"backbone {name!r} cannot take images of {resolution} px; give a resolution of at least 1")
    options = {**image_size_option(name, resolution), **({"drop_path_rate": drop_path} if drop_path else {})}
    try:
        with torch.device(device):
            backbone: nn.Module = timm.create_model(name, pretrained=False, num_classes=0, **options)
        _require_whole_patches(backbone, resolution)
        embedding_dim(backbone, resolution)
    except (RuntimeError, AssertionError, TypeError, ValueError) as error:
        if "drop_path_rate" in str(error):
            raise ValueError(f"backbone {name!r} has no drop path; leave drop_path at 0") from error
        raise ValueError(
            f"backbone {name!r} cannot take images of {resolution} px ({_first_line(error)}); its own resolution is "
            f"{_config(name).input_size[-1]}"
        ) from error
    return backbone


def _require_whole_patches(backbone: nn.Module, resolution: int) -> None:
    """Raises ValueError where a transformer would ignore pixels at the edges that fill no patch."""
    for module in backbone.modules():
        if isinstance(module, PatchEmbed) and not module.dynamic_img_pad and resolution % module.patch_size[0]:
            size = module.patch_size[0]
            below, above = resolution // size * size, (resolution // size + 1) * size
            nearest = f"{below} or {above}" if below else str(above)
            raise ValueError(f"its patches are of {size} px, so give a multiple, such as {nearest}")


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def require_known(name: str) -> None:
    """Raises ValueError with similar names if timm has no model of this name, or no weights of its tag."""
    if not timm.is_model(name):
        raise ValueError(f"unknown backbone {name!r}; timm knows {suggest_names(name, timm.list_models())}")
    try:
        _config(name)
    except RuntimeError:  # its message names the tag alone
        architecture = name.partition(".")[0]
        known = suggest_names(name, timm.list_pretrained(f"{architecture}.*"))
        raise ValueError(f"unknown backbone {name!r}; timm knows weights of {architecture!r}: {known}") from None


def image_size_option(name: str, resolution: int) -> dict[str, Any]:
    """Returns the `img_size` argument for models built for one input size, as most transformers are."""
    return {"img_size": resolution} if _config(name).fixed_input_size else {}


def normalization(name: str) -> Normalization:
    """Returns the normalization with which timm's weights of this backbone were trained."""
    config = _config(name)
    return Normalization(mean=tuple(config.mean), std=tuple(config.std))


def embedding_dim(backbone: nn.Module, resolution: int) -> int:
    """Returns the dimension of a backbone's embeddings, from a forward pass: some models add layers after pooling."""
    was_training = backbone.training
    device = next((parameter.device for parameter in backbone.parameters()), torch.device("cpu"))
    with torch.inference_mode():
        embedding: Tensor = backbone.eval()(torch.zeros(1, 3, resolution, resolution, device=device))
    backbone.train(was_training)
    return embedding.shape[1]


def block_of_parameter(name: str, backbone: nn.Module) -> dict[str, int]:
    """Maps each parameter's name to the index of its block; block 0 is the first one after the input.

    Args:
        name: timm's name of the backbone, for error messages.
        backbone: The model.

    Raises:
        ValueError: timm does not define blocks for this backbone.
    """
    try:
        matcher = backbone.group_matcher(coarse=False)  # type: ignore[operator]
        blocks: dict[str, int] = group_parameters(backbone, matcher, reverse=True)
    except (AttributeError, NotImplementedError, AssertionError) as error:
        raise ValueError(
            f"timm defines no blocks for {name!r}; leave layer_decay and tuned_share at 1, or change the backbone"
        ) from error
    return blocks


def _config(name: str) -> Any:
    """Returns timm's configuration of a pretrained model, such as its input size and normalization."""
    return timm.get_pretrained_cfg(name)
