"""Mixing: mixup and CutMix of a batch's pictures, and the loss of what came out."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from ml.recipe_types import Mixing


@dataclass(frozen=True, kw_only=True)
class Mixed:
    """Pictures (batch, 3, h, w) on a 0..1 scale: `share` of each is its own, the rest is of its partner (batch,)."""

    pictures: Tensor
    partners: Tensor
    share: float

    def loss(self, loss_of: Callable[[Tensor], Tensor]) -> Tensor:
        """The loss of both halves, in their shares; `loss_of` takes the rows whose targets are meant."""
        own = torch.arange(len(self.partners), device=self.partners.device)
        if self.share == 1:
            return loss_of(own)
        return self.share * loss_of(own) + (1 - self.share) * loss_of(self.partners)


def mix(pictures: Tensor, settings: Mixing) -> Mixed:
    """A batch mixed as the settings say: uint8 or 0..1 float (batch, 3, h, w); draws are PyTorch's global ones."""
    scaled = pictures.float() / 255 if pictures.dtype == torch.uint8 else pictures
    if torch.rand(()) >= settings.probability:
        return Mixed(pictures=scaled, partners=torch.arange(len(scaled), device=scaled.device), share=1.0)
    partners = torch.randperm(len(scaled)).to(scaled.device)
    alphas = (settings.mixup_alpha, settings.cutmix_alpha)
    cuts = bool(torch.rand(()) < 0.5) if min(alphas) > 0 else alphas[0] == 0
    alpha = torch.tensor(float(alphas[cuts]))
    share = float(torch.distributions.Beta(alpha, alpha).sample())
    if cuts:
        return _cut(scaled, partners, share)
    return Mixed(pictures=torch.lerp(scaled[partners], scaled, share), partners=partners, share=share)


def _cut(pictures: Tensor, partners: Tensor, share: float) -> Mixed:
    """A box of about 1 - `share` of the area, about a random centre, is the partner's; what leaves the edge is lost."""
    height, width = pictures.shape[2:]
    side = (1 - share) ** 0.5
    middle_y, middle_x = float(torch.rand(())) * height, float(torch.rand(())) * width
    top, bottom = (min(height, max(0, round(middle_y + sign * side * height / 2))) for sign in (-1, 1))
    left, right = (min(width, max(0, round(middle_x + sign * side * width / 2))) for sign in (-1, 1))
    cut = pictures.clone()
    cut[:, :, top:bottom, left:right] = pictures[partners, :, top:bottom, left:right]
    return Mixed(pictures=cut, partners=partners, share=1 - (bottom - top) * (right - left) / (height * width))
