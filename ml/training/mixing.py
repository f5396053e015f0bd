"""Mixup and CutMix: mixed images of a batch and their loss."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from ml.recipe_types import Mixing


@dataclass(frozen=True, kw_only=True)
class MixedBatch:
    """A batch after mixing.

    Attributes:
        images: (batch, 3, height, width), float in 0..1.
        partners: The row that each image is mixed with, (batch,).
        share: Share of each image's own content; the rest is its partner's.
    """

    images: Tensor
    partners: Tensor
    share: float

    def loss(self, loss_of: Callable[[Tensor], Tensor]) -> Tensor:
        """Weighs the losses against both targets; `loss_of` receives the rows (batch,) whose targets to use."""
        own = torch.arange(len(self.partners), device=self.partners.device)
        if self.share == 1:
            return loss_of(own)
        return self.share * loss_of(own) + (1 - self.share) * loss_of(self.partners)


def mix(images: Tensor, settings: Mixing) -> MixedBatch:
    """Mixes images (batch, 3, height, width), uint8 or float in 0..1, using PyTorch's global generator."""
    scaled = images.float() / 255 if images.dtype == torch.uint8 else images
    if torch.rand(()) >= settings.probability:
        return MixedBatch(images=scaled, partners=torch.arange(len(scaled), device=scaled.device), share=1.0)
    partners = torch.randperm(len(scaled)).to(scaled.device)
    alphas = (settings.mixup_alpha, settings.cutmix_alpha)
    use_cutmix = bool(torch.rand(()) < 0.5) if min(alphas) > 0 else alphas[0] == 0
    alpha = torch.tensor(float(alphas[use_cutmix]))
    share = float(torch.distributions.Beta(alpha, alpha).sample())
    if use_cutmix:
        return _cutmix(scaled, partners, share)
    return MixedBatch(images=torch.lerp(scaled[partners], scaled, share), partners=partners, share=share)


def _cutmix(images: Tensor, partners: Tensor, share: float) -> MixedBatch:
    """Replaces a box of area 1 - `share` at a random center, clipped at the edges, by the partner's content."""
    height, width = images.shape[2:]
    side = (1 - share) ** 0.5
    center_y, center_x = float(torch.rand(())) * height, float(torch.rand(())) * width
    top, bottom = (min(height, max(0, round(center_y + sign * side * height / 2))) for sign in (-1, 1))
    left, right = (min(width, max(0, round(center_x + sign * side * width / 2))) for sign in (-1, 1))
    mixed = images.clone()
    mixed[:, :, top:bottom, left:right] = images[partners, :, top:bottom, left:right]
    return MixedBatch(images=mixed, partners=partners, share=1 - (bottom - top) * (right - left) / (height * width))
