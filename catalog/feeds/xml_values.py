"""The attributes of products as a shape of feeds has them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from xml.etree.ElementTree import Element

from catalog.feeds.feed import ATTRIBUTES, MAX_FIELD_BYTES, REPEATED
from catalog.feeds.shape import Shape, Step, folded, parse_path
from catalog.feeds.xml_categories import Categories
from catalog.feeds.xml_limits import XmlLimits

NAMES = tuple(ATTRIBUTES)
IMAGE = NAMES.index("image_link")
ADDITIONAL = NAMES.index(REPEATED)
PRICE = NAMES.index("price")
PRODUCT_TYPE = NAMES.index("product_type")
_MARKED_UP = (NAMES.index("title"), NAMES.index("description"))  # texts that may hold elements of HTML

_GOOGLE = re.compile(r"google\.com/ns/", re.IGNORECASE)  # http or https, with or without a slash at its end
_AMOUNT = re.compile(r"[\d.,' \u00a0]+")
_FORMER_CURRENCIES = {"RUR": "RUB"}
_ATOM = "http://www.w3.org/2005/Atom"
_INNER_COMMA = re.compile(r",(?!\s*[a-zA-Z][a-zA-Z0-9+.-]*:)")

Values = list[str | None]


@dataclass(frozen=True, slots=True)
class _Place:
    """A place of an attribute's value: the lower the rank, the sooner it counts."""

    position: int
    rank: int
    step: Step
    rest: tuple[Step, ...]


class ShapeReader:
    """Reads the attributes of products of one shape.

    Args:
        shape: The shape.
        names: The partner's own names of elements -> attributes, which replace those of the shape; they may be paths.
        categories: Those that the feed names, whose paths replace their ids.
        limits: Names of elements and depth are counted there.
    """

    def __init__(
        self, shape: Shape, names: Mapping[str, str], categories: Categories, limits: XmlLimits | None = None
    ) -> None:
        self.shape = shape
        self._categories = categories
        self._currency = shape.currency if isinstance(shape.currency, str) else ""
        self._limits = limits
        self._places: dict[str, list[_Place]] = {}  # by the folded name of the child
        self._own: list[_Place] = []  # in attributes of the product's own tag
        paths = [_paths(shape, names, attribute) for attribute in NAMES]
        paths.append([] if isinstance(shape.currency, str) or shape.is_google else list(shape.currency))
        for position, of_position in enumerate(paths):
            for rank, path in enumerate(of_position):
                place = _Place(position, rank, path[0], path[1:])
                if path[0].name.startswith("@"):
                    self._own.append(place)
                else:
                    self._places.setdefault(path[0].name, []).append(place)
        self._places_of_tag: dict[str, list[tuple[int, int, _Read | None]]] = {}

    def values(self, product: Element) -> Values:
        """Return the text of each attribute in the order of `NAMES`, None where a product has none."""
        values: Values = [None] * (len(NAMES) + 1)  # the last is the currency
        ranks = [_LAST] * len(values)
        images: list[str] = []
        for child in product:
            places = self._places_of_tag.get(child.tag)
            if places is None:
                places = self._meet(child.tag)
            has_children = len(child) > 0
            for position, rank, read in places:
                # Nearly all elements have a text and nothing else.
                for found in (child.text,) if read is None and not has_children else (read or _own_text)(child):
                    text = found.strip() if found else ""
                    if not text:
                        continue
                    if position == ADDITIONAL or (position == IMAGE and rank == ranks[IMAGE]):
                        images.append(text)
                    elif rank < ranks[position]:
                        values[position], ranks[position] = text, rank
            if has_children:
                self._refuse_depth(child)
        self._add_own(product, values, ranks)
        if images:
            values[ADDITIONAL] = _joined(images, values[IMAGE])
        if self.shape.categories and values[PRODUCT_TYPE]:
            values[PRODUCT_TYPE] = self._categories.path(values[PRODUCT_TYPE] or "")
        currency = values.pop() or self._currency
        if currency:
            values[PRICE] = _with_currency(values[PRICE], currency)
        return values

    def _add_own(self, product: Element, values: Values, ranks: list[int]) -> None:
        """Adds the values that the product's own tag has."""
        for place in self._own:
            text = _attribute(product, place.step.name)
            if text and place.rank < ranks[place.position]:
                values[place.position], ranks[place.position] = text, place.rank

    def attribute_of(self, tag: str) -> str | None:
        """Return the attribute that elements of this name have the text of, or a part of; None where they have none."""
        places = self._places_of_tag.get(tag) or self._meet(tag)
        return next((NAMES[position] for position, _, _ in places if position < len(NAMES)), None)

    def _meet(self, tag: str) -> list[tuple[int, int, _Read | None]]:
        """Returns where the children of a tag have values, `{NAMESPACE}NAME`, which is worked out once a tag."""
        if self._limits is not None:
            self._limits.meet(tag)
        places = []
        namespace_rank = _google_rank(tag) if self.shape.is_google else 0
        if namespace_rank is not None:
            for each in self._places.get(folded(tag), ()):
                rank = each.rank * 4 + namespace_rank
                places.append((each.position, rank, _reader(each)))
        self._places_of_tag[tag] = places
        return places

    def _refuse_depth(self, child: Element) -> None:
        if self._limits is None or not any(len(each) for each in child):
            return
        level, depth = list(child), 4  # the root, the product, and its child
        while level:
            self._limits.refuse_depth(depth)
            level, depth = [inner for each in level for inner in each], depth + 1


_Read = Callable[[Element], Sequence[str | None]]
_LAST = 1 << 30


def _paths(shape: Shape, names: Mapping[str, str], attribute: str) -> list[tuple[Step, ...]]:
    """Returns the paths of an attribute: the partner's own, or else those of the shape."""
    own = [_own_path(name) for name, mapped in names.items() if mapped == attribute]
    return own or list(shape.attributes.get(attribute, ()))


def _own_path(name: str) -> tuple[Step, ...]:
    try:
        return parse_path(name.removeprefix("g:"))
    except ValueError:  # a name for another format of feeds
        return (Step(folded(name)),)


def _google_rank(tag: str) -> int | None:
    """Returns how soon an element of RSS or Atom counts: <g:title> before <title>; None for <dc:title>."""
    namespace = tag[1:].partition("}")[0] if tag.startswith("{") else ""
    if not namespace:
        return 1
    if namespace == _ATOM:
        return 2
    return 0 if _GOOGLE.search(namespace) else None


def _reader(place: _Place) -> _Read | None:
    """Returns the function that reads a place within a child; None for its text alone."""
    if place.step.key or place.rest:
        return lambda child: list(_found(child, place.step, place.rest))
    return _marked_up_text if place.position in _MARKED_UP else None


def _found(element: Element, step: Step, rest: Sequence[Step]) -> Iterator[str | None]:
    """Yields the texts at the end of a path that begins at an element."""
    if step.key and not any(value.strip().casefold() == step.value for value in _key_values(element, step.key)):
        return
    if not rest:
        yield from _own_text(element)
    elif rest[0].name.startswith("@"):
        yield _attribute(element, rest[0].name)
    else:
        for child in element:
            if folded(child.tag) == rest[0].name:
                yield from _found(child, rest[0], rest[1:])


def _key_values(element: Element, key: str) -> Iterator[str]:
    if key.startswith("@"):
        yield _attribute(element, key) or ""
    else:
        yield from (child.text or "" for child in element if folded(child.tag) == key)


def _attribute(element: Element, name: str) -> str | None:
    """Returns the value of an XML attribute; `name` is folded, and begins with `@`."""
    return next((value.strip() for key, value in element.items() if folded(key) == name[1:]), None)


def _own_text(element: Element) -> tuple[str]:
    """Returns the text of an element without that of the elements in it."""
    return ("".join([element.text or "", *(child.tail or "" for child in element)]),)


def _marked_up_text(element: Element) -> tuple[str]:
    """Returns the text of an element with that of HTML in it; elements of Google's namespace are none."""
    if not len(element):
        return (element.text or "",)
    parts: list[str] = [element.text or ""]
    for child in element:
        if _GOOGLE.search(child.tag[1:].partition("}")[0]) is None:
            parts += child.itertext()
        parts.append(child.tail or "")
    return (" ".join(part.strip() for part in parts if part.strip()),)


def _with_currency(price: str | None, currency: str) -> str | None:
    """Returns a price that is a mere number with its currency."""
    is_amount = price is not None and _AMOUNT.fullmatch(price)
    return f"{price} {_FORMER_CURRENCIES.get(currency, currency)}" if is_amount else price


def _joined(images: list[str], first: str | None) -> str:
    """Returns links as one text, separated by commas; none is there twice, and the product's image not again."""
    links = [_INNER_COMMA.sub("%2C", image) if "," in image and "://" in image else image for image in images]
    return ",".join(link for link in dict.fromkeys(links) if link != first)[: MAX_FIELD_BYTES + 1]
