"""Predictor: predictions of a classifier, a student or an ensemble, by its name."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import dagster as dg
import numpy as np
import polars as pl

from catalog_assets.classifiers.classifiers import inputs_of
from catalog_assets.classifiers.lookup import classifier_folder, ensemble_record, members_of
from catalog_assets.classifiers.trained_recipes import trained_recipe
from catalog_assets.partitions import same_classifier, same_ensemble, same_student
from resources.images import StoredImages
from resources.recipes import RECIPES
from resources.store import Store

if TYPE_CHECKING:
    import torch

    from ml.classifiers.classifier import Classifier
    from ml.classifiers.distillation import LevelLogProbabilities
    from ml.classifiers.ensembles import Probabilities
    from ml.classifiers.hierarchy import Hierarchy
    from ml.classifiers.predicting import LevelPrediction

# The dependencies of an asset that is partitioned by classifier and calls a Predictor.
PREDICTOR_DEPS = [
    dg.AssetDep("classifiers", partition_mapping=same_classifier),
    dg.AssetDep("students", partition_mapping=same_student),
    dg.AssetDep("ensembles", partition_mapping=same_ensemble),
]
MIN_PROBABILITY = 1e-12  # its logarithm fits in float16


@dataclass(frozen=True)
class Predictor:
    """The products of a dataset, their images, and the device on which classifiers predict them.

    `chosen` is everywhere a boolean expression over `rows`; the chosen rows come back in their order.
    """

    rows: pl.DataFrame
    store: Store
    stored_images: StoredImages
    device: "torch.device"

    def inputs(self, name: str, chosen: pl.Expr) -> tuple[pl.DataFrame, np.ndarray]:
        """Return the chosen rows, and a classifier's inputs of them: embeddings or pixels, (num_rows, ...)."""
        return inputs_of(trained_recipe(self.store, name), self.rows, chosen, self.store, self.stored_images)

    def classifier(self, name: str) -> "Classifier":
        """Load a classifier; refuses one that was trained from another version of its encoder."""
        from ml.classifiers.classifier import Classifier

        encoder_sha256 = self.store.fingerprint("encoders", trained_recipe(self.store, name).encoder)
        return Classifier.load(classifier_folder(self.store, name), inputs={"encoder": encoder_sha256})

    def predict(self, name: str, chosen: pl.Expr) -> tuple[pl.DataFrame, "tuple[LevelPrediction, ...]"]:
        """Return the chosen rows, and for each level the best classes of each row, root level first."""
        from ml.classifiers.predicting import predict, rank_classes

        if name in RECIPES.ensembles:
            rows, hierarchy, probabilities = self.ensemble_probabilities(name, chosen)
            return rows, rank_classes(hierarchy, probabilities)
        rows, inputs = self.inputs(name, chosen)
        return rows, predict(self.classifier(name), inputs, self.device)

    def log_probabilities(
        self, name: str, chosen: pl.Expr
    ) -> tuple[pl.DataFrame, "Hierarchy", "LevelLogProbabilities"]:
        """Return the chosen rows, the classes, and the log-probabilities, num_levels x (num_rows, num_classes)."""
        from ml.classifiers.distillation import teacher_log_probabilities

        if name in RECIPES.ensembles:
            rows, hierarchy, probabilities = self.ensemble_probabilities(name, chosen)
            clipped = (level.clip(MIN_PROBABILITY) for level in probabilities)
            return rows, hierarchy, tuple(np.log(level).astype(np.float16) for level in clipped)
        rows, inputs = self.inputs(name, chosen)
        classifier = self.classifier(name)
        return rows, classifier.hierarchy, teacher_log_probabilities(classifier, inputs, self.device)

    def ensemble_probabilities(
        self, ensemble: str, chosen: pl.Expr
    ) -> tuple[pl.DataFrame, "Hierarchy", "Probabilities"]:
        """Return the chosen rows, the classes of all members, and the weighted mean of their probabilities."""
        from ml.classifiers.ensembles import combined

        weights = ensemble_record(self.store, ensemble)["weights"]
        rows, hierarchy, members = self.member_probabilities(ensemble, chosen)
        return rows, hierarchy, combined(members, [weights[each] for each in members_of(ensemble)])

    def member_probabilities(
        self, ensemble: str, chosen: pl.Expr
    ) -> "tuple[pl.DataFrame, Hierarchy, list[Probabilities]]":
        """Return the chosen rows, the classes of all members, and each member's probabilities over them."""
        from ml.classifiers.ensembles import over_ensemble_classes
        from ml.classifiers.hierarchy import joint

        predictions = [self.log_probabilities(each, chosen) for each in members_of(ensemble)]
        hierarchy = joint([own_classes for _, own_classes, _ in predictions])
        probabilities = [
            over_ensemble_classes(hierarchy, own_classes, tuple(np.exp(level, dtype=np.float32) for level in levels))
            for _, own_classes, levels in predictions
        ]
        return predictions[0][0], hierarchy, probabilities
