"""Text for a terminal: one line without characters that control it, whatever a partner wrote.

Removed or replaced are escape sequences (ANSI, OSC 8 links) by their first byte, C0 and C1 controls, line and paragraph
separators, and the invisible marks that reorder a line (Unicode's BiDi controls, UAX #9; CVE-2021-42574).
"""

from __future__ import annotations

import json
import re
import unicodedata
from typing import Any

_LAST_OF_BMP = 0xFFFF
_UNPRINTABLE = re.compile(r"[^\x20-\x7e]")


def terminal_line(text: str) -> str:
    """Return a text as one line that a terminal shows as it is.

    Invisible marks (Unicode's category Cf) are removed; each other character that is not printable becomes a space.
    """
    return _UNPRINTABLE.sub(_shown, text) if not (text.isascii() and text.isprintable()) else text


def terminal_json(document: Any, **options: Any) -> str:
    """Return a document as JSON with two spaces of indentation, which is read back as it was.

    Characters that are not printable are escaped as JSON escapes them, `\\u001b`.

    Args:
        document: anything that `json.dumps` takes.
        options: further arguments of `json.dumps`, such as `default`.
    """
    text = json.dumps(document, indent=2, ensure_ascii=False, **options)
    return "".join(each if each.isprintable() or each == "\n" else _escaped(ord(each)) for each in text)


def _shown(found: re.Match[str]) -> str:
    character = found[0]
    if character.isprintable():
        return character
    return "" if unicodedata.category(character) == "Cf" else " "


def _escaped(code: int) -> str:
    """Returns the escape of a code point; beyond the first 65,536 it is a pair of surrogates."""
    if code <= _LAST_OF_BMP:
        return f"\\u{code:04x}"
    high, low = divmod(code - 0x10000, 0x400)
    return f"\\u{0xD800 + high:04x}\\u{0xDC00 + low:04x}"
