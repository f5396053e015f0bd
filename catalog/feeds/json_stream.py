"""JSON as it streams by: the objects of products in arrays, pages of arrays, or one after the other, in bounded memory.

A broken object costs itself only where the next one begins for certain: behind its closing brace, or, as no text of
JSON has a line break, on the next line that opens an object at the same indentation.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from json import JSONDecodeError
from typing import Any, BinaryIO

from catalog.feeds.feed import MAX_ROW_BYTES, FeedError
from catalog.feeds.json_brackets import end_of
from catalog.feeds.json_text import BETWEEN, JsonText
from catalog.feeds.json_values import DECODER

MAX_PAGE_DEPTH = 10  # of objects around an array of products

_MIN_WINDOW = 1 << 16  # characters that are there before a value is decoded
_COLON = re.compile(r"\s*:\s*")
_OPENED = re.compile(r"\[\s*(.?)", re.DOTALL)
_AFTER_ITEM = re.compile(r"\s*(?:,\s*[{\]]|\])")
_AFTER_ROOT = re.compile(r"[ \t]*(?:\r?\n|\Z|,?\s*\{)")
_SHOWN = 2_000


@dataclass(frozen=True, slots=True)
class BrokenItem:
    """An item that is no product: its start, the reason and the detail."""

    raw: str
    reason: str
    detail: str


class _DamagedError(ValueError):
    """A value that is no JSON, or one that is longer than a row may be."""

    def __init__(self, message: str, *, is_too_large: bool = False) -> None:
        super().__init__(message)
        self.is_too_large = is_too_large


class JsonStream(JsonText):
    """The objects of a JSON file.

    Args:
        source: The file, UTF-8; bytes that are not are kept as surrogates.
        name: Its name in messages.
        page_keys: Keys of arrays, or of objects around them, that hold products.
        product_keys: Keys of which a product has one, and what is around products none.
    """

    def __init__(self, source: BinaryIO, name: str, *, page_keys: frozenset[str], product_keys: frozenset[str]) -> None:
        super().__init__(source)
        self._name = name
        self._page_keys, self._product_keys = page_keys, product_keys
        self._num_found = 0

    def items(self) -> Iterator[dict[str, Any] | BrokenItem]:
        """Yield the products, and what is broken between them.

        Raises:
            FeedError: The file is no JSON, or cut off, or the next product cannot be found with certainty.
        """
        while character := self._next():
            if character == "{":
                yield from self._value(0)
            elif character == "[":
                self._position += 1
                yield from self._array(0)
            elif not self._num_found:
                raise FeedError(f"{self._name}: does not start with a JSON object or array; check the file's format")
            else:
                yield self._rest_of_line()

    def _array(self, depth: int) -> Iterator[dict[str, Any] | BrokenItem]:
        while (character := self._next()) != "]":
            if not character:
                raise FeedError(f"{self._name}: the JSON is cut off in line {self._line}; deliver it again, whole")
            if character == "{":
                yield from self._value(depth + 1)
            else:
                yield self._other(depth + 1)
        self._position += 1

    def _value(self, depth: int) -> Iterator[dict[str, Any] | BrokenItem]:
        """Yields the object at the position, or the products in it."""
        try:
            value = self._decoded(is_page_wanted=True)
        except _DamagedError as error:
            yield self._broken(error, depth)
            return
        if value is None:
            yield from self._page(depth)
            return
        lists = self.products_in(value, is_root=not depth)
        if lists is None:
            self._num_found += 1
            yield value
        else:
            for each in lists:
                self._num_found += 1
                yield each if isinstance(each, dict) else _no_object(each)

    def _flat(self, values: list[Any], depth: int) -> list[Any]:
        """Returns the products of an array, whose items may each be an object around one."""
        found: list[Any] = []
        for value in values:
            inner = self.products_in(value, is_root=False, depth=depth) if isinstance(value, dict) else None
            found.extend([value] if inner is None else inner)
        return found

    def products_in(self, value: dict[str, Any], *, is_root: bool = True, depth: int = 0) -> list[Any] | None:
        """Return what the arrays of products in an object hold; None for a product.

        Arrays below keys of any name count only in the `is_root` object, as products have arrays of other things.
        """
        if depth > MAX_PAGE_DEPTH or self._product_keys & value.keys():
            return None
        found: list[Any] | None = None
        for key, inner in value.items():
            more: list[Any] | None = None
            is_page = key.casefold() in self._page_keys
            if isinstance(inner, list) and (is_root or is_page) and self._is_list(key, inner[0] if inner else None):
                more = self._flat(inner, depth + 1)
            elif isinstance(inner, dict) and is_page:
                more = self.products_in(inner, is_root=is_root, depth=depth + 1)
                more = [inner] if more is None and self._product_keys & inner.keys() else more
            if more is not None:
                found = [*(found or []), *more]
        return found

    def _is_list(self, key: str, first: Any) -> bool:
        is_product = isinstance(first, dict) and bool(self._product_keys & first.keys())
        return is_product or (key.casefold() in self._page_keys and (first is None or isinstance(first, dict)))

    def _page(self, depth: int) -> Iterator[dict[str, Any] | BrokenItem]:
        """Yields the products of an object that has arrays of them, as they stream by."""
        self._position += 1
        while (character := self._next()) != "}":
            if not character:
                raise FeedError(f"{self._name}: the JSON is cut off in line {self._line}; deliver it again, whole")
            try:
                key = self._decoded()
            except _DamagedError as error:
                raise self._refusal(str(error)) from error
            position = self._fill(_MIN_WINDOW)
            colon = _COLON.match(self._text, position)
            if not isinstance(key, str) or colon is None:
                raise self._refusal("a key without its value")
            self._position = colon.end()
            opened = self._next()
            if opened == "[" and self._is_list_here(key):
                self._position += 1
                yield from self._array(depth + 1)
            elif opened == "{" and key.casefold() in self._page_keys and depth < MAX_PAGE_DEPTH:
                yield from self._value(depth + 1)
            else:
                try:
                    self._decoded()
                except _DamagedError as error:
                    raise self._refusal(str(error)) from error
        self._position += 1

    def _is_list_here(self, key: str) -> bool:
        """Returns whether the array at the position is one of products."""
        if key.casefold() in self._page_keys:
            return True
        position = self._fill(_MIN_WINDOW)
        opened = _OPENED.match(self._text, position)
        if opened is None or opened[1] != "{":
            return False
        try:
            first, _ = DECODER.raw_decode(self._text, opened.end() - 1)
        except (JSONDecodeError, RecursionError):
            return False
        return self._is_list(key, first)

    def _is_page_here(self) -> bool:
        """Returns whether the object at the position, of which a part is known, has an array of products."""
        position = self._position + 1
        while True:
            position = BETWEEN.match(self._text, position).end()  # type: ignore[union-attr]
            try:
                key, position = DECODER.raw_decode(self._text, position)
                colon = _COLON.match(self._text, position)
                if colon is None or not isinstance(key, str) or key in self._product_keys:
                    return False
                position = colon.end()
                opened = _OPENED.match(self._text, position)
                if opened is not None and opened[1] in ("{", "") and key.casefold() in self._page_keys:
                    return True
                if opened is not None and opened[1] == "{":
                    first, _ = DECODER.raw_decode(self._text, opened.end() - 1)
                    if self._is_list(key, first):
                        return True
                if self._text[position : position + 1] == "{" and key.casefold() in self._page_keys:
                    return True
                _, position = DECODER.raw_decode(self._text, position)
            except (JSONDecodeError, RecursionError):
                return False

    def _decoded(self, *, is_page_wanted: bool = False) -> Any:
        """Returns the value at the position and moves behind it; None, and stays, for a page, if one is wanted."""
        wanted = _MIN_WINDOW
        while True:
            self._fill(wanted)
            try:
                value, end = DECODER.raw_decode(self._text, self._position)
            except RecursionError:
                message = "it is nested too deeply"
            except JSONDecodeError as error:
                message = error.msg
            else:
                # A number may go on behind what is known.
                if end < len(self._text) or self._is_over or isinstance(value, dict | list):
                    self._position = end
                    return value
                message = "it goes on"
            if is_page_wanted and self._is_page_here():
                return None
            if end_of(self._text, self._position) is not None or self._is_over:
                raise _DamagedError(f"no JSON: {message}")
            if len(self._text) - self._position > MAX_ROW_BYTES:
                raise _DamagedError(f"the row is longer than {MAX_ROW_BYTES:,} bytes", is_too_large=True)
            wanted = 2 * (len(self._text) - self._position) + _MIN_WINDOW

    def _broken(self, error: _DamagedError, depth: int) -> BrokenItem:
        """Returns the broken object at the position, and moves to the next.

        Raises:
            FeedError: Where that begins is not certain.
        """
        start, indentation = self._position, self._indentation
        if error.is_too_large:
            raw = self._text[start : start + _SHOWN]
            if not self._skip():
                raise self._refusal(str(error))
            self._num_found += 1
            return BrokenItem(raw, "field_too_large", str(error))
        end = end_of(self._text, start) or 0
        is_certain = end > start and (_AFTER_ITEM if depth else _AFTER_ROOT).match(self._text, end) is not None
        if not is_certain:
            end = self._next_line(indentation, depth)
        if end <= start:
            if self._is_over and not depth:
                end = len(self._text)  # of JSON Lines, the last line is broken like any other
            elif self._is_over and not self._text.rstrip().endswith(("]", "}")):
                raise FeedError(f"{self._name}: the JSON is cut off in line {self._line}; deliver it again, whole")
            else:
                raise self._refusal(str(error))
        self._position = end
        self._num_found += 1
        raw = self._text[start : min(end, start + _SHOWN)].rstrip()
        return BrokenItem(raw, "broken_json", str(error))

    def _next_line(self, indentation: str | None, depth: int) -> int:
        """Returns the start of the line of the next item or of the array's end, 0 where that is not certain."""
        if indentation is None:
            return 0
        end = rf"|[ \t]{{0,{max(0, len(indentation) - 1)}}}\]" if depth else ""
        found = re.compile(rf"\n(?:{indentation}\{{{end})").search(self._text, self._position)
        if found is None:
            return 0
        # Without indentation, objects within the item begin at the left, too.
        is_next = self._text.find("\n", self._position) == found.start()
        return found.start() + 1 if indentation or is_next else 0

    def _other(self, depth: int) -> BrokenItem:
        """Returns the item at the position, which is no object, and moves behind it."""
        start = self._position
        try:
            value = self._decoded()
        except _DamagedError as error:
            return self._broken(error, depth)
        self._num_found += 1
        return _no_object(value, self._text[start:][:_SHOWN] if isinstance(value, list) else None)

    def _rest_of_line(self) -> BrokenItem:
        """Returns the line from the position on, which begins no product, and moves behind it."""
        end = self._text.find("\n", self._position)
        end = len(self._text) if end < 0 else end
        raw = self._text[self._position : min(end, self._position + _SHOWN)]
        self._position = end
        return BrokenItem(raw.rstrip(), "broken_json", "no JSON object begins here")

    def _refusal(self, message: str) -> FeedError:
        return FeedError(
            f"{self._name}: broken JSON in line {self._line} ({message}), and where the next product begins is "
            "not certain; no row is parsed; deliver it again, well-formed"
        )


def _no_object(value: Any, raw: str | None = None) -> BrokenItem:
    kind = {str: "text or number", list: "list", bool: "boolean"}.get(type(value), "null")
    return BrokenItem(str(value)[:_SHOWN] if raw is None else raw, "broken_json", f"a JSON {kind}, not an object")
