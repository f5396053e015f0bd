"""Distiller: the training data of a student: labels, and a teacher's log-probabilities and embeddings of the images."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from catalog.dataset.columns import LEVEL_COLUMNS
from catalog_assets.classifiers.lookup import classifier_sha256, ensemble_record, members_of
from catalog_assets.classifiers.predictor import Predictor
from resources.recipes import RECIPES

if TYPE_CHECKING:
    from ml.classifiers.distillation import Features, LevelLogProbabilities
    from ml.classifiers.hierarchy import Hierarchy

NO_LABEL = -1
IN_TRAINING = pl.col("split") == "train"


@dataclass(frozen=True)
class Distiller:
    """The training images of a dataset, as a teacher predicts them; predictions are cached for all its students."""

    predictor: Predictor

    def labels(self, fraction: float) -> np.ndarray:
        """Return ids (num_images, num_levels), NO_LABEL but for a fraction of the labeled images."""
        is_used = pl.col("label_rank") < fraction
        columns = (pl.when(is_used).then(column).otherwise(NO_LABEL).fill_null(NO_LABEL) for column in LEVEL_COLUMNS)
        return self.predictor.rows.filter(IN_TRAINING).select(columns).to_numpy()

    def log_probabilities(self, teacher: str) -> "tuple[Hierarchy, LevelLogProbabilities]":
        """Return a teacher's classes, and its log-probabilities of all training images, labeled or not."""
        from ml.classifiers.distillation import load_log_probabilities, save_log_probabilities
        from ml.classifiers.hierarchy import joint

        if teacher in RECIPES.ensembles:
            ensemble_record(self.predictor.store, teacher)  # refuses members that changed
        path = self._cached(teacher, ".npz")
        if not path.exists():
            save_log_probabilities(path, self.predictor.log_probabilities(teacher, IN_TRAINING)[2])
        hierarchy = joint([self.predictor.classifier(each).hierarchy for each in members_of(teacher)])
        return hierarchy, load_log_probabilities(path)

    def features(self, teacher: str) -> "Features":
        """Return a teacher's embeddings of all training images (num_images, dim), its members' side by side."""
        path = self._cached(teacher, ".npy")
        if not path.exists():
            part = path.with_name(f".{path.name}")
            path.parent.mkdir(parents=True, exist_ok=True)
            np.save(part, np.concatenate([self._embeddings(member) for member in members_of(teacher)], axis=1))
            part.replace(path)
        features: Features = np.load(path)
        return features

    def _embeddings(self, classifier: str) -> "Features":
        """A classifier's embeddings of the training images: its inputs, where it is a probe."""
        from ml.encoders.encoder import embed

        _, inputs = self.predictor.inputs(classifier, IN_TRAINING)
        if inputs.ndim == 2:
            return inputs
        return embed(self.predictor.classifier(classifier).encoder, inputs, self.predictor.device)

    def _cached(self, teacher: str, suffix: str) -> Path:
        """The file of a teacher's predictions, named after the versions of its members and of the training images."""
        store, images = self.predictor.store, self.predictor.rows.filter(IN_TRAINING)
        inputs = [classifier_sha256(store, each) for each in members_of(teacher)]
        inputs += [*images["product_id"], *images["sha256"]]
        version = hashlib.sha256("\n".join(inputs).encode()).hexdigest()[:16]
        return store.scratch / "cache" / "teachers" / f"{teacher}-{version}{suffix}"
