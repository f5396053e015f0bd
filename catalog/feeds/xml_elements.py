"""The products of an XML document as elements; those that are broken are repaired or recovered, or say why not."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from xml.etree.ElementTree import Element, ParseError, XMLParser

from catalog.feeds.xml_item_ends import RawItem
from catalog.feeds.xml_items import XmlItems
from catalog.feeds.xml_recovery import LostProductError, recovered
from catalog.feeds.xml_repair import missing_namespaces, repaired

RUN_BYTES = 1 << 15  # of products that are parsed together

_TAIL = b"</x>"


@dataclass(slots=True)
class XmlProduct:
    """A product of a document.

    `element`: None where it is lost. `fault`: why it is lost, or what was repaired. `lost`, `doubtful`: as in
    `Recovered`; their keys are names of its elements.
    """

    raw: RawItem
    element: Element | None
    fault: str = ""
    lost: Mapping[str, str] = field(default_factory=dict)
    doubtful: Mapping[str, str] = field(default_factory=dict)


def xml_products(items: XmlItems) -> Iterator[list[XmlProduct]]:
    """Yield the products of a document, some that follow one another together, which are of the same shapes.

    How many come together depends on the document alone. Raises what `XmlItems` does.
    """
    undeclared: dict[bytes, bytes] = {}
    for namespaces, run in _runs(items):
        yield list(_products(run, namespaces, undeclared))


def _products(
    run: list[RawItem], namespaces: dict[bytes, bytes], undeclared: dict[bytes, bytes]
) -> Iterator[XmlProduct]:
    if run:
        whole = [each for each in run if not each.fault and not each.is_large]
        elements = _parsed(whole, namespaces, undeclared)
        for raw in run:
            if raw.is_large:
                yield XmlProduct(raw, None)
            elif raw.fault:
                yield XmlProduct(raw, None, raw.fault)
            else:
                yield next(elements)


def _runs(items: XmlItems) -> Iterator[tuple[dict[bytes, bytes], list[RawItem]]]:
    """Yields products that follow one another, and the namespaces that are declared around them."""
    run: list[RawItem] = []
    num_bytes, namespaces = 0, items.namespaces
    for item in items:
        is_other = items.namespaces is not namespaces or (run and run[0].shapes != item.shapes)
        if run and (num_bytes > RUN_BYTES or is_other):
            yield namespaces, run
            run, num_bytes = [], 0
        namespaces = items.namespaces
        run.append(item)
        num_bytes += len(item.content)
    if run:
        yield namespaces, run


def _parsed(run: list[RawItem], namespaces: dict[bytes, bytes], undeclared: dict[bytes, bytes]) -> Iterator[XmlProduct]:
    """Yields the products of a run: parsed together where all are well-formed, one by one where not."""
    if not run:
        return
    contents = [each.content for each in run]
    elements = _elements(_head(namespaces | undeclared), contents)
    if elements is not None:
        yield from itertools.starmap(XmlProduct, zip(run, elements, strict=True))
        return
    for raw in run:
        missing = missing_namespaces(raw.content, namespaces)
        undeclared.update(missing)
        head = _head(namespaces | missing)
        elements = _elements(head, [raw.content])
        yield XmlProduct(raw, elements[0]) if elements is not None else _recovered(raw, head)


def _recovered(raw: RawItem, head: bytes) -> XmlProduct:
    content = repaired(raw.content)
    try:
        return XmlProduct(raw, _parse(head + content + _TAIL)[0], "repaired")
    except (ParseError, IndexError) as error:
        fault = _fault(error, raw)
    try:
        found = recovered(content, head, _TAIL, _parse)
    except LostProductError as error:
        return XmlProduct(raw, None, f"{fault}; {error}")
    return XmlProduct(raw, found.element, fault, found.lost, found.doubtful)


def _fault(error: Exception, raw: RawItem) -> str:
    line, _ = getattr(error, "position", (1, 0))
    return f"{str(error).partition(':')[0]} in line {raw.line + line - 1}"


def _elements(head: bytes, contents: list[bytes]) -> list[Element] | None:
    """Returns the elements of products; None unless all of them are well-formed."""
    try:
        root = _parse(head + b"".join(contents) + _TAIL)
    except ParseError:
        return None
    return list(root) if len(root) == len(contents) else None


def _parse(document: bytes) -> Element:
    # No declaration can be inside of an element: there are no entities to expand and nothing outside to load.
    parser = XMLParser(encoding="utf-8")  # noqa: S314
    parser.feed(document)
    root: Element = parser.close()
    return root


def _head(namespaces: dict[bytes, bytes]) -> bytes:
    """Returns the start tag of an element that declares namespaces."""
    declared = b"".join(
        b' xmlns%s="%s"' % (b":" + prefix if prefix else b"", uri) for prefix, uri in namespaces.items()
    )
    return b"<x" + declared + b">"
