"""Classification task: training examples, the loss of a batch, and validation metrics."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ml.classifiers.classifier import Classifier
from ml.classifiers.distillation import Features, LevelLogProbabilities, similarity_loss, soft_loss
from ml.classifiers.hierarchy import Ids
from ml.classifiers.losses import TrainingStatistics, loss_named, top_k_accuracy
from ml.pixels import PixelsLike
from ml.recipe_types import ClassifierRecipe
from ml.training.mixing import mix
from ml.views import random_view

NUM_EVALUATIONS = 10  # per run: evaluating every epoch of a short run would cost more than training
EVALUATION_BATCH = 256


@dataclass(frozen=True, kw_only=True)
class Examples:
    """Training or validation examples.

    Args:
        inputs: Images (num, 3, height, width), uint8, or embeddings (num, dim), float32.
        labels: Taxonomy ids (num, num_levels), root first; -1 for an unlabeled example, allowed only with a teacher.
        values: Business value of each leaf id.
        teacher_log_probabilities: The teacher's predictions for each level, (num, num_classes), over the classes of the
            labels' hierarchy.
        teacher_features: The teacher's embeddings, (num, teacher_dim).
        unlabeled: Images (num_unlabeled, 3, height, width), uint8, for FixMatch.

    Raises:
        ValueError: The numbers of inputs, labels and teacher predictions differ.
    """

    inputs: NDArray[np.uint8] | NDArray[np.float32]
    labels: Ids
    values: Mapping[int, float] | None = None
    teacher_log_probabilities: LevelLogProbabilities | None = None
    teacher_features: Features | None = None
    unlabeled: PixelsLike | None = None

    def __post_init__(self) -> None:
        if len(self.inputs) != len(self.labels):
            raise ValueError(f"{len(self.inputs)} inputs have {len(self.labels)} labels; give one label to each")
        predictions = self.teacher_log_probabilities
        if predictions is not None and len(predictions[-1]) != len(self.inputs):
            raise ValueError(
                f"the teacher predicted {len(predictions[-1])} of {len(self.inputs)} inputs; it has to predict all"
            )

    def first(self, num: int) -> "Examples":
        """Returns the first `num` examples."""
        predictions, features = self.teacher_log_probabilities, self.teacher_features
        return replace(
            self,
            inputs=self.inputs[:num],
            labels=self.labels[:num],
            teacher_log_probabilities=None if predictions is None else tuple(level[:num] for level in predictions),
            teacher_features=None if features is None else features[:num],
        )


class ClassificationTask:
    """Trains a classifier on labeled examples and evaluates it on validation examples."""

    def __init__(
        self, classifier: Classifier, recipe: ClassifierRecipe, train: Examples, validation: Examples | None
    ) -> None:
        self.num_examples = len(train.inputs)
        self._classifier, self._recipe, self._train, self._validation = classifier, recipe, train, validation
        self._targets = torch.from_numpy(classifier.hierarchy.encode(train.labels))
        self._loss_of_labels = loss_named(recipe.loss)
        self._training = TrainingStatistics.of(
            classifier.hierarchy, train.labels, recipe.depth_weights, recipe.label_smoothing, train.values
        )

    @property
    def module(self) -> Classifier:
        """The classifier."""
        return self._classifier

    def backward(self, indices: Tensor) -> Mapping[str, Tensor]:
        """Adds the gradient of a batch; returns `loss`, `accuracy` and `top5`."""
        device, rows = self._classifier.shift.device, indices.numpy()
        inputs = torch.from_numpy(self._train.inputs[rows]).to(device)
        targets = self._targets[indices].to(device)
        soft_targets = [
            torch.from_numpy(level[rows]).to(device) for level in self._train.teacher_log_probabilities or ()
        ]
        if self._recipe.augmentation is not None:
            inputs = random_view(inputs, self._recipe.augmentation, self._recipe.view_resolution)
        if self._recipe.mixing is None:
            embeddings = self._classifier.embed(inputs) if inputs.ndim == 4 else inputs
            scores = self._classifier(embeddings)
            loss = self._loss(scores, targets, soft_targets) + self._feature_loss(embeddings, rows)
        else:
            mixed = mix(inputs, self._recipe.mixing)
            scores = self._classifier(mixed.images)
            loss = mixed.loss(lambda rows: self._loss(scores, targets[rows], [level[rows] for level in soft_targets]))
        loss.backward()  # type: ignore[no-untyped-call]
        return {"loss": loss.detach(), **_leaf_metrics(scores, targets)}

    def inputs(self, indices: Tensor) -> Mapping[str, Tensor]:
        """Returns the inputs and the encoded targets of examples."""
        return {"inputs": torch.from_numpy(self._train.inputs[indices.numpy()]), "targets": self._targets[indices]}

    def after_update(self, progress: float) -> None:
        """Does nothing: a classifier has no momentum copies."""

    def evaluate(self, epoch: int, num_epochs: int) -> Mapping[str, float]:
        """Returns validation_loss, _accuracy and _top5 about ten times per run, otherwise nothing."""
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
                scores, part_targets = self._classifier(inputs), targets[part].to(device)
                loss = self._loss(scores, part_targets)
                for name, value in {"loss": loss, **_leaf_metrics(scores, part_targets)}.items():
                    sums[name] = sums.get(name, 0.0) + value.item() * len(inputs)
        return {f"validation_{name}": total / len(targets) for name, total in sums.items()}

    def _loss(self, scores: Sequence[Tensor], targets: Tensor, soft_targets: Sequence[Tensor] = ()) -> Tensor:
        """Returns the loss over all levels against the labels and, with distillation, the teacher's predictions."""
        loss = self._loss_of_labels(scores, targets, self._training.to(targets.device))
        distillation = self._recipe.distillation
        if distillation is None or not soft_targets:
            return loss
        soft = soft_loss(scores, soft_targets, distillation.temperature, self._recipe.depth_weights)
        return (1 - distillation.soft_weight) * loss + distillation.soft_weight * soft

    def _feature_loss(self, embeddings: Tensor, rows: NDArray[np.int64]) -> Tensor | float:
        """Returns the weighted similarity-preserving loss between the student's and the teacher's embeddings."""
        distillation = self._recipe.distillation
        if distillation is None or not distillation.feature_weight or self._train.teacher_features is None:
            return 0.0
        features = torch.from_numpy(self._train.teacher_features[rows]).to(embeddings.device)
        return distillation.feature_weight * similarity_loss(embeddings, features)


def _leaf_metrics(scores: Sequence[Tensor], targets: Tensor) -> Mapping[str, Tensor]:
    """Returns top-1 and top-5 accuracy of the leaves."""
    leaves, leaf_targets = scores[-1].detach(), targets[:, -1]
    return {name: top_k_accuracy(leaves, leaf_targets, k) for name, k in {"accuracy": 1, "top5": 5}.items()}
