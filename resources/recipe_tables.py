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
from dataclasses import asdict, fields, is_dataclass
from functools import cache
from typing import Any, get_args, get_type_hints

from pydantic import TypeAdapter, ValidationError

from ml.name_suggestions import suggest_names
from resources.recipe_references import add_references
from resources.recipe_set import EVALUATED, FOUND_BY, KINDS, RecipeError, RecipeSet

Tables = Mapping[str, Mapping[str, Any]]  # name of a recipe -> its table
EXTENDS = "extends"


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
    add_references(own, presets, wanted)
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


@cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)
