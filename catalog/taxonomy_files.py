"""The taxonomy's files in the reference folder: Google's, one's own extensions, other languages, former versions.

::

    taxonomy.txt                    Google's file, in any of its languages
    taxonomy-extensions.txt         own categories below Google's, with ids of their own, in the same format
    taxonomy.LOCALE.txt             the same version in another language (taxonomy.de-DE.txt): the ids are the same,
                                    so feeds may write their paths in it
    taxonomy-extensions.LOCALE.txt  the extensions' names in that language
    previous/*.txt                  former versions, as taxonomy.txt and extensions together were then; several
                                    files of one version are its languages
    taxonomy-moves.csv              old_id,new_id: where labels of former versions belong, decided by hand;
                                    an empty new_id gives the label up
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping

from upath import UPath

from catalog.categories import read_text
from catalog.taxonomy import Taxonomy, TaxonomyError

TAXONOMY_FILE = "taxonomy.txt"
CURATED_FILE = "taxonomy-moves.csv"


def read_taxonomy(reference: UPath) -> Taxonomy:
    """The current taxonomy, extended, and known in every language of which there is a file.

    Raises `TaxonomyError` naming file, line and way out.
    """
    taxonomy = _extended(Taxonomy.read(reference / TAXONOMY_FILE), reference / "taxonomy-extensions.txt")
    variants = {_locale(path): path for path in sorted(reference.glob("taxonomy.*.txt"))}
    for path in sorted(reference.glob("taxonomy-extensions.*.txt")):
        if _locale(path) not in variants:
            raise TaxonomyError(f"{path} extends no file; save Google's taxonomy.{_locale(path)}.txt beside it")
    for locale, path in variants.items():
        variant = _extended(Taxonomy.read(path), reference / f"taxonomy-extensions.{locale}.txt")
        taxonomy = taxonomy.also_named(variant, str(path))
    return taxonomy


def read_former(reference: UPath) -> list[Taxonomy]:
    """The former versions, oldest first: in the order of their version lines, or of their files' names without one."""
    former: dict[str, Taxonomy] = {}
    for path in sorted((reference / "previous").glob("*.txt")):
        taxonomy = Taxonomy.read(path)
        taxonomy.version = version = taxonomy.version or path.name.removesuffix(".txt")
        former[version] = former[version].also_named(taxonomy, str(path)) if version in former else taxonomy
    return [former[version] for version in sorted(former)]


def read_curated(reference: UPath, current: Taxonomy) -> Mapping[int, int | None]:
    """What people decided about labels of former versions: old id -> id in the current taxonomy, None to give it up.

    Raises `TaxonomyError` naming the line: a wrong header, an id that is none, that the taxonomy lacks, or twice.
    """
    path = reference / CURATED_FILE
    if not path.is_file():
        return {}
    rows = csv.DictReader(io.StringIO(read_text(path), newline=""))
    if not {"old_id", "new_id"} <= set(rows.fieldnames or ()):
        raise TaxonomyError(f"{path}: the header is {','.join(rows.fieldnames or ())!r}; make it old_id,new_id")
    curated: dict[int, int | None] = {}
    for row in rows:
        place = f"{path}:{rows.line_num}"
        old, new = (row["old_id"] or "").strip(), (row["new_id"] or "").strip()
        if not (old.isdecimal() and old.isascii()):
            raise TaxonomyError(f"{place}: old_id {old!r} is no id; write the digits of a former version's id")
        if int(old) in curated:
            raise TaxonomyError(f"{place}: old_id {old} is moved twice; remove one of the rows")
        new_id = current.resolve(new) if new else None
        if new and new_id is None:
            raise TaxonomyError(
                f"{place}: new_id {new!r} is not in the taxonomy; "
                "write one of its ids, or none where the label is to be given up"
            )
        curated[int(old)] = new_id
    return curated


def _extended(taxonomy: Taxonomy, path: UPath) -> Taxonomy:
    return taxonomy.extended(read_text(path), str(path)) if path.is_file() else taxonomy


def _locale(path: UPath) -> str:
    return path.name.removesuffix(".txt").partition(".")[2]
