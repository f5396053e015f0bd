"""Transcoding: a text feed of any encoding is read as UTF-8, decoded block by block as it streams by."""

from __future__ import annotations

import codecs
import os
from typing import Any, BinaryIO, cast

from catalog.feeds.encodings import UTF_8, Encoding, detect_encoding, marked_encoding
from catalog.feeds.feed import FeedError, ReadOptions

HEAD_BYTES = 1 << 18
STREAM_HEAD_BYTES = 1 << 22  # of a stream that cannot seek, which has no further samples
NUM_WINDOWS = 12  # beside the head, spread over a file that can seek
WINDOW_BYTES = 1 << 15
_BLOCK_BYTES = 1 << 20
_AT_END = b"\0\r\n\x1a "  # bytes that programs append to files of two bytes a character


def as_utf8(source: BinaryIO, name: str, options: ReadOptions) -> BinaryIO:
    """Return a stream of the text as UTF-8.

    A file is of one encoding: that of its byte order mark, of the partner's settings, or the one that is detected.
    UTF-8 is passed on as it is, wrong bytes included; in other encodings bytes without a meaning become U+FFFD. Where
    the samples are ASCII alone, the first block that is not decides.

    Raises:
        FeedError: Reading meets the end of the file within a character.
    """
    head = read_head(source, HEAD_BYTES if can_seek(source) else STREAM_HEAD_BYTES)
    encoding, mark_bytes = _encoding(source, head, options)
    content = rewound(source, head)
    if not encoding.is_final:
        return cast(BinaryIO, _Watched(content, name, options))
    return _transcoded(content, name, _noted(encoding, options), mark_bytes)


def _encoding(source: BinaryIO, head: bytes, options: ReadOptions) -> tuple[Encoding, int]:
    """Returns the encoding of a file, and the length of its byte order mark."""
    if marked := marked_encoding(head):
        return Encoding(marked[0], 1.0), marked[1]
    if options.encoding:
        return Encoding(options.encoding, 1.0), 0
    if recorded := options.detected("encoding"):
        return Encoding(recorded, float(options.detected("encoding_confidence") or 1)), 0
    is_whole = len(head) < HEAD_BYTES
    encoding = detect_encoding([head] if is_whole else [head, *_windows(source)])
    return Encoding(encoding.name, encoding.confidence, encoding.is_final or is_whole), 0


def _noted(encoding: Encoding, options: ReadOptions) -> str:
    name = options.note("encoding", encoding.name)
    options.note("encoding_confidence", f"{encoding.confidence:g}")
    return name


def read_head(source: BinaryIO, num_bytes: int) -> bytes:
    """Return the first bytes of a stream, fewer only where it has no more, however few it gives at once."""
    head = b""
    while len(head) < num_bytes and (block := source.read(num_bytes - len(head))):
        head += block
    return head


def can_seek(source: BinaryIO) -> bool:
    """Return whether a stream can be read again from its start."""
    seekable = getattr(source, "seekable", None)
    return bool(seekable is not None and seekable())


def _windows(source: BinaryIO) -> list[bytes]:
    """Returns pieces of a file from several places behind its head; none of a stream that cannot seek."""
    if not can_seek(source):
        return []
    size = source.seek(0, os.SEEK_END)
    windows = []
    for number in range(NUM_WINDOWS):
        source.seek(HEAD_BYTES + (size - HEAD_BYTES) * number // NUM_WINDOWS // 4 * 4)
        windows.append(source.read(WINDOW_BYTES))
    return windows


def rewound(source: BinaryIO, head: bytes) -> BinaryIO:
    """Return a stream from its start on, of which the head was read."""
    if can_seek(source):
        source.seek(0)
        return source
    return cast(BinaryIO, _Chained(head, source))


def _transcoded(content: BinaryIO, name: str, encoding: str, mark_bytes: int) -> BinaryIO:
    if encoding == UTF_8:
        return content
    if mark_bytes:
        content.read(mark_bytes)
    return cast(BinaryIO, _Transcoded(content, name, encoding))


class _Chained:
    """A stream whose first bytes were read before."""

    def __init__(self, head: bytes, rest: BinaryIO) -> None:
        self._head, self._rest = head, rest

    def read(self, size: int = -1) -> bytes:
        if not self._head:
            return self._rest.read(size)
        if size < 0:
            block, self._head = self._head + self._rest.read(), b""
            return block
        block, self._head = self._head[:size], self._head[size:]
        return block


class _Transcoded:
    """The text of a stream as UTF-8; a read may return a few bytes more than it was called for."""

    def __init__(self, source: BinaryIO, name: str, encoding: str) -> None:
        self._source, self._name, self._encoding = source, name, encoding
        self._decoder: Any = codecs.getincrementaldecoder(encoding)(errors="replace")

    def read(self, size: int = _BLOCK_BYTES) -> bytes:
        while block := self._source.read(size):
            if text := self._decoder.decode(block):
                return cast(bytes, text.encode("utf-8", errors="replace"))
        pending = self._decoder.getstate()[0]
        if pending.strip(_AT_END):
            raise FeedError(
                f"{self._name}: the file ends within a character of {self._encoding}; deliver it again, whole"
            )
        self._decoder.reset()
        return b""


class _Watched:
    """A stream that is ASCII so far: the first block that is not decides on the encoding of the whole file."""

    def __init__(self, source: BinaryIO, name: str, options: ReadOptions) -> None:
        self._source: BinaryIO | _Transcoded = source
        self._name, self._options = name, options
        self._is_decided = False

    def read(self, size: int = _BLOCK_BYTES) -> bytes:
        block = self._source.read(size)
        if self._is_decided or (block and block.isascii()):
            return block
        self._is_decided = True
        # More of the file than a short block has is the better sample; a sequence of UTF-8 may be cut at its end.
        block += self._source.read(HEAD_BYTES) if block else b""
        detected = detect_encoding([b"", block])
        encoding = _noted(Encoding(detected.name, detected.confidence), self._options)
        if encoding == UTF_8:
            return block
        self._source = _Transcoded(cast(BinaryIO, _Chained(block, cast(BinaryIO, self._source))), self._name, encoding)
        return self._source.read(max(size, len(block)))
