"""Partition sets: one key a delivery, one key a recipe, and one key an encoder and a share of the labels."""

from collections import defaultdict
from collections.abc import Iterable

import dagster as dg

from ml.recipe_types import ClassifierRecipe
from ml.recipes import (
    ATTRIBUTE_RECIPES,
    CLASSIFIER_RECIPES,
    ENCODER_RECIPES,
    ENSEMBLE_RECIPES,
    LABEL_SHARES,
    STUDENT_RECIPES,
)
from ml.search.recipe import SEARCH_RECIPES

deliveries = dg.DynamicPartitionsDefinition(name="deliveries")
encoder_recipes = dg.StaticPartitionsDefinition(list(ENCODER_RECIPES))
# A classifier whose recipe a search finds, and the search.
FOUND_BY = {f"search-{name}": name for name in SEARCH_RECIPES}
classifier_recipes = dg.StaticPartitionsDefinition([*CLASSIFIER_RECIPES, *FOUND_BY])
student_recipes = dg.StaticPartitionsDefinition(list(STUDENT_RECIPES))
attribute_recipes = dg.StaticPartitionsDefinition(list(ATTRIBUTE_RECIPES))
ensemble_recipes = dg.StaticPartitionsDefinition(list(ENSEMBLE_RECIPES))
search_recipes = dg.StaticPartitionsDefinition(list(SEARCH_RECIPES))
# Whatever answers with categories, and so is judged.
judged_classifiers = dg.StaticPartitionsDefinition(
    [*CLASSIFIER_RECIPES, *FOUND_BY, *STUDENT_RECIPES, *ENSEMBLE_RECIPES]
)
encoder_shares = dg.MultiPartitionsDefinition(
    {"encoder": encoder_recipes, "share": dg.StaticPartitionsDefinition(list(LABEL_SHARES))}
)


def _from(upstream: Iterable[tuple[str, Iterable[str]]]) -> dg.StaticPartitionMapping:
    """From each partition back to those that it is made from."""
    made: dict[str, set[str]] = defaultdict(set)
    for name, sources in upstream:
        for source in sources:
            made[source].add(name)
    return dg.StaticPartitionMapping(dict(made))


def _teacher(recipe: ClassifierRecipe) -> str:
    assert recipe.distillation is not None  # noqa: S101 as every student's is
    return recipe.distillation.teacher


# What a search finds may be made from any encoder that it may choose from.
_searched = [(name, SEARCH_RECIPES[search].space.encoders) for name, search in FOUND_BY.items()]
of_its_encoder = _from([*((name, [recipe.encoder]) for name, recipe in CLASSIFIER_RECIPES.items()), *_searched])
of_its_search = _from((name, [search]) for name, search in FOUND_BY.items())
of_a_search_s_encoders = _from((name, search.space.encoders) for name, search in SEARCH_RECIPES.items())
of_a_student_s_encoder = _from((name, [recipe.encoder]) for name, recipe in STUDENT_RECIPES.items())
# A teacher is a classifier, or several as an ensemble.
_taught = [(name, [_teacher(recipe)]) for name, recipe in STUDENT_RECIPES.items()]
of_its_teacher = _from((name, teacher) for name, teacher in _taught if teacher[0] not in ENSEMBLE_RECIPES)
of_its_teachers = _from((name, teacher) for name, teacher in _taught if teacher[0] in ENSEMBLE_RECIPES)
of_an_attribute_s_encoder = _from((name, [recipe.classifier.encoder]) for name, recipe in ATTRIBUTE_RECIPES.items())
of_their_members = _from((name, recipe.members) for name, recipe in ENSEMBLE_RECIPES.items())
# What is judged is one of three kinds, whose names they share.
of_the_same_classifier = _from((name, [name]) for name in (*CLASSIFIER_RECIPES, *FOUND_BY))
of_the_same_student = _from((name, [name]) for name in STUDENT_RECIPES)
of_the_same_ensemble = _from((name, [name]) for name in ENSEMBLE_RECIPES)
