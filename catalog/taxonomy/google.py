"""Google's categories among those of a taxonomy, for feeds that Google reads."""

from __future__ import annotations

from upath import UPath

from catalog.taxonomy.files import TAXONOMY_FILE, read_taxonomy
from catalog.taxonomy.parsing import FIRST_FREE_ID, TAXONOMY_URL, TaxonomyError, read_text

VERSION_LINE = "# Google_Product_Taxonomy_Version:"


def google_categories(reference: UPath) -> dict[int, int]:
    """Returns Google's category of every category of the taxonomy: itself, or of an extension the nearest above it.

    Raises:
        TaxonomyError: the taxonomy is the user's own, so that its ids mean nothing to Google.
    """
    taxonomy = read_taxonomy(reference)
    path = reference / TAXONOMY_FILE
    if not read_text(path).startswith(VERSION_LINE):
        raise TaxonomyError(
            f"{path} is a taxonomy of your own, whose ids mean nothing to Google: its first line is not "
            f"{VERSION_LINE!r}; export CSV, JSON Lines or Parquet, or label products by {TAXONOMY_URL}"
        )
    categories = {}
    for category_id in taxonomy.ids:
        known = [ancestor for ancestor in taxonomy.lineage(category_id) if ancestor < FIRST_FREE_ID]
        if known:
            categories[category_id] = known[-1]
    return categories
