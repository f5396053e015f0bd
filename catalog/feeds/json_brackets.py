"""Brackets of JSON text: where an object or array ends, also one that is broken, or longer than memory should hold."""

from __future__ import annotations

import re
from collections.abc import Callable

_TOKEN = re.compile(r'"(?:[^"\\\n\r]|\\(?:.|\Z))*(["\n\r]|\Z)|([{\[])|([}\]])', re.DOTALL)
_BRACKET = re.compile(r'\\.|["{}\[\]\n\r]', re.DOTALL)

DAMAGED = -1  # a text of JSON has no line break


def end_of(text: str, start: int) -> int | None:
    """Return the end of the object or array that starts there; `DAMAGED` for a line break in a text, None if it goes
    on behind the text."""
    depth = 0
    for token in _TOKEN.finditer(text, start):
        if token[2]:
            depth += 1
        elif token[3]:
            depth -= 1
            if depth <= 0:
                return token.end()
        elif token[1] in ("\n", "\r"):
            return DAMAGED
        elif not token[1]:
            return None
    return None


def skip_object(text: str, start: int, more: Callable[[int], str]) -> int | None:
    """Return the end of the object that starts there, however long it is; None where that is not certain.

    Args:
        more: Drops the text before a position and returns the text from there on, with more of it; nothing if there is
            no more. The end is a position in what it returned last.
    """
    depth, is_text = 0, False
    while True:
        for token in _BRACKET.finditer(text, start):
            if token[0] == '"':
                is_text = not is_text
            elif is_text:
                if token[0] in "\n\r":
                    return None
            elif token[0] in "{[":
                depth += 1
            elif token[0] in "}]":
                depth -= 1
                if depth <= 0:
                    return token.end()
        bare = text.rstrip("\\")
        position = len(bare) + (len(text) - len(bare)) // 2 * 2  # a last backslash escapes what comes
        known, text = len(text) - position, more(position)
        start = 0
        if len(text) <= known:
            return None
