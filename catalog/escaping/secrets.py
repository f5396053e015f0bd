"""Secrets in texts that people read: passwords of URLs, tokens of queries, and values that are known to be secret."""

from __future__ import annotations

import re
from collections.abc import Iterable

HIDDEN = "***"
MIN_CHARACTERS = 6  # of a known value: shorter ones are also parts of ordinary words

_WORDS = r"passw(?:or)?d|passwd|pwd|secret|token|webhook|(?:api|access|private|account)_?key(?:_?id)?"
_SECRET_NAME = re.compile(rf"(?i)\w*(?:{_WORDS})|\w*(?:secret|passw)\w*")
_ASSIGNED = rf"(?:\w{{0,64}}(?:{_WORDS}))"  # every repetition is bounded, or a hostile text would take quadratic time
_OF_QUERIES = r"[\w.%-]{0,64}(?:token|key|secret|sig|passw|pwd|auth|credential|session|bearer|hmac|hook)[\w.%-]{0,64}"
_REPLACED = (
    # https://user:password@host, also where the password has a `/`, `?` or `#` that nobody escaped.
    (re.compile(r"(?<=//)[^\s/?#'\"<>]{0,400}@"), f"{HIDDEN}@"),
    (re.compile(r"(?<=//)[^\s/?#@:'\"<>]{1,100}:(?!\d+/)[^\s@'\"<>]{0,400}@"), f"{HIDDEN}@"),
    # user:password@host
    (re.compile(r"(?<![\w/:])[^\s/@:'\"<>,;=()]{1,100}:(?!//|\d+/)[^\s@'\"<>]{1,400}@(?=[\w\[])"), f"{HIDDEN}@"),
    # ?token=..., ;password=... and password=... in a connection's text, "password": "..." in JSON
    (re.compile(rf"(?i)([?&;]{_OF_QUERIES}=)[^\s&;#'\"<>]+"), rf"\1{HIDDEN}"),
    (re.compile(rf"(?i)(\b{_ASSIGNED}\s?=\s?['\"]?)(?!\*)[^\s&'\"<>,;)]+"), rf"\1{HIDDEN}"),
    (re.compile(rf"(?i)(['\"]{_ASSIGNED}['\"]:\s?['\"])[^'\"]+"), rf"\1{HIDDEN}"),
    # Authorization: Bearer ..., and a chat's webhook, whose path is its password
    (re.compile(r"(?i)\b((?:bearer|basic)\s)[\w+/=.~-]{6,}"), rf"\1{HIDDEN}"),
    (re.compile(r"(?i)\b((?:hooks|webhooks?)\.[\w.-]{1,200}(?::\d+)?/)[^\s'\"<>]+"), rf"\1{HIDDEN}"),
    (re.compile(r"(?i)(/(?:incoming)?(?:web)?hooks?(?:b2)?/)[^\s'\"<>]+"), rf"\1{HIDDEN}"),
)


def redact(text: str, known: Iterable[str] = ()) -> str:
    """Return a text with its secrets replaced by `***`.

    Args:
        text: a message, an address, a line of a log.
        known: values that are secret wherever they stand, such as passwords of the environment.
    """
    for value in sorted(known, key=len, reverse=True):
        if len(value) >= MIN_CHARACTERS:
            text = text.replace(value, HIDDEN)
    for pattern, replacement in _REPLACED:
        text = pattern.sub(replacement, text)
    return text


def is_secret_name(name: str) -> bool:
    """Return True if a variable or a key of this name holds a secret."""
    return bool(_SECRET_NAME.fullmatch(name))


def without_path(url: str) -> str:
    """Return scheme and host of a URL whose path is a secret, such as a webhook's; of another text, `***`."""
    found = re.match(r"(https?://)(?:[^/?#\s]*@)?([\w.-]+)(?=[:/?#]|$)", url, flags=re.ASCII | re.IGNORECASE)
    return f"{found[1]}{found[2]}/{HIDDEN}" if found else HIDDEN
