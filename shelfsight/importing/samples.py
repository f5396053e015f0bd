"""Samples: the images of an import one by one, and the problems that refuse it."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol

IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".gif", ".tif", ".tiff", ".avif"})
MAX_EXAMPLES = 10

_IMPOSSIBLE = re.compile(r"[\x00-\x1f\x7f\\]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """An image: `path` is its place below the folder of the import, `columns` are further columns of its row."""

    item_id: str
    path: str
    label: str = ""
    group: str = ""
    split: str = ""
    columns: Mapping[str, str] = field(default_factory=dict)


class Source(Protocol):
    """A source of samples, which may be read several times; problems are counted at each reading."""

    def samples(self, problems: "Problems") -> Iterator[Sample]:
        """Yields the samples in a stable order."""
        ...


class Problems:
    """Problems of an import by kind, each counted, with a few examples."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._examples: dict[str, list[str]] = {}

    def add(self, kind: str, example: str) -> None:
        """Counts a problem."""
        self._counts[kind] += 1
        examples = self._examples.setdefault(kind, [])
        if len(examples) < MAX_EXAMPLES:
            examples.append(example)

    def raise_if_any(self, name: str) -> None:
        """Raises ValueError with every kind, its number and examples."""
        kinds = [
            f"{count:,} {kind}: {', '.join(self._examples[kind])}{', ...' if count > MAX_EXAMPLES else ''}"
            for kind, count in self._counts.items()
        ]
        if kinds:
            raise ValueError(f"{name} is not imported: {'; '.join(kinds)}; correct them and import it again")


def is_possible_path(path: str) -> bool:
    """Returns False for a file name that no link can have: not UTF-8, a control character or a backslash."""
    try:
        path.encode()
    except UnicodeEncodeError:
        return False
    return not _IMPOSSIBLE.search(path)
