"""A taxonomy of a shop's own category paths, in Google's format, for labels that are none of Google's categories."""

from __future__ import annotations

from collections.abc import Iterable

from catalog.taxonomy.parsing import FIRST_FREE_ID, SEPARATOR, TaxonomyError, canonical_path

HEAD = "# Categories of this catalog's own, in the format of Google's taxonomy"  # a colon would begin a version


def own_taxonomy(paths: Iterable[str]) -> str:
    """Returns the content of a taxonomy file that has these paths and all their ancestors.

    Numbers follow the alphabetical order of the paths, from the first that Google does not use. Of paths that differ
    only in case or spacing the first is written.

    Raises:
        TaxonomyError: there is no path.
    """
    named: dict[str, str] = {}
    for path in paths:
        names = [" ".join(part.split()) for part in path.split(">")]
        for depth in range(1, len(names) + 1):
            ancestor = SEPARATOR.join(names[:depth])
            if all(names):
                named.setdefault(canonical_path(ancestor), ancestor)
    if not named:
        raise TaxonomyError("there is no category to make a taxonomy of; label some products, or name a taxonomy file")
    lines = [f"{number} - {named[key]}" for number, key in enumerate(sorted(named), start=FIRST_FREE_ID)]
    return "\n".join([HEAD, *lines]) + "\n"
