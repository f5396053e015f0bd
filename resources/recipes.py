"""The recipes of this process: those of the project, or without a project those of the demo."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from ml.name_suggestions import suggest_names
from ml.recipes import (
    ATTRIBUTE_RECIPES,
    CLASSIFIER_RECIPES,
    DEMO_CLASSIFIERS,
    DEMO_ENCODERS,
    ENCODER_RECIPES,
    ENSEMBLE_RECIPES,
    STUDENT_RECIPES,
)
from ml.search.recipe import SEARCH_RECIPES
from resources.project_file import ProjectError, ProjectFile
from resources.recipe_references import needed_names
from resources.recipe_set import FOUND_BY, KINDS, RecipeError, RecipeSet
from resources.recipe_tables import read_recipes
from resources.settings import project_file

PRESETS = RecipeSet(
    encoders=ENCODER_RECIPES,
    classifiers=CLASSIFIER_RECIPES,
    students=STUDENT_RECIPES,
    ensembles=ENSEMBLE_RECIPES,
    searches=SEARCH_RECIPES,
    attributes=ATTRIBUTE_RECIPES,
)
# Presets for GPUs or of photographs are partitions only where a project's file names them.
WITHOUT_PROJECT = replace(PRESETS, encoders=DEMO_ENCODERS, classifiers=DEMO_CLASSIFIERS)
PLANNED = (*KINDS, "shares", "confidences")  # the keys of [plan]


def project_recipes(project: ProjectFile) -> RecipeSet:
    """Returns the recipes of a project's file; without a file those of the demo.

    Raises:
        ProjectError: a recipe or the plan has an error; the message names the file, the table and the way out.
    """
    if project.path is None:
        return WITHOUT_PROJECT
    try:
        return read_recipes(project.recipes, PRESETS, _wanted(planned(project)))
    except RecipeError as error:
        raise ProjectError(f"{project.path}: {error}") from None


def complete_plan(project: ProjectFile) -> dict[str, Sequence[str]]:
    """Returns the plan of a project, with all that its recipes are made from: encoders, teachers, members, searches.

    Raises:
        ProjectError: a recipe or the plan has an error.
    """
    plan, recipes = planned(project), project_recipes(project)
    needed = needed_names(_wanted(plan), recipes)
    found = [name for name in plan.get("classifiers", ()) if name.startswith(FOUND_BY)]
    return {**plan, **needed, "classifiers": [*needed["classifiers"], *found]}


def planned(project: ProjectFile) -> Mapping[str, Sequence[str]]:
    """Returns the names that the plan of a project has of each kind; without a [plan], every recipe of its tables.

    Raises:
        ProjectError: the plan has an unknown key, or something else than a list of names.
    """
    if not project.plan:
        return {kind: list(project.recipes.get(kind, {})) for kind in KINDS}
    for key, names in project.plan.items():
        if key not in PLANNED:
            raise ProjectError(f"{project.path}: [plan] has the unknown key {key!r}; {suggest_names(key, PLANNED)}")
        if not _are_names(names):
            raise ProjectError(f"{project.path}: [plan] has {key} = {names!r}; write a list of names")
    return project.plan


def _wanted(plan: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
    """Returns the recipes that a plan names; classifiers that searches find have none yet."""
    return {kind: [name for name in plan.get(kind, ()) if not name.startswith(FOUND_BY)] for kind in KINDS}


def _are_names(names: Any) -> bool:
    return isinstance(names, list) and all(isinstance(name, str) for name in names)


RECIPES = project_recipes(project_file())
