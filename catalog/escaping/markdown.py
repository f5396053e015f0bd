"""Text for Markdown, as in an asset's metadata: never an image, a link, HTML, or the end of a table's cell.

A text of letters, digits and harmless punctuation stays as it is. Any other becomes a code span, in which Markdown has
no meaning (CommonMark 0.31, section 6.1), and in which no renderer makes links of addresses.
"""

from __future__ import annotations

import re

from catalog.escaping.terminal import terminal_line

# `_` between letters is no emphasis, `&` before a space no entity, `:` no address where no slash follows.
_PLAIN = re.compile(r"(?:[^\W_]|(?<=[^\W_])_(?=[^\W_])|[ .,;%/()'\"+=>?!-]|&(?![#\w])|:(?!/))*")
_LINKED = re.compile(r"(?i)www\.|mailto:|xmpp:")
# At the start of a line: a list, a quotation, a rule, or the line under a heading.
_BLOCK = re.compile(r"[-+](?:\s|$)|>|[-=\s]+$|\d{1,9}[.)](?:\s|$)")
_TICKS = re.compile(r"`+")
_BEFORE_PIPE = re.compile(r"(\\*)\|")


def markdown_text(text: str) -> str:
    """Return a text that Markdown shows as it is, in a paragraph, a list, a table's cell or an image's caption."""
    line = terminal_line(text).strip()
    if _PLAIN.fullmatch(line) and not _LINKED.search(line) and not _BLOCK.match(line):
        return line
    fence = "`" * (max(map(len, _TICKS.findall(line)), default=0) + 1)
    padding = " " if line.startswith("`") or line.endswith("`") else ""
    # Tables are split at pipes before code spans are found; twice as many backslashes leave the pipe's own one.
    cell = _BEFORE_PIPE.sub(lambda found: f"{found[1] * 2}\\|", line)
    return f"{fence}{padding}{cell}{padding}{fence}"
