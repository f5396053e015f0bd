"""Repairs of single wrong bytes in a feed of UTF-8, each in the text in which it stands.

- A character that the end of a text cuts off is removed, as where a program counts bytes and not characters.
- The two halves of a surrogate pair, each written as UTF-8, are the character that they stand for.
- Another wrong byte is the letter that it is in Windows-1252, from which it was copied, or else U+FFFD.
"""

from __future__ import annotations

import codecs
import re

_HANDLER = "shelfsight-repair"
_PAIR = re.compile(rb"\xed[\xa0-\xaf][\x80-\xbf]\xed[\xb0-\xbf][\x80-\xbf]")
_SURROGATE = re.compile(rb"\xed[\xa0-\xbf][\x80-\xbf]")


def repaired_text(value: bytes) -> str:
    """Return the text of bytes that are UTF-8 but for some of them.

    >>> repaired_text(b"Gr\\xfc\\xc3\\x9fe")
    'Grüße'
    >>> repaired_text("Größe".encode()[:4])
    'Gr'
    """
    return value.decode("utf-8", errors=_HANDLER)


def _repair(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeDecodeError):
        raise error
    content, start = error.object, error.start
    if pair := _PAIR.match(content, start):
        halves = pair[0].decode("utf-8", errors="surrogatepass")
        return halves.encode("utf-16-le", errors="surrogatepass").decode("utf-16-le"), pair.end()
    if surrogate := _SURROGATE.match(content, start):
        return "\ufffd", surrogate.end()
    if error.end == len(content) and content[start] >= 0xC2 and error.reason == "unexpected end of data":
        return "", error.end
    letters = content[start : error.end].decode("cp1252", errors="replace")
    return "".join(letter if letter.isalpha() else "\ufffd" for letter in letters), error.end


codecs.register_error(_HANDLER, _repair)
