"""Shapes: where an XML feed has its products and their attributes; a table of data that users extend.

The shapes that ship with the package are in `feed_shapes.toml` beside this file, which describes the form, too.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from typing import Any

from catalog.feeds.feed import ATTRIBUTES
from catalog.feeds.shape import Shape, Step, folded, parse_path
from catalog.storage.toml_files import TomlError, parse_toml

SHAPES_FILE = "feed_shapes.toml"
MAX_SHAPES = 200

_KEYS = frozenset({"root", "item", "categories", "attributes", "currency", "is_google"})
_CURRENCY = re.compile(r"[A-Z]{3}")
_SHAPE_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")


@cache
def shipped_shapes() -> tuple[Shape, ...]:
    """Return the shapes that ship with the package."""
    return parse_shapes((files("catalog.feeds") / SHAPES_FILE).read_text("utf-8"), SHAPES_FILE)


def all_shapes(own: Sequence[Shape] = ()) -> tuple[Shape, ...]:
    """Return the user's own shapes, and after them the shipped ones that have no name of those."""
    names = {shape.name for shape in own}
    return (*own, *(shape for shape in shipped_shapes() if shape.name not in names))


def parse_shapes(text: str, file: str) -> tuple[Shape, ...]:
    """Return the shapes of a TOML file.

    Raises:
        ValueError: It is not TOML, or a shape is wrong; the message names the file, the shape, the value and a way out.
    """
    try:
        tables = parse_toml(text)
    except TomlError as error:
        raise ValueError(f"{file}: not TOML: {error}; correct it there") from error
    if len(tables) > MAX_SHAPES:
        raise ValueError(f"{file}: {len(tables)} shapes, more than {MAX_SHAPES}; remove those that no feed has")
    return tuple(_shape(name, table, f"{file}: [{name}]") for name, table in tables.items())


def _shape(name: str, table: object, place: str) -> Shape:
    fields = table if isinstance(table, dict) else {}
    item_text = fields.get("item")
    if not _SHAPE_NAME.fullmatch(name):
        raise ValueError(f"{place} has a bad name; use letters, digits, '_' and '-'")
    if not item_text:
        raise ValueError(f"{place} names no product; write item = 'ELEMENT', such as item = 'products/product'")
    if unknown := sorted(set(fields) - _KEYS):
        raise ValueError(
            f"{place} has {unknown[0]} = {fields[unknown[0]]!r}; it may have root, item, categories, currency "
            f"and the table [{name}.attributes]"
        )
    root, categories = (_name(fields.get(key, ""), f"{place} has {key}") for key in ("root", "categories"))
    item = tuple(_name(each, f"{place} has item") for each in str(item_text).split("/"))
    is_google = fields.get("is_google", False)
    attributes = _attributes(fields.get("attributes", {}), place)
    if is_google not in (True, False):
        raise ValueError(f"{place} has is_google = {is_google!r}; write true for Merchant Center's names, or remove it")
    if not is_google and "id" not in attributes:
        raise ValueError(f"{place} has no id; write id = 'ELEMENT' or id = '@ATTRIBUTE' below [{name}.attributes]")
    if not all(item):
        raise ValueError(f"{place} has item = {item_text!r}; write an element, such as item = 'products/product'")
    # Attributes that a shape does not name may have Merchant Center's names.
    named = {attribute: (parse_path(attribute),) for attribute in ATTRIBUTES}
    currency = fields.get("currency", ["price/@currency", "currency", "currencyId"])
    is_code = isinstance(currency, str) and _CURRENCY.fullmatch(currency)
    return Shape(
        name,
        root,
        item,
        named | attributes,
        categories,
        bool(is_google),
        str(currency) if is_code else _paths("currency", currency, place),
    )


def _name(text: object, place: str) -> str:
    if not isinstance(text, str) or re.search(r"[\s<>/@\[\]='\"]", text):
        raise ValueError(f"{place} = {text!r}; write the name of one element, without '<' and '>'")
    return folded(text)


def _attributes(table: Any, place: str) -> dict[str, tuple[tuple[Step, ...], ...]]:
    attributes = {}
    for attribute, value in table.items() if hasattr(table, "items") else [("attributes", table)]:
        if attribute not in ATTRIBUTES:
            raise ValueError(f"{place} has the attribute {attribute!r}; attributes are {', '.join(ATTRIBUTES)}")
        attributes[attribute] = _paths(attribute, value, place)
    return attributes


def _paths(key: str, value: object, place: str) -> tuple[tuple[Step, ...], ...]:
    paths = [value] if isinstance(value, str) else value
    if not paths or not isinstance(paths, list) or not all(isinstance(path, str) for path in paths):
        raise ValueError(f"{place} has {key} = {value!r}; write 'PATH' or ['PATH', 'PATH']")
    try:
        return tuple(parse_path(path) for path in paths)
    except ValueError as error:
        raise ValueError(
            f"{place} has {key} = {value!r}, where {error}; write NAME, PARENT/NAME, @ATTRIBUTE, NAME/@ATTRIBUTE or "
            "NAME[CHILD=value]/NAME"
        ) from error
