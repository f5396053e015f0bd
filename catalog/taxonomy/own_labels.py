"""A taxonomy of a catalog's own labels: their paths in Google's format, with ids that depend on the path alone."""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import blake2b

from catalog.taxonomy.parsing import FIRST_FREE_ID, SEPARATOR, Category, TaxonomyError, canonical_path, parse_categories

_NUM_IDS = 999_000_000
_HEADER = "# The catalog's own categories, ID - A > B; names may be edited, and ids stay once products have them\n"


def own_taxonomy(labels: Iterable[str]) -> str:
    """Returns a taxonomy file of these labels and their ancestors; of spellings that differ in case the first counts.

    An id is a hash of its path, above Google's ids: a label has the same id in every catalog, and a new label changes
    no other.

    Args:
        labels: paths such as `Fruit > Apple`, or single names.

    Raises:
        TaxonomyError: there is no label, or one has an empty name.
    """
    paths: dict[str, str] = {}
    for label in labels:
        path = label_path(label)
        names = path.split(SEPARATOR)
        for depth in range(1, len(names) + 1):
            ancestor = SEPARATOR.join(names[:depth])
            paths.setdefault(canonical_path(ancestor), ancestor)
    if not paths:
        raise TaxonomyError("there is no label to make a taxonomy of; label some images, or save Google's taxonomy")
    return _HEADER + "".join(f"{each.id} - {each.path}\n" for each in _categories(paths))


def label_path(label: str) -> str:
    """Returns a label as a category's path, with one space around each `>`; raises TaxonomyError for an empty name."""
    names = [" ".join(name.split()) for name in label.split(">")]
    if not all(names):
        raise TaxonomyError(f"label {label[:200]!r} has an empty name; write it as 'A > B'")
    return SEPARATOR.join(names)


def own_id(key: str, taken: Iterable[int] = ()) -> int:
    """Returns the id of a path in canonical form: the first free one from its hash on."""
    others = set(taken)
    position = int.from_bytes(blake2b(key.encode(), digest_size=8, person=b"shelfsight.label").digest(), "big")
    while (found := FIRST_FREE_ID + position % _NUM_IDS) in others:
        position += 1
    return found


def _categories(paths: dict[str, str]) -> list[Category]:
    ids: dict[str, int] = {}
    for key in sorted(paths):
        ids[key] = own_id(key, ids.values())
    text = "".join(f"{ids[key]} - {paths[key]}\n" for key in sorted(paths))
    return sorted(parse_categories(text, "own labels"), key=lambda each: each.key)
