"""Repair of a product's XML: characters that XML forbids, bare ampersands and the like lose nothing.

Well-formed text stays as it is, byte by byte. A character that no text may have becomes a mark, by which the attribute
that has it is found.
"""

from __future__ import annotations

import codecs
import html.entities
import re
from collections.abc import Mapping

from catalog.feeds.xml_tags import ATTRIBUTE, TAG

CONTROL_MARK, WRONG_BYTES_MARK = "\ufdd0", "\ufdd1"  # characters that Unicode has for no text
GOOGLE_NAMESPACE = b"http://base.google.com/ns/1.0"
# Prefixes of other vocabularies in feeds; where one is not declared, its elements are no attributes of products.
FOREIGN_PREFIXES = frozenset(
    (b"atom", b"c", b"content", b"dc", b"dcterms", b"itunes", b"media", b"slash", b"sy", b"wfw", b"xhtml", b"xsi")
)

_CONTROL = re.compile(rb"[\0-\x08\x0b\x0c\x0e-\x1f]")
_SECTION = re.compile(rb"<!\[CDATA\[|<!--|<\?")
_ENDS = {b"<![CDATA[": b"]]>", b"<!--": b"-->", b"<?": b"?>"}
_REFERENCE = re.compile(rb"&(?:#([0-9]{1,10});|#[xX]([0-9a-fA-F]{1,8});|([A-Za-z][A-Za-z0-9]{0,40});)?")
_PREFIX = re.compile(rb"<([A-Za-z_\x80-\xff][^\s<>/=:\"']*):[A-Za-z_\x80-\xff]")
_PREFIXED_ATTRIBUTE = re.compile(rb"\s([A-Za-z_\x80-\xff][^\s<>/=:\"']*):[A-Za-z_\x80-\xff][^\s<>/=:\"']*\s*=")
_PREDEFINED = frozenset((b"amp", b"lt", b"gt", b"quot", b"apos"))


def repaired(content: bytes) -> bytes:
    """Return a product's text with its characters, references and tags repaired."""
    text = content.decode("utf-8", "xml-mark").encode("utf-8")
    text = _CONTROL.sub(CONTROL_MARK.encode(), text)
    text = text.replace("\uffff".encode(), WRONG_BYTES_MARK.encode()).replace("\ufffe".encode(), CONTROL_MARK.encode())
    parts, position = [], 0
    unended: set[bytes] = set()
    while found := _SECTION.search(text, position):
        opener = found[0]
        end = -1 if opener in unended else text.find(_ENDS[opener], found.end())
        if end < 0:
            unended.add(opener)
            parts += [_markup(text[position : found.start()]), b"&lt;" + opener[1:].replace(b"<", b"&lt;")]
            position = found.end()
            continue
        parts += [_markup(text[position : found.start()]), _section(opener, text[found.start() : end], _ENDS[opener])]
        position = end + len(_ENDS[opener])
    parts.append(_markup(text[position:]))
    return b"".join(parts)


def _section(opener: bytes, section: bytes, end: bytes) -> bytes:
    """Returns CDATA as it is; comments and instructions say nothing of a product, and need not be well-formed."""
    return section + end if opener == b"<![CDATA[" else b""


def _markup(text: bytes) -> bytes:
    """Repairs text and tags, without sections."""
    if not text:
        return text
    parts, position = [], 0
    for tag in TAG.finditer(text):
        parts.append(_text(text[position : tag.start()]))
        parts.append(_tag(tag))
        position = tag.end()
    parts.append(_text(text[position:]))
    return b"".join(parts)


def _text(text: bytes) -> bytes:
    return _REFERENCE.sub(_reference, text).replace(b"<", b"&lt;").replace(b"]]>", b"]]&gt;")


def _tag(tag: re.Match[bytes]) -> bytes:
    """Repairs a tag: of attributes that are there twice, those that agree stay once, the others go."""
    if not tag[3].strip():
        return tag[0]
    end = b"/" if tag[3].endswith(b"/") else b""
    if tag[1]:
        return b"</" + tag[2] + b">"
    values: dict[bytes, set[bytes]] = {}
    for key, double, single in ATTRIBUTE.findall(b" " + tag[3]):
        values.setdefault(key, set()).add(double or single)
    kept = [(key, _REFERENCE.sub(_reference, each.pop())) for key, each in values.items() if len(each) == 1]
    attributes = b"".join(b" " + key + b'="' + value.replace(b'"', b"&quot;") + b'"' for key, value in kept)
    return b"<" + tag[2] + attributes + end + b">"


def _reference(match: re.Match[bytes]) -> bytes:
    decimal, hexadecimal, name = match.groups()
    if name is not None:
        if name in _PREDEFINED:
            return match[0]
        characters = html.entities.html5.get(f"{name.decode('ascii')};")
        if characters is None:
            return b"&amp;" + match[0][1:]
        return b"".join(b"&#%d;" % ord(each) for each in characters)
    if decimal is None and hexadecimal is None:
        return b"&amp;"
    number = int(decimal) if decimal is not None else int(hexadecimal, 16)
    return match[0] if _is_character(number) else CONTROL_MARK.encode()


def _is_character(number: int) -> bool:
    """Returns True for a character that XML 1.0 allows (section 2.2)."""
    return (
        number in (0x9, 0xA, 0xD)
        or 0x20 <= number <= 0xD7FF
        or 0xE000 <= number <= 0xFFFD
        or 0x10000 <= number <= 0x10FFFF
    )


def missing_namespaces(content: bytes, namespaces: Mapping[bytes, bytes]) -> dict[bytes, bytes]:
    """Return the namespaces of prefixes that a product has and nothing declares.

    `g` is Google's, and so is any other unless the feed declares Google's namespace, or it is known to be of another
    vocabulary.
    """
    prefixes = {*_PREFIX.findall(content), *_PREFIXED_ATTRIBUTE.findall(content)} - {b"xml", b"xmlns", *namespaces}
    has_google = any(b"base.google.com" in uri for uri in namespaces.values())
    return {
        prefix: GOOGLE_NAMESPACE
        if prefix == b"g" or not (has_google or prefix in FOREIGN_PREFIXES)
        else b"urn:undeclared"
        for prefix in sorted(prefixes)
    }


def _mark(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return WRONG_BYTES_MARK, error.end


codecs.register_error("xml-mark", _mark)
