"""Encodings of text feeds, detected by samples of a file: UTF-8, UTF-16, UTF-32 or one byte a character."""

from __future__ import annotations

import codecs
import re
from collections.abc import Sequence
from dataclasses import dataclass

from catalog.feeds.letters import score

UTF_8 = "utf-8"
# In the order in which they are preferred where they give the same text.
ONE_BYTE = (
    "cp1252",
    "cp1250",
    "iso8859-2",
    "cp1254",
    "cp1251",
    "cp1253",
    "iso8859-7",
    "cp1257",
    "iso8859-15",
    "koi8-r",
    "iso8859-5",
    "cp850",
    "cp852",
    "cp866",
    "mac-roman",
    "cp1255",
    "cp1256",
)
_UNUSUAL = {"iso8859-15": 0.05, "iso8859-5": 0.3, "cp850": 0.35, "cp852": 0.35, "cp866": 0.3, "mac-roman": 0.35}
_BOMS = (
    (codecs.BOM_UTF8, UTF_8),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_MAX_SCORED = 3_000  # characters beyond ASCII
_CONTEXT_BYTES = 2
_MANY = 0.3  # the share of NULs among the high bytes of UTF-16
_FEW = 0.02


@dataclass(frozen=True)
class Encoding:
    """An encoding by Python's name, with the confidence in it from 0 to 1; not final: only ASCII was seen."""

    name: str
    confidence: float
    is_final: bool = True


def text_encoding(name: str) -> str | None:
    """Return Python's name of a text encoding; None where there is none of that name."""
    try:
        found = codecs.lookup(name)
        if not getattr(found, "_is_text_encoding", True) or len("id".encode(name)) > 12:
            return None
    except (LookupError, ValueError):
        return None
    return found.name


def marked_encoding(head: bytes) -> tuple[str, int] | None:
    """Return the encoding and the length of the byte order mark that a file starts with; None without one."""
    return next(((name, len(mark)) for mark, name in _BOMS if head.startswith(mark)), None)


def detect_encoding(samples: Sequence[bytes]) -> Encoding:
    """Return the encoding of a file by pieces of it, the first from its start.

    Valid sequences of UTF-8 count more than wrong bytes: a few wrong bytes do not make another encoding of a file.
    """
    head = samples[0] if samples else b""
    if marked := marked_encoding(head):
        return Encoding(marked[0], 1.0)
    if wide := _wide_encoding(head):
        return Encoding(wide, 0.95)
    num_valid, num_wrong = 0, 0
    for sample in samples:
        if not sample.isascii():
            valid, wrong = _count_utf8(sample)
            num_valid, num_wrong = num_valid + valid, num_wrong + wrong
    if not num_valid and not num_wrong:
        return Encoding(UTF_8, 1.0, is_final=False)
    if num_valid >= num_wrong:
        return Encoding(UTF_8, round(num_valid / (num_valid + num_wrong), 3))
    return _one_byte_encoding(samples)


def _wide_encoding(head: bytes) -> str | None:
    """Returns the encoding of two or four bytes a character whose NULs a text has, as delimiters and digits have."""
    size = len(head) // 4 * 4
    shares = [head[start:size:4].count(0) / max(1, size // 4) for start in range(4)]
    if size < 8 or max(shares) < _MANY:
        return None
    if min(shares[1:]) > 0.9 > shares[0]:
        return "utf-32-le"
    if min(shares[:3]) > 0.9 > shares[3]:
        return "utf-32-be"
    even, odd = (shares[0] + shares[2]) / 2, (shares[1] + shares[3]) / 2
    if odd > _MANY and even < _FEW:
        return "utf-16-le"
    if even > _MANY and odd < _FEW:
        return "utf-16-be"
    return None


_SEQUENCE = re.compile(
    rb"[\xc2-\xdf][\x80-\xbf]|\xe0[\xa0-\xbf][\x80-\xbf]|[\xe1-\xec\xee\xef][\x80-\xbf]{2}|\xed[\x80-\x9f][\x80-\xbf]"
    rb"|\xf0[\x90-\xbf][\x80-\xbf]{2}|[\xf1-\xf3][\x80-\xbf]{3}|\xf4[\x80-\x8f][\x80-\xbf]{2}"
)
_HIGH_BYTES = re.compile(rb"[\x80-\xff]+")


def _count_utf8(sample: bytes) -> tuple[int, int]:
    """Returns the number of characters beyond ASCII that are valid UTF-8, and that of places that are not."""
    num_valid = num_wrong = 0
    for run in _HIGH_BYTES.finditer(sample):
        rest, num = _SEQUENCE.subn(b"", run[0])
        num_valid += num
        is_cut = run.start() == 0 or run.end() == len(sample)
        num_wrong += 0 if is_cut and num else len(rest)
    return num_valid, num_wrong


def _one_byte_encoding(samples: Sequence[bytes]) -> Encoding:
    """Returns the encoding by which the characters beyond ASCII look most like those of one language."""
    excerpt = _excerpt(samples)
    scores: dict[str, float] = {}
    texts: dict[str, str] = {}
    for name in ONE_BYTE:
        texts[name] = excerpt.decode(name, errors="replace")
        scores[name] = score(texts[name])[0] - _UNUSUAL.get(name, 0.0)
    best = max(ONE_BYTE, key=lambda name: scores[name])  # of equals the first
    others = [scores[name] for name in ONE_BYTE if texts[name] != texts[best]]
    margin = scores[best] - max(others, default=scores[best] - 1.0)
    return Encoding(best, round(min(0.99, 0.5 + margin / 2), 3))


def _excerpt(samples: Sequence[bytes]) -> bytes:
    """Returns the characters beyond ASCII of samples with those beside them."""
    found: list[bytes] = []
    num_found = 0
    for sample in samples:
        for run in _HIGH_BYTES.finditer(sample):
            found.append(sample[max(0, run.start() - _CONTEXT_BYTES) : run.end() + _CONTEXT_BYTES])
            num_found += len(run[0])
            if num_found >= _MAX_SCORED:
                return b"\n".join(found)
    return b"\n".join(found)
