"""References of recipes: the encoders, parents, teachers, members and searches that others are made from."""

from collections.abc import Iterable, Mapping
from typing import Any

from ml.name_suggestions import suggest_names
from resources.recipe_set import EVALUATED, FOUND_BY, KINDS, RecipeError, RecipeSet


def add_references(own: dict[str, dict[str, Any]], presets: RecipeSet, wanted: Mapping[str, Iterable[str]]) -> None:
    """Adds to recipes the presets that the plan names, and those that any of the recipes refers to.

    Args:
        own: the recipes of each kind, which are added to.
        presets: what they may refer to.
        wanted: the names that the plan has of each kind.

    Raises:
        RecipeError: there is no such recipe, or one is made from itself.
    """
    _Collected(own, presets).add_all(wanted)
    _refuse_circles(own)


def needed_names(wanted: Mapping[str, Iterable[str]], recipes: RecipeSet) -> dict[str, list[str]]:
    """Returns the names of each kind that are wanted, and of all that these are made from; parents before encoders."""
    needed: dict[str, dict[str, Any]] = {kind: {} for kind in KINDS}
    _Collected(needed, recipes).add_all(wanted)

    def num_ancestors(name: str) -> int:
        parent = recipes.encoders[name].parent
        return 0 if parent is None else 1 + num_ancestors(parent)

    return {kind: list(names) for kind, names in needed.items()} | {
        "encoders": sorted(needed["encoders"], key=num_ancestors)
    }


def _refuse_circles(own: Mapping[str, Mapping[str, Any]]) -> None:
    """Raises RecipeError where a recipe starts from, is taught by or has as a member what is made from itself."""
    links = {
        f"[encoders.{name}]": [f"[encoders.{each.parent}]"] for name, each in own["encoders"].items() if each.parent
    }
    tables = {name: f"[{kind}.{name}]" for kind in EVALUATED for name in own[kind]}
    links |= {tables[name]: [tables.get(each.distillation.teacher, "")] for name, each in own["students"].items()}
    links |= {
        tables[name]: [tables.get(member, "") for member in each.members] for name, each in own["ensembles"].items()
    }

    def follow(table: str, chain: tuple[str, ...]) -> None:
        if table in chain:
            circle = " -> ".join((*chain[chain.index(table) :], table))
            raise RecipeError(f"{table} is made from itself ({circle}); change the parent, teacher or members of one")
        for each in links.get(table, ()):
            follow(each, (*chain, table))

    for table in links:
        follow(table, ())


class _Collected:
    """Adds to a project's recipes the presets that they refer to."""

    def __init__(self, own: dict[str, dict[str, Any]], presets: RecipeSet) -> None:
        self._own, self._presets = own, presets

    def add_all(self, wanted: Mapping[str, Iterable[str]]) -> None:
        """Adds what the plan names, and then what any recipe refers to."""
        for kind, names in wanted.items():
            for name in names:
                self._add(kind, name, f"[plan] has {kind} = [{name!r}]")
        for kind in KINDS:
            for name in list(self._own[kind]):
                self._add_references(kind, name)

    def _add(self, kind: str, name: str, where: str) -> None:
        if name in self._own[kind]:
            return
        presets = getattr(self._presets, kind)
        if name not in presets:
            hint = suggest_names(name, {*presets, *self._own[kind]})
            raise RecipeError(f"{where}, but there is no such recipe or preset of {kind}; {hint}")
        self._own[kind][name] = presets[name]
        self._add_references(kind, name)

    def _add_references(self, kind: str, name: str) -> None:
        recipe, where = self._own[kind][name], f"[{kind}.{name}]"
        if kind == "encoders" and recipe.parent is not None:
            self._add("encoders", recipe.parent, f"{where} has parent = {recipe.parent!r}")
        if kind in ("classifiers", "students"):
            self._add("encoders", recipe.encoder, f"{where} has encoder = {recipe.encoder!r}")
        if kind == "attributes":
            encoder = recipe.classifier.encoder
            self._add("encoders", encoder, f"{where} has classifier.encoder = {encoder!r}")
        if kind == "searches":
            for encoder in recipe.space.encoders:
                self._add("encoders", encoder, f"{where} has {encoder!r} in space.encoders")
        if kind == "students":
            if recipe.distillation is None:
                raise RecipeError(f"{where} has no teacher; set distillation.teacher, or make it a classifier")
            self._add_evaluated(recipe.distillation.teacher, f"{where} has distillation.teacher")
        if kind == "ensembles":
            for member in recipe.members:
                self._add_evaluated(member, f"{where} has members")

    def _add_evaluated(self, name: str, where: str) -> None:
        """Adds a classifier, student or ensemble; the result of a search comes with the search."""
        if name.startswith(FOUND_BY) and name not in self._own["classifiers"]:
            self._add("searches", name.removeprefix(FOUND_BY), f"{where} = {name!r}")
            return
        for kind in EVALUATED:
            if name in self._own[kind] or name in getattr(self._presets, kind):
                self._add(kind, name, where)
                return
        known = {each for kind in EVALUATED for each in (*self._own[kind], *getattr(self._presets, kind))}
        raise RecipeError(f"{where} = {name!r}, but there is no such classifier; {suggest_names(name, known)}")
