"""Trained recipes: the recipe of a classifier by its name, written by a person or found by a search."""

from dataclasses import asdict

from pydantic import TypeAdapter

from catalog_assets.partitions import SEARCH_BY_CLASSIFIER
from ml.recipe_types import ClassifierRecipe
from resources.recipes import RECIPES
from resources.store import Store

RECIPE_FILE = "recipe.json"


def trained_recipe(store: Store, name: str) -> ClassifierRecipe:
    """Return the recipe of a classifier or a student.

    Raises:
        ValueError: there is none; the message lists the known names.
        FileNotFoundError: a search is to find it and has found nothing yet.
    """
    if name in SEARCH_BY_CLASSIFIER:
        return found_recipe(store, SEARCH_BY_CLASSIFIER[name])
    return RECIPES.student(name) if name in RECIPES.students else RECIPES.classifier(name)


def found_recipe(store: Store, search: str) -> ClassifierRecipe:
    """Return the classifier recipe that a search found, named `search-NAME`.

    Raises:
        FileNotFoundError: the search has found nothing yet.
    """
    record = store.read_json("searches", search, RECIPE_FILE)
    if record is None:
        raise FileNotFoundError(f"search {search!r} has found no recipe; materialize searches[{search}]")
    return TypeAdapter(ClassifierRecipe).validate_python(record)


def write_found_recipe(store: Store, search: str, recipe: ClassifierRecipe) -> None:
    """Write the recipe that a search found."""
    store.write_json(asdict(recipe), "searches", search, RECIPE_FILE)
