"""An oracle of XML feeds: a strict parser, and the few rules by which elements of RSS and Atom are attributes."""

import io
from collections.abc import Iterator
from xml.etree.ElementTree import Element, ParseError

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import parse

GOOGLE, ATOM = "{http://base.google.com/ns/1.0}", "{http://www.w3.org/2005/Atom}"
ITEM_OF_ROOT = {"rss": "item", "feed": "entry"}


def products(content: bytes) -> list[dict[str, str]] | None:
    """Id, title and image link of each product of a feed; None for a document that is not well-formed, or no feed."""
    try:
        root = parse(io.BytesIO(content), forbid_dtd=True).getroot()
    except (ParseError, DefusedXmlException, ValueError, LookupError):
        return None
    item = ITEM_OF_ROOT.get(_local(root.tag))
    return None if item is None else [_values(each) for each in _items(root, item)]


def _items(element: Element, item: str) -> Iterator[Element]:
    """Products, without those within others."""
    for child in element:
        if _local(child.tag) == item:
            yield child
        else:
            yield from _items(child, item)


def _values(item: Element) -> dict[str, str]:
    values = {}
    for name in ("id", "title", "image_link"):
        for namespace in (GOOGLE, "", ATOM):
            texts = [_text(each, is_marked_up=name == "title") for each in item if each.tag == namespace + name]
            if name not in values and any(texts):
                values[name] = next(text for text in texts if text)
    return values


def _text(element: Element, is_marked_up: bool) -> str:
    if is_marked_up and len(element):
        parts = [element.text]
        for each in element:
            parts += [*([] if each.tag.startswith(GOOGLE) else each.itertext()), each.tail]
        return " ".join(part.strip() for part in parts if part and part.strip())
    return "".join([element.text or "", *(each.tail or "" for each in element)]).strip()


def _local(tag: str) -> str:
    return tag.rpartition("}")[2]
