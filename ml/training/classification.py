"""Classification: labelled examples, and the gradient of what a classifier gets wrong of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ml.classifiers.classifier import Classifier
from ml.classifiers.hierarchy import Ids
from ml.classifiers.losses import Training, loss_named, top_k_accuracy
from ml.distillation import Answers, Features, similarity_loss, soft_loss
from ml.pixels import PixelRows
from ml.recipe_types import ClassifierRecipe
from ml.training.mixing import mix
from ml.views import random_view

NUM_EVALUATIONS = 10  # over a run: validation on every epoch of a short one would cost more than the training
EVALUATION_BATCH = 256


@dataclass(frozen=True, kw_only=True)
class Examples:
    """Examples: pixels (n, 3, h, w) or embeddings (n, dim), and taxonomy ids (n, num_levels), -1 without a label.

    `values` are business values by leaf id. `answers` are a teacher's, over the classes of these labels' hierarchy;
    only where there are any, may examples lack a label. `features` are its embeddings. `unlabelled` pixels are
    FixMatch's.
    """

    inputs: NDArray[np.uint8] | NDArray[np.float32]
    labels: Ids
    values: Mapping[int, float] | None = None
    answers: Answers | None = None
    features: Features | None = None
    unlabelled: PixelRows | None = None

    def __post_init__(self) -> None:
        if len(self.inputs) != len(self.labels):
            raise ValueError(f"{len(self.inputs)} inputs have {len(self.labels)} labels; give one label to each")
        if self.answers is not None and len(self.answers[-1]) != len(self.inputs):
            raise ValueError(
                f"a teacher answered {len(self.answers[-1])} of {len(self.inputs)} inputs; it is to say all"
            )

    def first(self, num: int) -> "Examples":
        """The first so many examples."""
        answers = None if self.answers is None else tuple(level[:num] for level in self.answers)
        features = None if self.features is None else self.features[:num]
        return replace(self, inputs=self.inputs[:num], labels=self.labels[:num], answers=answers, features=features)


class ClassificationTask:
    """A classifier and the labelled examples that it learns from and is watched on."""

    def __init__(
        self, classifier: Classifier, recipe: ClassifierRecipe, train: Examples, validation: Examples | None
    ) -> None:
        self.num_examples = len(train.inputs)
        self._classifier, self._recipe, self._train, self._validation = classifier, recipe, train, validation
        self._targets = torch.from_numpy(classifier.hierarchy.encode(train.labels))
        self._loss_of_labels = loss_named(recipe.loss)
        self._training = Training.of(
            classifier.hierarchy, train.labels, recipe.depth_weights, recipe.label_smoothing, train.values
        )

    @property
    def module(self) -> Classifier:
        return self._classifier

    def backward(self, indices: Tensor) -> Mapping[str, Tensor]:
        device, rows = self._classifier.shift.device, indices.numpy()
        inputs = torch.from_numpy(self._train.inputs[rows]).to(device)
        targets = self._targets[indices].to(device)
        said = [torch.from_numpy(level[rows]).to(device) for level in self._train.answers or ()]
        if self._recipe.augmentation is not None:
            inputs = random_view(inputs, self._recipe.augmentation)
        if self._recipe.mixing is None:
            embeddings = self._classifier.embed(inputs) if inputs.ndim == 4 else inputs
            scores = self._classifier(embeddings)
            loss = self._loss(scores, targets, said) + self._unlikeness(embeddings, rows)
        else:
            mixed = mix(inputs, self._recipe.mixing)
            scores = self._classifier(mixed.pictures)
            loss = mixed.loss(lambda rows: self._loss(scores, targets[rows], [level[rows] for level in said]))
        loss.backward()  # type: ignore[no-untyped-call]
        return {"loss": loss.detach(), **_figures(scores, targets)}

    def inputs(self, indices: Tensor) -> Mapping[str, Tensor]:
        return {"inputs": torch.from_numpy(self._train.inputs[indices.numpy()]), "targets": self._targets[indices]}

    def after_update(self, progress: float) -> None:
        pass  # nothing follows the weights of a classifier

    def evaluate(self, epoch: int, num_epochs: int) -> Mapping[str, float]:
        """Loss, accuracy and top5 on the validation examples, ten times over the run or a little more."""
        validation = self._validation
        every = max(1, num_epochs // NUM_EVALUATIONS)
        if validation is None or (epoch % every and epoch < num_epochs):
            return {}
        device = self._classifier.shift.device
        targets = torch.from_numpy(self._classifier.hierarchy.encode(validation.labels))
        self._classifier.eval()
        sums: dict[str, float] = {}
        with torch.inference_mode():
            for start in range(0, len(targets), EVALUATION_BATCH):
                part = slice(start, start + EVALUATION_BATCH)
                inputs = torch.from_numpy(np.ascontiguousarray(validation.inputs[part])).to(device)
                scores, own = self._classifier(inputs), targets[part].to(device)
                loss = self._loss(scores, own)
                for name, value in {"loss": loss, **_figures(scores, own)}.items():
                    sums[name] = sums.get(name, 0.0) + value.item() * len(inputs)
        return {f"validation_{name}": total / len(targets) for name, total in sums.items()}

    def _loss(self, scores: Sequence[Tensor], targets: Tensor, said: Sequence[Tensor] = ()) -> Tensor:
        """Over all levels, by labels; and by what a teacher said, if it did."""
        loss = self._loss_of_labels(scores, targets, self._training.to(targets.device))
        distillation = self._recipe.distillation
        if distillation is None or not said:
            return loss
        soft = soft_loss(scores, said, distillation.temperature, self._recipe.depth_weights)
        return (1 - distillation.soft_weight) * loss + distillation.soft_weight * soft

    def _unlikeness(self, embeddings: Tensor, rows: NDArray[np.int64]) -> Tensor | float:
        """Of what the student and its teacher hold for alike, in its weight."""
        distillation = self._recipe.distillation
        if distillation is None or not distillation.feature_weight or self._train.features is None:
            return 0.0
        features = torch.from_numpy(self._train.features[rows]).to(embeddings.device)
        return distillation.feature_weight * similarity_loss(embeddings, features)


def _figures(scores: Sequence[Tensor], targets: Tensor) -> Mapping[str, Tensor]:
    """Accuracy and top5 of the leaves."""
    leaves, leaf_targets = scores[-1].detach(), targets[:, -1]
    return {name: top_k_accuracy(leaves, leaf_targets, k) for name, k in {"accuracy": 1, "top5": 5}.items()}
