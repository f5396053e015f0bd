"""Recovery of a product whose XML is broken: attribute by attribute, where it is certain what belongs to which.

An attribute without its end tag is lost. Where an element that holds others is broken, it is not certain any more which
of the following are the product's own, and the product is lost.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from dataclasses import dataclass, field
from xml.etree.ElementTree import Element, ParseError

from lxml import etree

from catalog.feeds.xml_tags import Tag, tags

# Nothing outside of the text is loaded, no entity is expanded, and the depth and size of nodes are libxml2's.
_RECOVERING = {"recover": True, "resolve_entities": False, "no_network": True, "load_dtd": False, "huge_tree": False}


class LostProductError(ValueError):
    """A product that cannot be recovered; the message has the reason."""


@dataclass
class Recovered:
    """A product as far as it was recovered.

    `lost`: names of its elements that have no end tag -> what is wrong. `doubtful`: likewise those whose text was
    put together of broken markup.
    """

    element: Element
    lost: dict[str, str] = field(default_factory=dict)
    doubtful: dict[str, str] = field(default_factory=dict)


def recovered(content: bytes, head: bytes, tail: bytes, parse: object) -> Recovered:
    """Return a product that is not well-formed, child by child.

    Args:
        content: Its text, repaired; the first tag is its own.
        head: The start tag that declares the namespaces.
        tail: The end tag of that.
        parse: A function that parses well-formed text, head and tail included.

    Raises:
        LostProductError: It is not certain which elements are the product's.
    """
    found = list(tags(content))
    if not found or found[0].is_end:
        raise LostProductError("its first tag is broken")
    product = found[0]
    try:
        start = content[product.start : product.end].rstrip(b"/>") + b"/>"
        result = Recovered(parse(head + start + tail)[0])  # type: ignore[operator]
    except ParseError as error:
        raise LostProductError("its first tag is broken") from error
    for piece, tag, fault in _children(content, found):
        if fault:
            result.lost.setdefault(_local(tag.name), fault)
            continue
        try:
            child = parse(head + piece + tail)[0]  # type: ignore[operator]
        except ParseError as error:
            child = _recovered_child(head + piece + tail)
            if child is None:
                result.lost.setdefault(_local(tag.name), f"<{_local(tag.name)}> is broken: {_reason(error)}")
                continue
            result.doubtful.setdefault(child.tag, f"<{_local(tag.name)}> is broken: {_reason(error)}")
        result.element.append(child)
    return result


def _children(content: bytes, found: list[Tag]) -> list[tuple[bytes, Tag, str]]:
    """Returns the text and first tag of each child, and what is wrong with one that has no end tag."""
    children = []
    places: dict[bytes, list[int]] = defaultdict(list)
    for number, tag in enumerate(found):
        places[tag.name].append(number)
    number = 1
    while number < len(found):
        tag = found[number]
        if tag.is_end:
            if tag.name == found[0].name:
                break
            raise LostProductError(f"</{_local(tag.name)}> ends nothing")
        if tag.is_empty:
            children.append((content[tag.start : tag.end], tag, ""))
            number += 1
            continue
        same = places[tag.name]
        place = bisect_right(same, number)
        closing = same[place] if place < len(same) else 0
        if closing and found[closing].is_end:
            children.append((content[tag.start : found[closing].end], tag, ""))
            number = closing + 1
            continue
        number = _after_unended(content, found, number)
        children.append((b"", tag, f"<{_local(tag.name)}> has no end tag"))
    return children


def _after_unended(content: bytes, found: list[Tag], number: int) -> int:
    """Returns the place of the tag after an element of text that has no end tag."""
    following = found[number + 1] if number + 1 < len(found) else None
    text = content[found[number].end : following.start if following else None]
    if following is None or not text.strip():
        raise LostProductError(f"<{_local(found[number].name)}> has no end tag")
    # Another end tag right after the text was meant to be its own.
    is_misspelled = following.is_end and following.name != found[0].name
    return number + 1 + is_misspelled


def _recovered_child(document: bytes) -> Element | None:
    """Returns a child with its text alone, without that of elements of other namespaces than none."""
    parser = etree.XMLParser(encoding="utf-8", remove_comments=True, remove_pis=True, **_RECOVERING)
    try:
        root = etree.fromstring(document, parser)
    except etree.XMLSyntaxError:
        return None
    if root is None or not len(root) or len(root) > 1:
        return None
    child = Element(root[0].tag)
    child.text = _text(root[0])
    return child


def _text(element: etree._Element) -> str:
    parts = [element.text or ""]
    for each in element:
        if isinstance(each.tag, str) and not each.prefix:
            parts.append(_text(each))
        parts.append(each.tail or "")
    return " ".join(part.strip() for part in parts if part.strip())


def _reason(error: ParseError) -> str:
    return str(error).partition(":")[0]


def _local(name: bytes) -> str:
    return name[:50].decode("utf-8", "replace")
