"""`shelfsight feed categories`: proposes categories for what a partner writes instead, for a person to confirm."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

import polars as pl
from upath import UPath

from catalog.feeds.deliveries import Delivery
from catalog.feeds.delivery_rows import delivered_batches
from catalog.feeds.feed import FeedError
from catalog.feeds.sources import InboxError
from catalog.products.labels import COLUMN, Labeler
from catalog.products.mapping_files import CATEGORIES_HEADER, CONFIRMED, YES, csv_text, read_rows
from catalog.products.partner_categories import confirmed_categories
from catalog.products.partners import PARTNERS_FILE, PartnerSettings
from catalog.products.type_proposals import propose_candidates
from catalog.storage.files import replace_file
from catalog.taxonomy.parsing import canonical_path
from catalog_assets.ingestion.inbox import source_of
from resources.settings import Settings
from resources.store import Store

NUM_CANDIDATES = 3
MAX_TEXTS = 10_000  # the most frequent ones; nobody confirms more by hand


def categories(settings: Settings, partner_id: str) -> dict[str, Any]:
    """Writes the partner's texts of google_product_category that name no category, each with its nearest ones.

    Rows that a person confirmed stay as they are; others are proposed anew.

    Raises:
        ValueError: the partner or the taxonomy is unknown, or the file is wrong.
        FileNotFoundError: no delivery of the partner is registered.
    """
    store = Store.of(settings)
    partner, taxonomy = store.partner(partner_id), store.taxonomy()
    moves = store.taxonomy_moves(taxonomy)
    labeler = Labeler(taxonomy, moves, confirmed_categories(partner, taxonomy, moves))
    counts, problems = _texts(store, partner)
    unknown = Counter(
        {text: num for text, num in counts.items() if labeler.label(text, guess=False).reason == _UNKNOWN}
    )
    chosen = [text for text, _ in sorted(unknown.items(), key=lambda each: (-each[1], each[0]))[:MAX_TEXTS]]
    name = f"{partner_id}-categories.csv"
    path = UPath(partner.categories_file) if partner.categories_file else store.reference / name
    kept = _confirmed_rows(path)
    rows = [
        (text, each.category or "", "", each.score, unknown[text])
        for text, candidates in zip(chosen, propose_candidates(chosen, taxonomy, NUM_CANDIDATES), strict=True)
        for each in candidates
    ]
    if rows or kept:
        with replace_file(path) as file:
            file.write(csv_text(CATEGORIES_HEADER, [*kept, *rows]).encode())
    return {
        "partner": partner_id,
        "texts of no category": len(unknown),
        "products": sum(unknown.values()),
        "file": str(path) if rows or kept else None,
        "problems": problems,
        "next": _next(store, partner, name, has_rows=bool(rows)),
    }


_UNKNOWN = "unknown_category"


def _next(store: Store, partner: PartnerSettings, name: str, *, has_rows: bool) -> list[str]:
    if not has_rows:
        return []
    steps = [f"write {YES} into the column confirmed of the rows that are right, at most one a text"]
    if not partner.categories_file:
        steps.append(
            f"add categories = '{name}' below [partners.{partner.partner_id}] in {store.reference / PARTNERS_FILE}"
        )
    return steps


def _texts(store: Store, partner: PartnerSettings) -> tuple[Counter[str], list[str]]:
    """Returns the partner's texts with their numbers of products, and why deliveries could not be read."""
    keys = [key for key in store.delivery_keys() if key.split(".")[0] == partner.partner_id]
    if not keys:
        raise FileNotFoundError(
            f"no delivery of partner {partner.partner_id!r} is registered; drop a feed into its inbox"
        )
    counts: Counter[str] = Counter()
    problems = []
    for delivery in store.deliveries(keys):
        try:
            own = Counter[str]()
            for texts in _categories_of(store, delivery, partner):
                own.update(dict(texts.drop_nulls().value_counts().iter_rows()))
            counts += own
        except (FeedError, InboxError) as error:
            problems.append(str(error))
    return counts, problems


def _categories_of(store: Store, delivery: Delivery, partner: PartnerSettings) -> Iterator[pl.Series]:
    for batch in delivered_batches(delivery, source_of(store, delivery), partner.read_options):
        yield batch.rows[COLUMN]


def _confirmed_rows(path: UPath) -> list[list[str]]:
    """Returns the rows of the file that a person confirmed."""
    if not path.is_file():
        return []
    rows = read_rows(path, (CATEGORIES_HEADER[:2], CATEGORIES_HEADER))
    whole = [row if len(row) > 2 else [*row, YES, "", ""] for row in rows]
    return [row for row in whole if canonical_path(row[0]) and row[2].strip().casefold() in CONFIRMED]
