"""Answering: what a classifier, a student or an ensemble says of pictures, whichever of them a name means."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import dagster as dg
import numpy as np
import polars as pl

from catalog_assets.classifiers import inputs_of
from catalog_assets.partitions import of_the_same_classifier, of_the_same_ensemble, of_the_same_student
from catalog_assets.trained import trained_recipe
from ml.recipes import ENSEMBLE_RECIPES
from resources.pictures import Pictures
from resources.store import Store

if TYPE_CHECKING:
    import torch

    from ml.classifiers.classifier import Classifier
    from ml.classifiers.hierarchy import Hierarchy
    from ml.classifiers.predicting import LevelPrediction
    from ml.distillation import Answers
    from ml.ensembles import Probabilities

# What is made from whoever answers under a name is made from one of these, which share their names with it.
WHOEVER_ANSWERS = [
    dg.AssetDep("classifiers", partition_mapping=of_the_same_classifier),
    dg.AssetDep("students", partition_mapping=of_the_same_student),
    dg.AssetDep("ensembles", partition_mapping=of_the_same_ensemble),
]
LEAST = 1e-12  # a probability whose logarithm float16 holds


def members_of(name: str) -> tuple[str, ...]:
    """The classifiers that answer under a name: an ensemble's members, or just the one."""
    return ENSEMBLE_RECIPES[name].members if name in ENSEMBLE_RECIPES else (name,)


def ensemble_record(store: Store, name: str) -> dict[str, Any]:
    """The weights of an ensemble, and the fingerprints of its members, which are still those that it was made from.

    Raises:
        FileNotFoundError: it was never made.
        ValueError: a member was trained again since.
    """
    record = store.read_json("ensembles", f"ensemble={name}", "ensemble.json")
    if record is None:
        raise FileNotFoundError(f"ensemble {name!r} is not in the store; materialise ensembles[{name}]")
    changed = [each for each, sha256 in record["members"].items() if store.fingerprint("classifiers", each) != sha256]
    if changed:
        raise ValueError(f"{', '.join(changed)} changed since ensemble {name!r} was made; materialise it again")
    return record


@dataclass(frozen=True)
class Answering:
    """The pictures of a dataset, and the device that whoever is asked about them computes on."""

    rows: pl.DataFrame
    store: Store
    pictures: Pictures
    device: "torch.device"

    def inputs(self, name: str, chosen: pl.Expr) -> tuple[pl.DataFrame, np.ndarray]:
        """The chosen rows, and what a classifier takes of them."""
        return inputs_of(trained_recipe(self.store, name), self.rows, chosen, self.store, self.pictures)

    def classifier(self, name: str) -> "Classifier":
        """The classifier as it is in the store, made from the encoder that is there."""
        from ml.classifiers.classifier import Classifier

        made_from = {"encoder": self.store.fingerprint("encoders", trained_recipe(self.store, name).encoder)}
        return Classifier.load(self.store.here("classifiers", name), inputs=made_from)

    def best(self, name: str, chosen: pl.Expr) -> tuple[pl.DataFrame, "tuple[LevelPrediction, ...]"]:
        """The chosen rows, and the best classes of each on every level."""
        from ml.classifiers.predicting import best_of, predict

        if name in ENSEMBLE_RECIPES:
            rows, hierarchy, said = self.probabilities(name, chosen)
            return rows, best_of(hierarchy, said)
        rows, inputs = self.inputs(name, chosen)
        return rows, predict(self.classifier(name), inputs, self.device)

    def log_probabilities(self, name: str, chosen: pl.Expr) -> tuple[pl.DataFrame, "Hierarchy", "Answers"]:
        """The chosen rows, the classes that whoever is asked knows, and what it says of each."""
        from ml.distillation import answers

        if name in ENSEMBLE_RECIPES:
            rows, hierarchy, said = self.probabilities(name, chosen)
            return rows, hierarchy, tuple(np.log(level.clip(LEAST)).astype(np.float16) for level in said)
        rows, inputs = self.inputs(name, chosen)
        classifier = self.classifier(name)
        return rows, classifier.hierarchy, answers(classifier, inputs, self.device)

    def probabilities(self, ensemble: str, chosen: pl.Expr) -> tuple[pl.DataFrame, "Hierarchy", "Probabilities"]:
        """The same of an ensemble, as its members' weighted mean."""
        from ml.ensembles import combined

        weights = ensemble_record(self.store, ensemble)["weights"]
        rows, hierarchy, members = self.by_member(ensemble, chosen)
        return rows, hierarchy, combined(members, [weights[each] for each in members_of(ensemble)])

    def by_member(self, ensemble: str, chosen: pl.Expr) -> "tuple[pl.DataFrame, Hierarchy, list[Probabilities]]":
        """The chosen rows, the classes that any member of an ensemble knows, and each member's probabilities."""
        from ml.classifiers.hierarchy import joint
        from ml.ensembles import over

        asked = [self.log_probabilities(each, chosen) for each in members_of(ensemble)]
        hierarchy = joint([known for _, known, _ in asked])
        said = [
            over(hierarchy, known, tuple(np.exp(level, dtype=np.float32) for level in levels))
            for _, known, levels in asked
        ]
        return asked[0][0], hierarchy, said
