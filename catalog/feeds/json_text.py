"""The text of a JSON file as a window that moves over it, so that memory is bounded."""

from __future__ import annotations

import codecs
import re
from typing import BinaryIO

from catalog.feeds.json_brackets import skip_object

CHUNK_BYTES = 1 << 18
_MAX_INDENTATION = 1_000
BETWEEN = re.compile(r"[\s,\x1e\ufeff]*")


class JsonText:
    """A position in the text of a file, and the text around it.

    Bytes that are not UTF-8 are kept as surrogates.
    """

    def __init__(self, source: BinaryIO) -> None:
        self._source = source
        self._decoder = codecs.getincrementaldecoder("utf-8-sig")("surrogateescape")
        self._text, self._position, self._is_over = "", 0, False
        self._num_lines = 0  # before the text
        self._line_start = ""  # what the line that the text begins in has before it

    def _next(self) -> str:
        """Moves to the next character that is neither space nor a comma, and returns it; empty at the end."""
        while True:
            self._position = BETWEEN.match(self._text, self._position).end()  # type: ignore[union-attr]
            if self._position < len(self._text) or self._is_over:
                return self._text[self._position : self._position + 1]
            self._fill(1)

    def _fill(self, wanted: int) -> int:
        """Reads until so many characters lie behind the position, and returns the position."""
        if self._is_over or len(self._text) - self._position >= wanted:
            return self._position
        pieces, num_characters = [self._text[self._position :]], len(self._text) - self._position
        self._num_lines += self._text.count("\n", 0, self._position)
        line = (self._line_start + self._text[: self._position]).rpartition("\n")[2]
        self._line_start = line if not line.strip(" \t") and len(line) <= _MAX_INDENTATION else "-"
        while num_characters < wanted and not self._is_over:
            chunk = self._source.read(CHUNK_BYTES)
            self._is_over = not chunk
            pieces.append(self._decoder.decode(chunk, final=self._is_over))
            num_characters += len(pieces[-1])
        self._text, self._position = "".join(pieces), 0
        return 0

    @property
    def _indentation(self) -> str | None:
        """The space before the position in its line, None where there is more than space."""
        start = self._text.rfind("\n", 0, self._position) + 1
        before = ("" if start else self._line_start) + self._text[start : self._position]
        return before if not before.strip(" \t") else None

    @property
    def _line(self) -> int:
        return 1 + self._num_lines + self._text.count("\n", 0, self._position)

    def _skip(self) -> bool:
        """Moves behind the object at the position, however long it is; False where its end is not certain."""

        def more(position: int) -> str:
            self._position = position
            self._fill(len(self._text) - position + 1)
            return self._text[self._position :]

        end = skip_object(self._text, self._position, more)
        if end is not None:
            self._position = end
        return end is not None
