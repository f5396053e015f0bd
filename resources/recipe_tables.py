"""Recipe tables: the recipes of a project, written as tables of its file, each derived from a preset.

[encoders.photos]
extends = "imagenet-lite0"
resolution = 224

[classifiers.photos-probe]
extends = "imagenet-lite0-probe"
encoder = "photos"
"""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, fields, is_dataclass
from functools import cache
from typing import Any, TypeVar, get_args, get_type_hints

from pydantic import TypeAdapter, ValidationError

from ml.name_suggestions import suggest_names
from ml.recipe_types import AttributeRecipe, ClassifierRecipe, EncoderRecipe, EnsembleRecipe
from ml.search.recipe import SearchRecipe

RecipeT = TypeVar("RecipeT")
Tables = Mapping[str, Mapping[str, Any]]  # name of a recipe -> its table
EXTENDS = "extends"
FOUND_BY = "search-"  # the classifier that a search finds has this prefix and the search's name


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


def read_recipes(tables: Mapping[str, Tables], presets: RecipeSet, wanted: Mapping[str, Iterable[str]]) -> RecipeSet:
    """Returns the recipes of a project: those of its tables, and the presets that these or its plan refer to.

    Args:
        tables: the tables of each kind.
        presets: what the tables may extend and refer to.
        wanted: the names that the plan has of each kind.

    Raises:
        RecipeError: a table has an unknown key, a wrong value or an unknown reference, extends itself, or shares its
            name with another recipe.
    """
    own: dict[str, dict[str, Any]] = {}
    for kind in KINDS:
        own[kind] = _of_kind(kind, tables.get(kind, {}), getattr(presets, kind))
    _refuse_shared_names(own)
    _Collected(own, presets).add_all(wanted)
    _refuse_circles(own)
    return RecipeSet(**own)


def _of_kind(kind: str, tables: Tables, presets: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the recipes of the tables of one kind."""
    done: dict[str, Any] = {}

    def recipe(name: str, chain: tuple[str, ...] = ()) -> Any:
        if name in done:
            return done[name]
        where = f"[{kind}.{name}]"
        if name in chain:
            raise RecipeError(
                f"{where} extends itself ({' -> '.join((*chain, name))}); let one of them extend a preset"
            )
        table = tables[name]
        if not isinstance(table, Mapping):
            raise RecipeError(f"{where} is {table!r}; write a table with the keys of the recipe")
        base = _base(where, table.get(EXTENDS), lambda parent: recipe(parent, (*chain, name)), tables, presets)
        done[name] = _built(where, KINDS[kind], name, table, base)
        return done[name]

    return {name: recipe(name) for name in tables}


def _base(
    where: str, parent: Any, recipe: Callable[[str], Any], tables: Tables, presets: Mapping[str, Any]
) -> Mapping[str, Any]:
    """Returns the fields of the recipe that a table extends; none where it extends none."""
    if parent is None:
        return {}
    if isinstance(parent, str) and parent in tables:
        return asdict(recipe(parent))
    if isinstance(parent, str) and parent in presets:
        return asdict(presets[parent])
    hint = suggest_names(str(parent), {*presets, *tables})
    raise RecipeError(f"{where} extends {parent!r}, but there is no such preset or recipe; {hint}")


def _built(where: str, kind: Callable[..., Any], name: str, table: Mapping[str, Any], base: Mapping[str, Any]) -> Any:
    """Returns the recipe of a table on top of the fields that it extends."""
    changes = {key: value for key, value in table.items() if key != EXTENDS}
    if "name" in changes:
        raise RecipeError(f"{where} has the key 'name'; a recipe has the name of its table")
    _refuse_unknown_keys(where, kind, changes)
    values = _merged(base, changes) | {"name": name}

    def refuse(value: Any) -> Any:
        raise RecipeError(f"{where} has {value!r}; write texts, numbers, booleans, lists or tables")

    try:
        return _adapter(kind).validate_json(json.dumps(values, default=refuse), strict=True)
    except ValidationError as error:
        raise RecipeError("; ".join(_explained(where, kind, problem) for problem in error.errors())) from None


def _merged(base: Any, changes: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the fields with the changes; a table changes single fields of a nested one, and false removes it."""
    merged = dict(base or {})
    for key, value in changes.items():
        if isinstance(value, Mapping):
            merged[key] = _merged(merged.get(key), value)
        elif value is False and (merged.get(key) is None or isinstance(merged.get(key), Mapping)):
            merged[key] = None
        else:
            merged[key] = value
    return merged


def _refuse_unknown_keys(where: str, kind: Any, table: Mapping[str, Any], path: str = "") -> None:
    """Raises RecipeError with similar keys at the first key that a recipe, or a nested part of it, does not have."""
    types = get_type_hints(kind)
    known = {field.name for field in fields(kind)} - {"name"}
    for key, value in table.items():
        if key not in known:
            raise RecipeError(f"{where} has the unknown key {path + key!r}; {suggest_names(key, known)}")
        nested = next((each for each in (types[key], *get_args(types[key])) if is_dataclass(each)), None)
        if nested is not None and isinstance(value, Mapping):
            _refuse_unknown_keys(where, nested, value, f"{path}{key}.")


def _explained(where: str, kind: Any, problem: Any) -> str:
    """Returns one problem that pydantic found, with the key, the value and what is allowed."""
    key = ".".join(map(str, problem["loc"]))
    message = str(problem["msg"]).removeprefix("Value error, ")
    if problem["type"] == "missing":
        return f"{where} lacks the key {key!r}; set it, or extend a preset that has it"
    if not key:  # the recipe as a whole
        return f"{where}: {message}"
    return f"{where} has {key} = {problem['input']!r}: {message[0].lower()}{message[1:]}"


def _refuse_shared_names(own: Mapping[str, Mapping[str, Any]]) -> None:
    """Raises RecipeError where two recipes that predict categories have one name."""
    taken: dict[str, str] = {f"{FOUND_BY}{name}": f"the result of [searches.{name}]" for name in own["searches"]}
    for kind in EVALUATED:
        for name in own[kind]:
            if name in taken:
                raise RecipeError(f"[{kind}.{name}] has the name of {taken[name]}; rename one of them")
            taken[name] = f"[{kind}.{name}]"


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


@cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


def _known(recipes: Mapping[str, RecipeT], name: str, kind: str) -> RecipeT:
    if name not in recipes:
        raise RecipeError(
            f"unknown {kind} recipe {name!r}; {suggest_names(name, recipes)}; `shelfsight recipes` lists all"
        )
    return recipes[name]
