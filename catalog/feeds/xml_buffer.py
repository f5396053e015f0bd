"""The text of an XML document as it streams by: what is still to be read, and its line numbers."""

from __future__ import annotations

import re
from collections.abc import Iterator

from catalog.feeds.xml_limits import XmlLimits
from catalog.feeds.xml_tags import NAME, TAG

SECTION_ENDS = {b"<!--": b"-->", b"<![CDATA[": b"]]>", b"<?": b"?>"}
OPENER = re.compile(rb"<!--|<!\[CDATA\[|<\?")

_KEPT_BYTES = 1 << 18


class XmlBuffer:
    """Text of a document, of which `data` from `at` on is still to be read.

    Positions in `data` stay valid until `find` or `forget`.

    Args:
        blocks: The document.
        limits: The limit of tags and comments.
    """

    def __init__(self, blocks: Iterator[bytes], limits: XmlLimits) -> None:
        self._blocks, self._limits = blocks, limits
        self._line, self._counted = 1, 0
        self.data = b""
        self.at = self.num_bytes = 0  # the latter of the document so far

    def more(self) -> bool:
        """Add a block of the document; return False at its end."""
        block = next(self._blocks, b"")
        self.data += block
        self.num_bytes += len(block)
        return bool(block)

    def forget(self) -> None:
        """Drop the text before `at`, now and then."""
        if self.at > _KEPT_BYTES:
            self.line_at(self.at)
            self.data, self.at, self._counted = self.data[self.at :], 0, 0

    def line_at(self, position: int) -> int:
        """Return the number of the line at a position, or that at a later one that was asked for before."""
        if position > self._counted:
            self._line += self.data.count(b"\n", self._counted, position)
            self._counted = position
        return self._line

    def load(self, position: int, num_bytes: int) -> None:
        """Make sure that there are so many bytes from a position on, or all that the document has."""
        while len(self.data) - position < num_bytes and self.more():
            pass

    def find(self, what: bytes) -> bool:
        """Move to the next such bytes; return False at the document's end."""
        while (position := self.data.find(what, self.at)) < 0:
            self.at = len(self.data)
            self.forget()
            if not self.more():
                return False
        self.at = position
        return True

    def end_of(self, opener: bytes, start: int) -> int:
        """Return the position after the end of a comment, CDATA or instruction; -1 where there is none.

        Raises:
            FeedError: It is too long.
        """
        end, searched = SECTION_ENDS[opener], start
        while (position := self.data.find(end, searched)) < 0:
            searched = max(start, len(self.data) - len(end))
            self._limits.refuse_tag(len(self.data) - start)
            if not self.more():
                return -1
        return position + len(end)

    def tag(self) -> tuple[re.Match[bytes] | None, re.Match[bytes] | None]:
        """Return the name and the whole of the tag at `at`; None for a name that is none, or a tag without end.

        Raises:
            FeedError: It is too long.
        """
        name, tag = NAME.match(self.data, self.at), TAG.match(self.data, self.at)
        while tag is None and self.data.find(b"<", self.at + 1) < 0 and self.more():
            self._limits.refuse_tag(len(self.data) - self.at)
            name, tag = NAME.match(self.data, self.at), TAG.match(self.data, self.at)
        return name, tag
