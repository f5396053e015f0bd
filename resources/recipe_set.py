"""Recipe sets: the recipes of every kind by name, of a project or of the presets."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from ml.name_suggestions import suggest_names
from ml.recipe_types import AttributeRecipe, ClassifierRecipe, EncoderRecipe, EnsembleRecipe
from ml.search.recipe import SearchRecipe

RecipeT = TypeVar("RecipeT")
FOUND_BY = "search-"  # the classifier that a search finds has this prefix and the search's name
KINDS: dict[str, Callable[..., Any]] = {
    "encoders": EncoderRecipe,
    "classifiers": ClassifierRecipe,
    "students": ClassifierRecipe,
    "ensembles": EnsembleRecipe,
    "searches": SearchRecipe,
    "attributes": AttributeRecipe,
}
# Everything that predicts categories shares one space of names.
EVALUATED = ("classifiers", "students", "ensembles")


class RecipeError(ValueError):
    """A recipe that cannot be used; the message names its table, the key, the value and the way out."""


@dataclass(frozen=True, kw_only=True)
class RecipeSet:
    """Recipes of every kind, by name; the names are partition keys."""

    encoders: Mapping[str, EncoderRecipe]
    classifiers: Mapping[str, ClassifierRecipe]
    students: Mapping[str, ClassifierRecipe]
    ensembles: Mapping[str, EnsembleRecipe]
    searches: Mapping[str, SearchRecipe]
    attributes: Mapping[str, AttributeRecipe]

    def encoder(self, name: str) -> EncoderRecipe:
        """Returns the encoder recipe of this name; RecipeError with similar names where there is none."""
        return _known(self.encoders, name, "encoder")

    def classifier(self, name: str) -> ClassifierRecipe:
        """Returns the classifier recipe of this name; RecipeError with similar names where there is none."""
        return _known(self.classifiers, name, "classifier")

    def student(self, name: str) -> ClassifierRecipe:
        """Returns the student recipe of this name; RecipeError with similar names where there is none."""
        return _known(self.students, name, "student")

    def ensemble(self, name: str) -> EnsembleRecipe:
        """Returns the ensemble recipe of this name; RecipeError with similar names where there is none."""
        return _known(self.ensembles, name, "ensemble")

    def search(self, name: str) -> SearchRecipe:
        """Returns the search recipe of this name; RecipeError with similar names where there is none."""
        return _known(self.searches, name, "search")

    def attribute(self, name: str) -> AttributeRecipe:
        """Returns the attribute recipe of this name; RecipeError with similar names where there is none."""
        return _known(self.attributes, name, "attribute")


def _known(recipes: Mapping[str, RecipeT], name: str, kind: str) -> RecipeT:
    if name not in recipes:
        raise RecipeError(
            f"unknown {kind} recipe {name!r}; {suggest_names(name, recipes)}; `shelfsight recipes` lists all"
        )
    return recipes[name]
