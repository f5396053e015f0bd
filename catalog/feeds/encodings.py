"""Encodings of text feeds."""

import codecs


def text_encoding(name: str) -> str | None:
    """Return Python's name of a text encoding; None where there is none of that name."""
    try:
        found = codecs.lookup(name)
    except (LookupError, ValueError):
        return None
    return found.name if getattr(found, "_is_text_encoding", True) else None
