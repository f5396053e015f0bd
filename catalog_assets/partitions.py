"""Partition sets: one key a delivery, one key a recipe, and one key an encoder and a share of the labels."""

from collections import defaultdict
from collections.abc import Callable, Iterable

import dagster as dg

from ml.recipes import (
    ATTRIBUTE_RECIPES,
    CLASSIFIER_RECIPES,
    ENCODER_RECIPES,
    ENSEMBLE_RECIPES,
    LABEL_SHARES,
    STUDENT_RECIPES,
    ClassifierRecipe,
)
from ml.search.recipe import SEARCH_RECIPES

deliveries = dg.DynamicPartitionsDefinition(name="deliveries")
encoder_recipes = dg.StaticPartitionsDefinition(list(ENCODER_RECIPES))
classifier_recipes = dg.StaticPartitionsDefinition(list(CLASSIFIER_RECIPES))
student_recipes = dg.StaticPartitionsDefinition(list(STUDENT_RECIPES))
attribute_recipes = dg.StaticPartitionsDefinition(list(ATTRIBUTE_RECIPES))
ensemble_recipes = dg.StaticPartitionsDefinition(list(ENSEMBLE_RECIPES))
search_recipes = dg.StaticPartitionsDefinition(list(SEARCH_RECIPES))
encoder_shares = dg.MultiPartitionsDefinition(
    {"encoder": encoder_recipes, "share": dg.StaticPartitionsDefinition(list(LABEL_SHARES))}
)


def _by(upstream: Callable[[ClassifierRecipe], str], recipes: Iterable[ClassifierRecipe]) -> dg.StaticPartitionMapping:
    """From each recipe back to the one partition that it is made from."""
    made: dict[str, set[str]] = defaultdict(set)
    for recipe in recipes:
        made[upstream(recipe)].add(recipe.name)
    return dg.StaticPartitionMapping(dict(made))


def _teacher(recipe: ClassifierRecipe) -> str:
    assert recipe.distillation is not None  # noqa: S101 as every student's is
    return recipe.distillation.teacher


of_its_encoder = _by(lambda recipe: recipe.encoder, CLASSIFIER_RECIPES.values())
of_a_student_s_encoder = _by(lambda recipe: recipe.encoder, STUDENT_RECIPES.values())
of_its_teacher = _by(_teacher, STUDENT_RECIPES.values())

_attributes_by_encoder: dict[str, set[str]] = defaultdict(set)
for _attribute in ATTRIBUTE_RECIPES.values():
    _attributes_by_encoder[_attribute.classifier.encoder].add(_attribute.name)
of_an_attribute_s_encoder = dg.StaticPartitionMapping(dict(_attributes_by_encoder))

_ensembles_by_member: dict[str, set[str]] = defaultdict(set)
for _ensemble in ENSEMBLE_RECIPES.values():
    for _member in _ensemble.members:
        _ensembles_by_member[_member].add(_ensemble.name)

# An ensemble is made from all classifiers that its recipe names.
of_their_members = dg.StaticPartitionMapping(dict(_ensembles_by_member))

# A search is made from all encoders that it may choose from.
of_a_search_s_encoders = dg.StaticPartitionMapping(
    {
        encoder: [name for name, search in SEARCH_RECIPES.items() if encoder in search.space.encoders]
        for encoder in ENCODER_RECIPES
    }
)
