"""The bytes of an XML document as UTF-8, whatever its declaration says: it is often missing or wrong.

A document is decoded by one encoding. Where text cannot be decoded there is `NOT_A_CHARACTER`, which no XML may have,
so that the damage shows in the product that has it.
"""

from __future__ import annotations

import codecs
import itertools
import re
from collections.abc import Iterator
from typing import BinaryIO

from catalog.feeds.encodings import UTF_8, Encoding, detect_encoding, marked_encoding, text_encoding
from catalog.feeds.feed import ReadOptions

BLOCK_BYTES = 1 << 18
SAMPLE_BLOCKS = 16
ENOUGH_BYTES = 500  # that are not ASCII, to tell encodings apart
NOT_A_CHARACTER = "\uffff"

_DECLARED = re.compile(rb"<\?xml[^>]{0,200}?\bencoding\s*=\s*[\"']([A-Za-z0-9._:-]{1,40})[\"']")
_MULTIBYTE = re.compile(rb"[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}")
_HIGH = re.compile(rb"[\x80-\xff]")
_DECLARATION_STARTS = ((b"<\0", "utf-16-le"), (b"\0<", "utf-16-be"))


def utf8_blocks(source: BinaryIO, options: ReadOptions) -> Iterator[bytes]:
    """Yield the document in blocks of UTF-8, which end anywhere; bytes that are UTF-8 by name are not checked.

    The encoding is, in this order: the one that was found when the feed was registered, the partner's own, that of the
    byte order mark, the declared one where the text can be in it, and else the detected one. It is chosen by the first
    texts that are not ASCII.
    """
    blocks = _blocks(source)
    head = next(blocks, b"")
    if not head:
        return
    blocks = itertools.chain([head], blocks)
    chosen = _known_encoding(head, options)
    sample: list[bytes] = []  # blocks from the first on that is not ASCII
    while chosen is None and (block := next(blocks, b"")):
        if not sample and block.isascii():
            yield block
            continue
        sample.append(block)
        if len(sample) == SAMPLE_BLOCKS or len(_HIGH.findall(block)) >= ENOUGH_BYTES:
            break
    if chosen is None and not sample:
        return
    found = chosen or _declared_or_detected(head, b"".join(sample))
    encoding = options.note("encoding", found.name)
    options.note("encoding_confidence", f"{found.confidence:g}")
    blocks = itertools.chain(sample, blocks)
    if encoding in (UTF_8, "utf-8-sig", "ascii"):
        yield from blocks
        return
    decoder = _decoder(encoding)
    for block in blocks:
        yield decoder.decode(block).encode("utf-8", "replace")
    yield decoder.decode(b"", True).encode("utf-8", "replace")


def _blocks(source: BinaryIO) -> Iterator[bytes]:
    """Yields blocks of the same size however the bytes arrive, so that the encoding does not depend on it."""
    parts: list[bytes] = []
    num_bytes = 0
    while part := source.read(BLOCK_BYTES - num_bytes):
        parts.append(part)
        num_bytes += len(part)
        if num_bytes >= BLOCK_BYTES:
            yield b"".join(parts)
            parts, num_bytes = [], 0
    if parts:
        yield b"".join(parts)


def _known_encoding(head: bytes, options: ReadOptions) -> Encoding | None:
    """Returns an encoding that is recorded or set, or shows in the first bytes; None where texts have to tell."""
    if recorded := options.detected("encoding") or options.encoding:
        return Encoding(recorded, float(options.detected("encoding_confidence") or 1))
    if marked := marked_encoding(head):
        return Encoding(marked[0], 1.0)
    starts = (head[:2], head[:64].lstrip(b" \t\r\n")[:2])
    return next((Encoding(name, 1.0) for first, name in _DECLARATION_STARTS if first in starts), None)


def _declared_or_detected(head: bytes, sample: bytes) -> Encoding:
    """Returns the encoding of a document that starts so, and in which this is the first that is not ASCII."""
    match = _DECLARED.search(head[:1024])
    declared = (text_encoding(match.group(1).decode("ascii")) or "") if match else ""
    is_wide = declared.startswith(("utf-16", "utf-32"))  # but the declaration could be read byte by byte
    if is_wide or declared in ("", UTF_8, "ascii", "utf-7"):
        return detect_encoding([sample])
    is_single_byte = len(b"\xe4\xf6".decode(declared, "replace")) == 2
    if is_single_byte and _MULTIBYTE.search(sample) and not _HIGH.search(_MULTIBYTE.sub(b"", sample)):
        return Encoding(UTF_8, 1.0)
    return Encoding(declared, 1.0)


def _decoder(encoding: str) -> codecs.IncrementalDecoder:
    # Browsers read ISO-8859-1 as Windows-1252, because most of what is declared so is that.
    name = "cp1252" if encoding in ("iso8859-1", "latin-1", "iso-8859-1") else encoding
    return codecs.getincrementaldecoder(name)("not-a-character")


def _not_a_character(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return NOT_A_CHARACTER, error.end


codecs.register_error("not-a-character", _not_a_character)
