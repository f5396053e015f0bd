"""FixMatch: confident predictions on weak views become pseudo-labels of strong views.

Sohn et al. 2020, arXiv:2001.07685. Each taxonomy level has its own pseudo-label and confidence.
"""

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ml.pixels import PixelsLike
from ml.recipe_types import Augmentation, FixMatch
from ml.training.loop import Task
from ml.views import random_view


class FixMatchTask:
    """A supervised task that also draws unlabeled images for each of its batches.

    Args:
        supervised: The task on labeled images.
        unlabeled: (num_images, 3, height, width), uint8.
        settings: Threshold, ratio, weight and strong augmentation.
        depth_weights: Weight of each taxonomy level, root first.
        weak: Augmentation of the weak views, that of the labeled images; None uses the images unchanged.

    Raises:
        ValueError: There are no unlabeled images.
    """

    def __init__(
        self,
        supervised: Task,
        unlabeled: PixelsLike,
        settings: FixMatch,
        depth_weights: tuple[float, ...],
        weak: Augmentation | None,
    ) -> None:
        if len(unlabeled) == 0:
            raise ValueError("FixMatch needs unlabeled images and there are none; leave it out of the recipe")
        self.num_examples = supervised.num_examples
        self._supervised, self._unlabeled = supervised, unlabeled
        self._settings, self._depth_weights, self._weak = settings, depth_weights, weak

    @property
    def module(self) -> nn.Module:
        """The classifier."""
        return self._supervised.module

    def backward(self, indices: Tensor) -> Mapping[str, Tensor]:
        """Adds both gradients; returns the supervised metrics, `unsupervised_loss` and `confident_share`."""
        metrics = self._supervised.backward(indices)
        num = min(len(self._unlabeled), self._settings.unlabeled_ratio * len(indices))
        rows = torch.randperm(len(self._unlabeled))[:num].numpy()
        device = next(self.module.parameters()).device
        pixels = torch.from_numpy(self._unlabeled[rows]).to(device)
        with torch.no_grad():
            weak_logits = self.module(pixels if self._weak is None else random_view(pixels, self._weak))
        strong_logits = self.module(random_view(pixels, self._settings.strong))
        loss, confident_share = consistency_loss(
            weak_logits, strong_logits, self._depth_weights, self._settings.threshold
        )
        (self._settings.weight * loss).backward()  # type: ignore[no-untyped-call]
        return {**metrics, "unsupervised_loss": loss.detach(), "confident_share": confident_share}

    def inputs(self, indices: Tensor) -> Mapping[str, Tensor]:
        """Returns the inputs of the labeled images."""
        return self._supervised.inputs(indices)

    def after_update(self, progress: float) -> None:
        """Forwards to the supervised task."""
        self._supervised.after_update(progress)

    def evaluate(self, epoch: int, num_epochs: int) -> Mapping[str, float]:
        """Evaluates the supervised task."""
        return self._supervised.evaluate(epoch, num_epochs)


def consistency_loss(
    weak: tuple[Tensor, ...], strong: tuple[Tensor, ...], depth_weights: tuple[float, ...], threshold: float
) -> tuple[Tensor, Tensor]:
    """Computes the unsupervised loss (Eq. 4), weighted over taxonomy levels.

    Args:
        weak: Logits or log-probabilities of the weak views, (batch, num_classes) for each level.
        strong: Likewise for the strong views.
        depth_weights: Weight of each level.
        threshold: Minimal probability of a pseudo-label; less confident images contribute a loss of 0.

    Returns:
        The mean loss over all images, and the share of images whose leaf prediction is confident.
    """
    loss = strong[0].new_zeros(())
    for weak_logits, strong_logits, weight in zip(weak, strong, depth_weights, strict=True):
        confidence, pseudo_labels = weak_logits.softmax(dim=1).max(dim=1)
        confident = (confidence >= threshold).float()
        loss = loss + weight * (confident * F.cross_entropy(strong_logits, pseudo_labels, reduction="none")).mean()
    return loss, confident.mean()  # of the last level
