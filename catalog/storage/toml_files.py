"""TOML files: parsed under limits, so that every mistake is a message: depth, size, numbers."""

from __future__ import annotations

import math
import re
import tomllib
from typing import Any

MAX_BYTES = 4_000_000
MAX_DEPTH = 32  # of tables and arrays within each other
MIN_INTEGER, MAX_INTEGER = -(2**63), 2**63 - 1  # of TOML itself, and of every table that a number is written to

# A key of very many parts, which takes the parser quadratic time; strings and comments do not match.
_LONG_KEY = re.compile(rf"^[ \t\[]*(?:[A-Za-z0-9_-]+[ \t]*\.[ \t]*){{{MAX_DEPTH},}}", re.MULTILINE)
_LONG_NUMBER = re.compile(r"Exceeds the limit \(\d+ digits\)")


class TomlError(ValueError):
    """A text that is not TOML or exceeds a limit; the message has the problem and the way out, not the file."""


def parse_toml(text: str | bytes) -> dict[str, Any]:
    """Parse TOML, as text or in UTF-8.

    Raises:
        UnicodeDecodeError: The bytes are not UTF-8.
        TomlError: It is not TOML, has more than `MAX_BYTES`, is nested deeper than `MAX_DEPTH`, or has a number that is
            not finite or does not fit into 64 bits.
    """
    if len(text) > MAX_BYTES:
        raise TomlError(f"it is longer than {MAX_BYTES:,} bytes; make sure that it is the right file")
    if isinstance(text, bytes):
        text = text.decode("utf-8")
    too_deep = f"tables or arrays are nested more than {MAX_DEPTH} deep; write them side by side"
    if _LONG_KEY.search(text):
        raise TomlError(too_deep)
    try:
        content = tomllib.loads(text)
    except RecursionError:
        raise TomlError(too_deep) from None
    except tomllib.TOMLDecodeError as error:
        raise TomlError(str(error)) from None
    except ValueError as error:  # of integers with thousands of digits, and of dates that no calendar has
        if _LONG_NUMBER.match(str(error)):
            raise TomlError("a number has thousands of digits; write a smaller one") from None
        raise TomlError(f"{error}; correct the value") from None
    _check(content, too_deep)
    return content


def _check(content: dict[str, Any], too_deep: str) -> None:
    """Raises TomlError for values that are nested too deeply, or numbers that nothing can hold; without recursion."""
    waiting: list[tuple[str, Any, int]] = [(key, value, 1) for key, value in content.items()]
    while waiting:
        key, value, depth = waiting.pop()
        if depth > MAX_DEPTH:
            raise TomlError(too_deep)
        if isinstance(value, dict):
            waiting.extend((f"{key}.{name}"[:100], each, depth + 1) for name, each in value.items())
        elif isinstance(value, list):
            waiting.extend((key, each, depth + 1) for each in value)
        elif isinstance(value, int) and not MIN_INTEGER <= value <= MAX_INTEGER:
            raise TomlError(f"{key} is a number beyond 64 bits, of {value.bit_length()}; write a smaller one")
        elif isinstance(value, float) and not math.isfinite(value):
            raise TomlError(f"{key} = {value} is not a finite number; write one, such as 1e9")
