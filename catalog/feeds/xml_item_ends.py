"""The end of a product in the text of an XML document: where its end tag is, or where it should have been."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from catalog.feeds.feed import MAX_ROW_BYTES
from catalog.feeds.xml_buffer import OPENER, SECTION_ENDS, XmlBuffer
from catalog.feeds.xml_limits import TAG_BYTES, XmlLimits
from catalog.feeds.xml_tags import AheadBudget, Boundaries, Nesting, count_tags

MAX_SKIPPED_BYTES = 8_000  # of a product that is too large, for its rejected row
NO_END_TAG = "the product has no end tag"
NO_SECTION_END = "a comment or CDATA in the product has no end"


@dataclass(slots=True)
class RawItem:
    """The text of a product from its first tag to its last, the line where it begins, and what is wrong with it.

    `shapes`: those in which its element is a product. `is_large`: it has more than `MAX_ROW_BYTES`, and only its
    beginning is here.
    """

    content: bytes
    line: int
    shapes: tuple[str, ...] = ()
    fault: str = ""
    is_large: bool = False


class ItemEnds:
    """Cuts products at their ends.

    Args:
        buffer: The text of the document.
        limits: Those of the document.
    """

    def __init__(self, buffer: XmlBuffer, limits: XmlLimits) -> None:
        self._buffer, self._limits = buffer, limits
        self._budget = AheadBudget()
        self._around: Sequence[bytes] = ()  # the tags of the elements around the product
        self._fault = ""
        self._unended: set[bytes] = set()  # kinds of sections that have no end in the product
        self._crossed: dict[bytes, int] = {}  # kinds -> where the product begins over which one reaches

    def item(self, start: int, tag: bytes, start_tag: bytes, around: Sequence[bytes]) -> RawItem:
        """Return the product that begins at a position, and move to its end.

        Args:
            start: The position.
            tag: The name of its element.
            start_tag: Its start tag; empty where that is broken.
            around: The names of the elements around it, from the root on.

        Raises:
            FeedError: The document ends within it, or it exceeds a limit.
        """
        line = self._buffer.line_at(start)
        if start_tag.endswith(b"/>"):
            self._buffer.at = start + len(start_tag)
            return RawItem(start_tag, line)
        self._around, self._fault = around, ""
        boundaries = Boundaries.of(tag)
        end = self._end(start, start + (len(start_tag) or len(tag) + 1), boundaries)
        if end < 0:
            return self._skipped(start, line, boundaries)
        content = self._buffer.data[start:end]
        self._buffer.at = end
        self._budget.earn(len(content))
        is_large = len(content) > MAX_ROW_BYTES // 64 and _weight(content) > MAX_ROW_BYTES
        return RawItem(content[:MAX_SKIPPED_BYTES] if is_large else content, line, fault=self._fault, is_large=is_large)

    def _end(self, start: int, position: int, boundaries: Boundaries) -> int:
        """Returns the end of a product; -1 for one that is too large."""
        end = self._buffer.data.find(boundaries.end_start, position)
        if end >= 0 and not boundaries.has_special(self._buffer.data, position, end):
            match = boundaries.end.match(self._buffer.data, end)
            if match:
                return match.end()
        self._nesting = Nesting(start, boundaries, self._budget)
        self._unended, self._crossed = set(), {}
        while True:
            match = boundaries.any.search(self._buffer.data, position)
            while match is None:
                if len(self._buffer.data) - start > MAX_ROW_BYTES:
                    return -1
                position = max(position, len(self._buffer.data) - boundaries.max_bytes)
                if not self._buffer.more():
                    return self._at_document_end(start)
                match = boundaries.any.search(self._buffer.data, position)
            position, is_end = self._after(start, match, boundaries)
            if is_end:
                return position

    def _after(self, start: int, match: re.Match[bytes], boundaries: Boundaries) -> tuple[int, bool]:
        """Returns where to go on after something in a product, and whether that is its end."""
        kind = match[0]
        if kind in SECTION_ENDS:
            position = self._after_section(start, match, boundaries)
            return position, position < 0
        if kind.startswith(b"</"):
            return match.end(), True
        self._buffer.load(match.start(), MAX_ROW_BYTES // 4)
        end = self._nesting.end(self._buffer.data, match.start())
        if end < 0:
            self._fault = self._fault or NO_END_TAG
            return match.start(), True
        return end, False

    def _after_section(self, start: int, match: re.Match[bytes], boundaries: Boundaries) -> int:
        """Returns the position after a comment, CDATA or instruction in a product; -1 if the product is too large.

        One that has no end, or only that of another that begins inside it and behind a product's beginning, reaches
        over products: then its beginning is read as text, and the product is broken.
        """
        opener, position = match[0], match.end()
        if opener in self._unended or position <= self._crossed.get(opener, -1):
            return position
        end = self._end_of_section(start, match, boundaries)
        if end == -1:
            return -1
        # An instruction holds no product in any feed, while products are commented out.
        last = end if opener == b"<?" else self._buffer.data.rfind(opener, position, max(position, end))
        begin = boundaries.begin.search(self._buffer.data, position, last) if last >= 0 else None
        if end > 0 and begin is None:
            return end
        if begin is not None:
            self._crossed[opener] = begin.start()
        else:
            self._unended.add(opener)
        self._fault = NO_SECTION_END
        return position

    def _end_of_section(self, start: int, match: re.Match[bytes], boundaries: Boundaries) -> int:
        """Returns the end of a section, 0 where there is none, and -1 where the product would be too large."""
        end, searched = SECTION_ENDS[match[0]], match.end()
        while (position := self._buffer.data.find(end, searched)) < 0:
            searched = max(match.end(), len(self._buffer.data) - len(end))
            if len(self._buffer.data) - start > MAX_ROW_BYTES:
                return 0 if boundaries.begin.search(self._buffer.data, match.end()) else -1
            if not self._buffer.more():
                return 0
        return position + len(end)

    def _at_document_end(self, start: int) -> int:
        """Returns the end of a last product that has none: where the elements around it end."""
        ends = [self._buffer.data.rfind(b"</" + tag, start) for tag in self._around]
        if not ends or ends[0] < 0:
            count_tags(self._buffer.data[start:], self._limits, len(self._around))
            raise self._limits.cut_off("a product", self._buffer.line_at(start))
        self._fault = self._fault or NO_END_TAG
        return min(end for end in ends if end >= 0)

    def _skipped(self, start: int, line: int, boundaries: Boundaries) -> RawItem:
        """Reads over a product that is too large for memory, and counts its names and depth."""
        content = self._buffer.data[start : start + MAX_SKIPPED_BYTES]
        self._buffer.at, depth, num_nested = start, 0, -1
        while self._buffer.find(b"<"):
            self._buffer.load(self._buffer.at, 16)
            opener = OPENER.match(self._buffer.data, self._buffer.at)
            if opener:
                self._skip_section(opener)
                continue
            name, match = self._buffer.tag()
            if name is None or match is None:
                self._buffer.at += 1
                continue
            if depth == 1 and not name[1] and name[2] == boundaries.tag:
                return RawItem(content, line, fault=NO_END_TAG, is_large=True)
            self._buffer.at = match.end()
            step = -1 if name[1] else not match[0].endswith(b"/>")
            depth += step
            num_nested += step if name[2] == boundaries.tag else 0
            self._limits.meet(name[2])
            if num_nested < 0:
                return RawItem(content, line, is_large=True)
            self._buffer.forget()
        raise self._limits.cut_off("a product", line)

    def _skip_section(self, opener: re.Match[bytes]) -> None:
        if opener[0] == b"<![CDATA[":
            self._buffer.at = opener.end()
            if self._buffer.find(b"]]>"):
                self._buffer.at += 3
            return
        end = self._buffer.end_of(opener[0], opener.end())
        self._buffer.at = end if end >= 0 else len(self._buffer.data)


def _weight(content: bytes) -> int:
    return len(content) + TAG_BYTES * content.count(b"<")
