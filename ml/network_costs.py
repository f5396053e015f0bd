"""Network costs: parameters and multiply-accumulates of a backbone, computed without allocating its weights."""

from dataclasses import dataclass
from functools import cache

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from ml.encoders.backbones import create_backbone

FLOPS_PER_MAC = 2


@dataclass(frozen=True, kw_only=True)
class NetworkCost:
    """The size of a backbone, and the work of embedding one image.

    Attributes:
        num_parameters: Parameters without a classifier.
        gmacs: Billions of multiply-accumulates of convolutions, matrix products and attention.
        is_depthwise: True where most convolutions are depthwise: they take longer than their MACs suggest.
    """

    num_parameters: int
    gmacs: float
    is_depthwise: bool


@cache
def network_cost(name: str, resolution: int) -> NetworkCost:
    """Computes the cost of a timm backbone on images of one resolution, on PyTorch's meta device.

    Raises:
        ValueError: timm has no such backbone, or it does not accept images of this resolution.
    """
    backbone = create_backbone(name, resolution, device="meta").eval().requires_grad_(requires_grad=False)
    image = torch.zeros(1, 3, resolution, resolution, device="meta")
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        backbone(image)
    spatial = [each for each in backbone.modules() if isinstance(each, nn.Conv2d) and each.kernel_size[0] > 1]
    return NetworkCost(
        num_parameters=sum(parameter.numel() for parameter in backbone.parameters()),
        gmacs=counter.get_total_flops() / FLOPS_PER_MAC / 1e9,
        is_depthwise=sum(each.groups == each.in_channels > 1 for each in spatial) > len(spatial) / 2,
    )
