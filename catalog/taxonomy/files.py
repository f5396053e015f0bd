"""Taxonomy files in the reference folder: Google's, extensions, other languages and former versions.

::

    taxonomy.txt                    Google's file, in any of its languages
    taxonomy-extensions.txt         additional categories below Google's, with new ids, in the same format
    taxonomy.LOCALE.txt             the same version in another language (taxonomy.de-DE.txt): the ids are the same,
                                    so feeds may write their paths in it
    taxonomy-extensions.LOCALE.txt  the extensions' names in that language
    previous/*.txt                  former versions, each taxonomy.txt and extensions in one file; several
                                    files of one version are its languages
    taxonomy-moves.csv              old_id,new_id: manual decisions about labels of former versions;
                                    an empty new_id drops the label
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping

from upath import UPath

from catalog.taxonomy.parsing import read_text
from catalog.taxonomy.tree import Taxonomy, TaxonomyError

TAXONOMY_FILE = "taxonomy.txt"
CURATED_FILE = "taxonomy-moves.csv"


def read_taxonomy(reference: UPath) -> Taxonomy:
    """Reads the current taxonomy with its extensions and the names of every language that has a file.

    Raises:
        TaxonomyError: a file is missing or invalid; the message names file, line and way out.
    """
    taxonomy = _extended(Taxonomy.read(reference / TAXONOMY_FILE), reference / "taxonomy-extensions.txt")
    variants = {_locale(path): path for path in sorted(reference.glob("taxonomy.*.txt"))}
    for path in sorted(reference.glob("taxonomy-extensions.*.txt")):
        if _locale(path) not in variants:
            raise TaxonomyError(f"{path} extends no file; save Google's taxonomy.{_locale(path)}.txt beside it")
    for locale, path in variants.items():
        variant = _extended(Taxonomy.read(path), reference / f"taxonomy-extensions.{locale}.txt")
        taxonomy = taxonomy.with_language(variant, str(path))
    return taxonomy


def read_former_versions(reference: UPath) -> list[Taxonomy]:
    """Reads the former versions, oldest first, ordered by version line or, without one, by file name."""
    former: dict[str, Taxonomy] = {}
    for path in sorted((reference / "previous").glob("*.txt")):
        taxonomy = Taxonomy.read(path)
        taxonomy.version = version = taxonomy.version or path.name.removesuffix(".txt")
        former[version] = former[version].with_language(taxonomy, str(path)) if version in former else taxonomy
    return [former[version] for version in sorted(former)]


def read_curated_moves(reference: UPath, current: Taxonomy) -> Mapping[int, int | None]:
    """Reads the manual decisions about labels of former versions: old id -> current id, or None to drop the label.

    Raises:
        TaxonomyError: the header is wrong, or an id is malformed, unknown or repeated; the message names the line.
    """
    path = reference / CURATED_FILE
    if not path.is_file():
        return {}
    rows = csv.DictReader(io.StringIO(read_text(path), newline=""))
    if not {"old_id", "new_id"} <= set(rows.fieldnames or ()):
        raise TaxonomyError(f"{path}: the header is {','.join(rows.fieldnames or ())!r}; make it old_id,new_id")
    curated: dict[int, int | None] = {}
    for row in rows:
        location = f"{path}:{rows.line_num}"
        old, new = (row["old_id"] or "").strip(), (row["new_id"] or "").strip()
        if not (old.isdecimal() and old.isascii()):
            raise TaxonomyError(f"{location}: old_id {old!r} is not an id; write the digits of a former version's id")
        if int(old) in curated:
            raise TaxonomyError(f"{location}: old_id {old} is moved twice; remove one of the rows")
        new_id = current.resolve(new) if new else None
        if new and new_id is None:
            raise TaxonomyError(
                f"{location}: new_id {new!r} is not in the taxonomy; write one of its ids, or nothing to drop the label"
            )
        curated[int(old)] = new_id
    return curated


def _extended(taxonomy: Taxonomy, path: UPath) -> Taxonomy:
    return taxonomy.extended(read_text(path), str(path)) if path.is_file() else taxonomy


def _locale(path: UPath) -> str:
    return path.name.removesuffix(".txt").partition(".")[2]
