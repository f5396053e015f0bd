"""Partitions: a key per delivery, per recipe, or per encoder and label share; and how they map to each other."""

from collections import defaultdict
from collections.abc import Iterable

import dagster as dg

from ml.recipe_types import ClassifierRecipe
from ml.recipes import LABEL_SHARES
from resources.recipe_set import FOUND_BY
from resources.recipes import RECIPES

deliveries = dg.DynamicPartitionsDefinition(name="deliveries")
encoder_recipes = dg.StaticPartitionsDefinition(list(RECIPES.encoders))
# A classifier whose recipe a search finds -> the search.
SEARCH_BY_CLASSIFIER = {f"{FOUND_BY}{name}": name for name in RECIPES.searches}
classifier_recipes = dg.StaticPartitionsDefinition([*RECIPES.classifiers, *SEARCH_BY_CLASSIFIER])
student_recipes = dg.StaticPartitionsDefinition(list(RECIPES.students))
attribute_recipes = dg.StaticPartitionsDefinition(list(RECIPES.attributes))
ensemble_recipes = dg.StaticPartitionsDefinition(list(RECIPES.ensembles))
search_recipes = dg.StaticPartitionsDefinition(list(RECIPES.searches))
# Everything that predicts categories: classifiers, students and ensembles share one space of names.
evaluated_classifiers = dg.StaticPartitionsDefinition(
    [*RECIPES.classifiers, *SEARCH_BY_CLASSIFIER, *RECIPES.students, *RECIPES.ensembles]
)
encoder_shares = dg.MultiPartitionsDefinition(
    {"encoder": encoder_recipes, "share": dg.StaticPartitionsDefinition(list(LABEL_SHARES))}
)


def _mapping(upstream: Iterable[tuple[str, Iterable[str]]]) -> dg.StaticPartitionMapping:
    """The partition mapping of pairs (partition, the upstream partitions that it depends on)."""
    downstream: dict[str, set[str]] = defaultdict(set)
    for name, sources in upstream:
        for source in sources:
            downstream[source].add(name)
    return dg.StaticPartitionMapping(dict(downstream))


def _teacher(recipe: ClassifierRecipe) -> str:
    assert recipe.distillation is not None  # noqa: S101 as every student's is
    return recipe.distillation.teacher


# A search may choose any encoder of its space, so the classifier that it finds depends on all of them.
_encoders = {
    **{name: (recipe.encoder,) for name, recipe in RECIPES.classifiers.items()},
    **{name: RECIPES.searches[search].space.encoders for name, search in SEARCH_BY_CLASSIFIER.items()},
}
encoder_of_classifier = _mapping(_encoders.items())
search_of_classifier = _mapping((name, [search]) for name, search in SEARCH_BY_CLASSIFIER.items())
encoders_of_search = _mapping((name, search.space.encoders) for name, search in RECIPES.searches.items())
encoder_of_student = _mapping((name, [recipe.encoder]) for name, recipe in RECIPES.students.items())
encoder_of_attribute = _mapping((name, [recipe.classifier.encoder]) for name, recipe in RECIPES.attributes.items())
members_of_ensemble = _mapping((name, recipe.members) for name, recipe in RECIPES.ensembles.items())
# A teacher is a classifier or an ensemble.
_teachers = {name: _teacher(recipe) for name, recipe in RECIPES.students.items()}
teacher_of_student = _mapping((name, [each]) for name, each in _teachers.items() if each not in RECIPES.ensembles)
ensemble_of_student = _mapping((name, [each]) for name, each in _teachers.items() if each in RECIPES.ensembles)
# From an evaluated classifier to the asset of the same name, which is one of three.
same_classifier = _mapping((name, [name]) for name in (*RECIPES.classifiers, *SEARCH_BY_CLASSIFIER))
same_student = _mapping((name, [name]) for name in RECIPES.students)
same_ensemble = _mapping((name, [name]) for name in RECIPES.ensembles)
