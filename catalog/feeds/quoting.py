"""Quotes in delimited text: which of them enclose a field, also one over several lines, and which are text.

The rules:

- A quote opens a field only where the field starts, and only if another one closes it: followed by a delimiter or a
  line end, with quotes in between doubled, or in feeds that do so escaped by a backslash.
- The closing quote may stand in a later line, at most `MAX_QUOTED_BYTES` on, but not if one of the lines that the
  field would take in is a product by itself: as many fields as the header, with a link where the header has
  `image_link`. In tab-separated text, whose fields hold no tabs, the number of fields alone says so.
- Any other quote is text: `24" TV` ends no row and begins none.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property

from catalog.feeds.feed import MAX_ROW_BYTES

MAX_QUOTED_BYTES = MAX_ROW_BYTES
_NAMES = {b"\t": "tabs", b",": "commas", b";": "semicolons", b"|": "vertical bars", b"^": "carets", b"~": "tildes"}


@dataclass(frozen=True)
class Dialect:
    """The way to split a record into fields: by a delimiter of one byte, with quotes doubled or escaped in quotes."""

    delimiter: bytes
    has_backslashes: bool = False

    @property
    def description(self) -> str:
        """The dialect in words."""
        return f"fields separated by {_NAMES[self.delimiter]}"

    @property
    def is_tabs(self) -> bool:
        """True for tabs, around which spaces are text, and which no field holds."""
        return self.delimiter == b"\t"

    def split(self, record: bytes, num_columns: int = 0) -> list[bytes]:
        """Return the fields of a record, without the quotes that enclose them.

        A field such as `"24" TV"`, whose quotes are not doubled, is text with tabs, and `24" TV` with other delimiters
        unless only the other reading gives `num_columns`.
        """
        if b'"' not in record:
            return record.split(self.delimiter)
        if self.is_tabs:
            return self._split(record, is_lenient=False)
        fields = self._split(record, is_lenient=True)
        if num_columns and len(fields) != num_columns:
            strict = self._split(record, is_lenient=False)
            return strict if len(strict) == num_columns else fields
        return fields

    def _split(self, record: bytes, *, is_lenient: bool) -> list[bytes]:
        fields, position = [], 0
        while True:
            matched = self._field.match(record, position)
            if matched is None and is_lenient:
                matched = self._lenient_field.match(record, position)
            if matched is not None:
                fields.append(self._unescaped(matched[1]))
                position = matched.end()
            else:
                end = record.find(self.delimiter, position)
                end = len(record) if end < 0 else end
                fields.append(record[position:end])
                position = end
            if position >= len(record):
                return fields
            position += 1

    def _unescaped(self, content: bytes) -> bytes:
        if self.has_backslashes:
            content = re.sub(rb'\\(["\\])', rb"\1", content)
        return content.replace(b'""', b'"')

    @cached_property
    def _inner(self) -> bytes:
        return rb'(?:[^"\\]++|\\.|"")*+' if self.has_backslashes else rb'(?:[^"]++|"")*+'

    @cached_property
    def _end(self) -> bytes:
        spaces = b"" if self.is_tabs else b" *"
        return rb'"' + spaces + rb"(?=" + re.escape(self.delimiter) + rb"|\r*\n|\r*\Z)"

    @cached_property
    def _field(self) -> re.Pattern[bytes]:
        spaces = b"" if self.is_tabs else b" *"
        return re.compile(spaces + rb'"(' + self._inner + rb")" + self._end, re.DOTALL)

    @cached_property
    def _lenient_field(self) -> re.Pattern[bytes]:
        return re.compile(rb' *"([^\n]*?)' + self._end, re.DOTALL)

    @cached_property
    def content(self) -> re.Pattern[bytes]:
        """Matches an opening quote and all that may be in quotes."""
        return re.compile(rb'"' + self._inner, re.DOTALL)

    @cached_property
    def closing(self) -> re.Pattern[bytes]:
        """Matches a closing quote."""
        return re.compile(self._end)

    @cached_property
    def settled(self) -> re.Pattern[bytes]:
        """Matches text up to a quote at the start of a field that no quote of its line closes."""
        start = rb"[\n" + re.escape(self.delimiter) + rb"]"
        inner = rb'(?:[^"\\\n]++|\\[^\n]|"")*+' if self.has_backslashes else rb'(?:[^"\n]++|"")*+'
        starts = rb"(?:(?<=" + start + rb")|\A)"
        return re.compile(
            rb'(?:[^"]++|(?<!' + start + rb')(?<!\A)"|' + starts + rb'"' + inner + self._end + rb")*+", re.DOTALL
        )


@dataclass(frozen=True)
class Quotes:
    """Finds the records that take several lines, under the header of one feed."""

    dialect: Dialect
    num_columns: int = 0  # 0: of a header itself
    link_column: int | None = None

    def records_over_lines(self, block: bytes, *, is_last: bool) -> tuple[list[tuple[int, int]], int]:
        """Return the start and the end of each record with a line end in quotes, and the end of what is decided.

        Args:
            block: Whole lines from the start of a record on; the last maybe without a line end.
            is_last: No line follows the block. Otherwise a record at its end may go on in the next.
        """
        spans: list[tuple[int, int]] = []
        position = 0
        if b'"' not in block:
            return spans, len(block)
        while (opening := self._opening(block, position)) < len(block):
            start, end = self._record(block, opening, spans)
            found = self.dialect.content.match(block, opening, min(len(block), opening + MAX_QUOTED_BYTES))
            stop = found.end() if found is not None else opening
            if not is_last and stop >= len(block) - 1 and stop < opening + MAX_QUOTED_BYTES:
                return spans, start
            closing = self.dialect.closing.match(block, stop)
            if closing is None or self._has_whole_row(block, end, closing.end()):
                position = opening + 1
                continue
            position = closing.end()
            line_end = block.find(b"\n", position)
            if spans and spans[-1][0] == start:
                spans.pop()
            spans.append((start, len(block) if line_end < 0 else line_end))
        return spans, len(block)

    def _opening(self, block: bytes, position: int) -> int:
        """Returns the position of the next quote that opens a field and is not closed in its line."""
        matched = self.dialect.settled.match(block, position)
        return matched.end() if matched is not None else position

    def _record(self, block: bytes, position: int, spans: list[tuple[int, int]]) -> tuple[int, int]:
        """Returns the start of the record at a position, and the end of the line there."""
        line_end = block.find(b"\n", position)
        end = len(block) if line_end < 0 else line_end
        if spans and position < spans[-1][1]:
            return spans[-1][0], end
        return block.rfind(b"\n", 0, position) + 1, end

    def _has_whole_row(self, block: bytes, line_end: int, closed: int) -> bool:
        """Returns whether one of the lines that a field would take in is a row by itself."""
        if not self.num_columns or (self.link_column is None and not self.dialect.is_tabs):
            return False
        end = block.find(b"\n", closed)
        for line in block[line_end + 1 : len(block) if end < 0 else end].split(b"\n"):
            fields = line.split(self.dialect.delimiter)
            if len(fields) == self.num_columns and (
                self.link_column is None or self.dialect.is_tabs or b"://" in fields[self.link_column]
            ):
                return True
        return False
