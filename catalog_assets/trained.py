"""Trained: the recipe of a classifier by its name, whether a person wrote it or a search found it."""

from pydantic import TypeAdapter

from catalog_assets.partitions import FOUND_BY
from ml.recipe_types import ClassifierRecipe
from ml.recipes import STUDENT_RECIPES, classifier_recipe, student_recipe
from resources.store import Store

RECIPE_FILE = "recipe.json"


def trained_recipe(store: Store, name: str) -> ClassifierRecipe:
    """The recipe of a classifier or a student.

    Raises:
        ValueError: there is none; the message lists the known names.
        FileNotFoundError: a search is to find it and has found nothing yet.
    """
    if name in FOUND_BY:
        return found_recipe(store, FOUND_BY[name])
    return student_recipe(name) if name in STUDENT_RECIPES else classifier_recipe(name)


def found_recipe(store: Store, search: str) -> ClassifierRecipe:
    """The classifier recipe that a search found, named `search-NAME`.

    Raises:
        FileNotFoundError: the search has found nothing yet.
    """
    record = store.read_json(*found_recipe_place(store, search))
    if record is None:
        raise FileNotFoundError(f"search {search!r} has found no recipe; materialise searches[{search}]")
    return TypeAdapter(ClassifierRecipe).validate_python(record)


def found_recipe_place(store: Store, search: str) -> tuple[str, ...]:
    """Beside the search's table of trials."""
    return (str(store.folder("trials", search).relative_to(store.path)), RECIPE_FILE)
