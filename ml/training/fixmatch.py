"""FixMatch: what a classifier is sure of in one view of an unlabelled picture, it is to say of a harder view too.

Sohn et al. 2020, arXiv:2001.07685, with a pseudo-label for every level of the taxonomy on which it is sure.
"""

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ml.pixels import PixelRows
from ml.recipe_types import Augmentation, FixMatch
from ml.training.loop import Task
from ml.views import random_view


class FixMatchTask:
    """A task on labelled pictures, and beside each of its batches some pictures without a label.

    Weak views of these are made as the labelled ones are, by `weak`; without it they are the pictures as they are.
    """

    def __init__(
        self,
        supervised: Task,
        unlabelled: PixelRows,
        settings: FixMatch,
        depth_weights: tuple[float, ...],
        weak: Augmentation | None,
    ) -> None:
        if len(unlabelled) == 0:
            raise ValueError("FixMatch needs pictures without a label; there is none, so leave it out of the recipe")
        self.num_examples = supervised.num_examples
        self._supervised, self._unlabelled = supervised, unlabelled
        self._settings, self._depth_weights, self._weak = settings, depth_weights, weak

    @property
    def module(self) -> nn.Module:
        return self._supervised.module

    def backward(self, indices: Tensor) -> Mapping[str, Tensor]:
        """Adds both gradients; figures are the supervised ones, `unsupervised_loss` and `sure`, a share of leaves."""
        figures = self._supervised.backward(indices)
        num = min(len(self._unlabelled), self._settings.unlabelled_ratio * len(indices))
        rows = torch.randperm(len(self._unlabelled))[:num].numpy()
        device = next(self.module.parameters()).device
        pixels = torch.from_numpy(self._unlabelled[rows]).to(device)
        with torch.no_grad():
            said = self.module(pixels if self._weak is None else random_view(pixels, self._weak))
        answered = self.module(random_view(pixels, self._settings.strong))
        loss, sure = consistency_loss(said, answered, self._depth_weights, self._settings.threshold)
        (self._settings.weight * loss).backward()  # type: ignore[no-untyped-call]
        return {**figures, "unsupervised_loss": loss.detach(), "sure": sure}

    def inputs(self, indices: Tensor) -> Mapping[str, Tensor]:
        return self._supervised.inputs(indices)

    def after_update(self, progress: float) -> None:
        self._supervised.after_update(progress)

    def evaluate(self, epoch: int, num_epochs: int) -> Mapping[str, float]:
        return self._supervised.evaluate(epoch, num_epochs)


def consistency_loss(
    weak: tuple[Tensor, ...], strong: tuple[Tensor, ...], depth_weights: tuple[float, ...], threshold: float
) -> tuple[Tensor, Tensor]:
    """Equation 4 of the paper, summed over levels by their weights; and the share of pictures sure of their leaf.

    Both views' logits, or log-probabilities, are num_levels x (batch, num_classes). A picture counts on a level where
    the weak view's highest probability reaches the threshold; the mean is over all pictures.
    """
    loss = strong[0].new_zeros(())
    for said, answered, weight in zip(weak, strong, depth_weights, strict=True):
        confidence, pseudo_labels = said.softmax(dim=1).max(dim=1)
        sure = (confidence >= threshold).float()
        loss = loss + weight * (sure * F.cross_entropy(answered, pseudo_labels, reduction="none")).mean()
    return loss, sure.mean()  # of the last level
