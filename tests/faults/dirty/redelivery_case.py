"""A redelivery: feeds that a partner delivers one after another under one name, and the verdict about the last."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True, kw_only=True)
class RedeliveryCase:
    """Feeds of one name, in the order of their delivery.

    Attributes:
        name: Names the case; unique in the table.
        source: What has happened at the partner, in words.
        feeds: The contents; all but the last may be held back or refused, too.
        file: The file's name.
        verdict: About the last one: passed, held, or refused by its reader.
        message: A regular expression that the message of the last one matches.
        current: Number of products that are current afterwards.
        removed: Number of products that are removed afterwards; what a mistake has removed counts, too.
        settings: TOML below the partner's table in `partners.toml`.
        max_rows: Rows of a delivery for each feed; the last one counts for further feeds.
    """

    name: str
    source: str
    feeds: tuple[bytes, ...]
    file: str = "spring.tsv"
    verdict: Literal["passed", "held", "refused"] = "held"
    message: str = ""
    current: int = 0
    removed: int = 0
    settings: str = ""
    max_rows: tuple[int, ...] = (100_000,)
    files: Mapping[str, str] = field(default_factory=dict)
