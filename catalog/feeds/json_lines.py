"""JSON feeds: an object per line, one array, arrays below a key, or objects one after the other."""

from __future__ import annotations

import codecs
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, BinaryIO, cast

from catalog.feeds.batches import BatchBuilder
from catalog.feeds.delimited import Record, lines_of
from catalog.feeds.feed import (
    ATTRIBUTES,
    DEFAULT_OPTIONS,
    MAX_ROW_BYTES,
    REPEATED,
    FeedBatch,
    FeedError,
    ReadOptions,
    attributes_by_header,
)
from catalog.feeds.json_stream import BrokenItem, JsonStream
from catalog.feeds.json_values import DECODER, further_images, value_text
from catalog.feeds.presets.preset import Preset, plain_name
from catalog.feeds.presets.recognition import preset_of
from catalog.feeds.transcoding import as_utf8

# Objects and arrays around products, in answers of interfaces and in files; compared without case.
PAGE_KEYS = frozenset(
    [
        "products",
        "items",
        "data",
        "resources",
        "entries",
        "product",
        "item",
        "entry",
        "offers",
        "offer",
        "results",
        "result",
        "records",
        "rows",
        "feed",
        "catalog",
        "articles",
        "listings",
        "listing",
        "edges",
        "nodes",
        "node",
        "list",
        "content",
        "hits",
        "documents",
        "docs",
        "channel",
        "rss",
        "response",
        "payload",
        "body",
        "value",
        "values",
        "shop",
        "productinputs",
        "inventory",
        "requests",
    ]
)
# Names of which a product has one, and what is around products none.
_ID_KEYS = (
    "id",
    "offerId",
    "offer_id",
    "item_id",
    "itemId",
    "sku",
    "SKU",
    "retailer_id",
    "variants",
    "g:id",
    "ID",
    "Id",
)
_NESTED = ("productAttributes", "product_attributes", "attributes", "data")
_BLANK = codecs.BOM_UTF8 + b" \t\r\n"
_CHUNK_BYTES = 1 << 18
_MAX_KEYS = 10_000  # whose attributes are remembered


def read_json_lines(source: BinaryIO, name: str, options: ReadOptions = DEFAULT_OPTIONS) -> Iterator[FeedBatch]:
    """Yield the batches of a feed of JSON objects, in bounded memory.

    A broken line or object is a rejected row; numbers are read as text, without a fraction of zeros; of a key that an
    object has twice the last counts, as JSON's libraries have it, and of several names of an attribute the first.

    Raises:
        FeedError: The file is of another format, or cut off, or the next product after a broken one cannot be found
            with certainty; or no product has the id under the partner's name.
    """
    builder = BatchBuilder(name, options.columns)
    reader: _ProductReader | None = None
    first_broken: BrokenItem | None = None
    for item in json_items(source, name, options):
        if isinstance(item, BrokenItem):
            first_broken = first_broken or item
            builder.reject(item.raw.encode("utf-8", "surrogateescape"), item.reason, item.detail)
        else:
            reader = reader or _ProductReader(item, name, options)
            for product in reader.products(item):
                reader.add(product, builder)
        if builder.is_full:
            yield builder.batch()
    if reader is None and first_broken is not None:
        raise FeedError(f"{name}: no JSON object of a product in it ({first_broken.detail}); check the file's format")
    yield builder.last_batch()


def json_items(
    source: BinaryIO, name: str, options: ReadOptions = DEFAULT_OPTIONS
) -> Iterator[dict[str, Any] | BrokenItem]:
    """Yield the objects of products in a JSON file, and what is broken between them."""
    source = as_utf8(source, name, options)
    head = _head_of(source)
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) or b"\0" in head[:4]:
        raise FeedError(f"{name}: the file is UTF-16; save it as UTF-8")
    whole = cast(BinaryIO, _Joined(head, source))
    own = (own for own, attribute in options.columns.items() if attribute == "id")
    stream = JsonStream(whole, name, page_keys=PAGE_KEYS, product_keys=frozenset((*_ID_KEYS, *own)))
    if _is_line(head, stream):
        for record in lines_of(whole):
            yield _line_item(record)
    else:
        yield from stream.items()


def _is_line(head: bytes, stream: JsonStream) -> bool:
    """Returns whether the first line is a product, so that each line is one, whatever the other lines are."""
    line = head.lstrip(_BLANK).partition(b"\n")[0]
    first = _line_item(Record(line, len(line) <= MAX_ROW_BYTES))
    return isinstance(first, dict) and stream.products_in(first) is None


def _line_item(record: Record) -> dict[str, Any] | BrokenItem:
    """Returns the object of a line."""
    raw = record.content
    if not record.is_whole:
        return _broken(raw, f"the row is longer than {MAX_ROW_BYTES:,} bytes", "field_too_large")
    try:
        # As text, since the library detects UTF-16 and UTF-32 in bytes, whose lines do not end where ours do.
        product = DECODER.decode(raw.removeprefix(codecs.BOM_UTF8).decode("utf-8"))
    except RecursionError:
        return _broken(raw, "it is nested too deeply")
    except ValueError as error:  # also of text that is not UTF-8
        return _broken(raw, f"no JSON: {error}")
    if not isinstance(product, dict):
        return _broken(raw, f"a JSON {type(product).__name__}, not an object")
    return product


def _broken(raw: bytes, detail: str, reason: str = "broken_json") -> BrokenItem:
    return BrokenItem(raw.decode("utf-8", "surrogateescape"), reason, detail)


class _ProductReader:
    """Reads the attributes of objects under the names that the first one shows, or that the partner's settings say."""

    def __init__(self, first: Mapping[str, Any], name: str, options: ReadOptions) -> None:
        keys = list(flat_product(first))
        self._preset = _json_preset(preset_of(keys, options, name))
        names = {**(self._preset.columns if self._preset else {}), **options.columns}
        self._by_name = {plain_name(own): attribute for own, attribute in attributes_by_header(names).items()}
        self._known: dict[str, str | None] = {}

    def products(self, item: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
        """Return the products of an object: its variants, or itself."""
        flat = flat_product(item)
        if self._preset is not None and self._preset.expanded is not None and isinstance(flat.get("variants"), list):
            return self._preset.expanded(flat)
        return [flat]

    def add(self, product: Mapping[str, Any], builder: BatchBuilder) -> None:
        """Add a product to a batch, or reject it where its id is no text and no number."""
        found: dict[str, str | None] = {}
        further: str | None = None
        for key, value in product.items():
            attribute = self._attribute(key)
            if attribute is None or found.get(attribute) is not None:  # of repeated ones the first counts
                continue
            if attribute == "id" and not isinstance(value, str | None):
                raw = str(dict(product))[:MAX_ROW_BYTES].encode("utf-8", "surrogatepass")
                detail = f"id is a JSON {type(value).__name__}; write it as a string"
                builder.reject(raw, "wrong_type", detail)
                return
            found[attribute] = value_text(attribute, value)
            if attribute == "image_link":
                further = further_images(value)
        if further and not found.get(REPEATED):
            found[REPEATED] = further
        price, currency = found.get("price"), product.get("currency")
        if price and isinstance(currency, str) and price[-1].isdigit() and price[0].isdigit():
            found["price"] = f"{price} {currency}"
        builder.add([_encoded(found.get(attribute)) for attribute in ATTRIBUTES])

    def _attribute(self, key: str) -> str | None:
        if key not in self._known:
            if len(self._known) >= _MAX_KEYS:
                self._known.clear()
            self._known[key] = self._by_name.get(plain_name(key))
        return self._known[key]


def _json_preset(preset: Preset | None) -> Preset | None:
    """Returns None for presets of rows, which no object is."""
    return None if preset is not None and preset.merged is not None else preset


def flat_product(item: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return an object with the attributes that it has in an object of their own, as Google's interfaces do."""
    nested = next((item[key] for key in _NESTED if isinstance(item.get(key), dict)), None)
    return item if nested is None else {**nested, **{key: value for key, value in item.items() if value is not nested}}


def _encoded(text: str | None) -> bytes | None:
    """Returns a text as bytes; wrong bytes come out as they came in, and a lone surrogate, which JSON can escape, as
    bytes that are no UTF-8, so that it is rejected as such."""
    if text is None:
        return None
    try:
        return text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogatepass")


def _head_of(source: BinaryIO) -> bytes:
    """Reads a file until its first line that is not blank has ended, or is too long for a row."""
    head = bytearray()
    while len(head) <= MAX_ROW_BYTES and b"\n" not in head.lstrip(_BLANK):
        chunk = source.read(_CHUNK_BYTES)
        if not chunk:
            break
        head += chunk
    return bytes(head)


class _Joined:
    """A file whose first bytes were read already."""

    def __init__(self, head: bytes, source: BinaryIO) -> None:
        self._head, self._source = head, source

    def read(self, size: int = -1) -> bytes:
        """Read at most `size` bytes; none at the end."""
        if not self._head:
            return self._source.read(size)
        content = self._head if size < 0 else self._head[:size]
        self._head = b"" if size < 0 else self._head[size:]
        return content + self._source.read() if size < 0 else content
