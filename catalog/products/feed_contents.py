"""Feed contents: what a comparison of two versions of a feed needs of its products, over all deliveries of the feed.

Memory is bounded: of a feed with more than `MAX_PRODUCTS` products, a sample is kept that is drawn by the hash of the
id, so that both versions have the same ids in it.
"""

from __future__ import annotations

from collections import Counter

import polars as pl

from catalog.feeds.deliveries import IMAGE_SCHEME
from catalog.products.item_ids import normalized_ids
from catalog.products.parsing import ParsedFeed

MAX_PRODUCTS = 2_000_000
NUM_SHARED_LINKS = 3  # of each delivery that are counted
MAX_SHOWN = 200  # characters of an example

_SCHEMA = pl.Schema({"item_id": pl.String(), "link": pl.UInt64(), "category_id": pl.Int64()})
_HASH_SEED = 18
_OWN_LINK = 0  # of a product whose feed brought the image itself: the link says where the version's file is


class FeedContents:
    """Ids, links and labels of a version's products; for a version that is being read also rows and rejections."""

    def __init__(self, max_products: int = MAX_PRODUCTS) -> None:
        self._max_products = max_products
        self._products = _SCHEMA.to_frame()
        self.one_in = 1  # products, of which one is kept
        self.num_rows = 0
        self.num_taken = 0
        self.reasons = Counter[str]()
        self.examples = dict[str, str]()
        self.shared_links = Counter[str]()

    @property
    def products(self) -> pl.DataFrame:
        """The kept products: item_id, link (a hash, null without one) and category_id; each id once."""
        return self._products.unique("item_id", keep="first", maintain_order=True)

    def sampled(self, one_in: int) -> pl.DataFrame:
        """Return the kept products of a sample of one in `one_in`, a power of two that is not below its own."""
        return self.products.filter(_is_sampled(one_in))

    def add(self, parsed: ParsedFeed) -> None:
        """Add what was parsed of a delivery."""
        rejected = parsed.rejected
        lost = (
            rejected.filter(~rejected["row"].is_in(parsed.products["row"].implode())) if rejected.height else rejected
        )
        self.num_taken += parsed.products.height
        self.num_rows += parsed.products.height + lost["row"].n_unique()
        for reason, num in rejected["reason"].value_counts().iter_rows():
            self.reasons[reason] += num
        for reason, row, detail in (
            rejected.unique("reason", keep="first").select("reason", "row", "detail").iter_rows()
        ):
            self.examples.setdefault(reason, f"row {row:,}: {detail[:MAX_SHOWN]}")
        self.add_products(parsed.products)

    def add_products(self, products: pl.DataFrame) -> None:
        """Add products: rows with item_id, image_url and category_id."""
        own = pl.col("image_url").str.starts_with(f"{IMAGE_SCHEME}:")
        links = products["image_url"].drop_nulls().value_counts().top_k(NUM_SHARED_LINKS, by="count")
        for link, num in links.iter_rows():
            self.shared_links[link] += num
        kept = products.select(
            normalized_ids(products["item_id"]),
            pl.when(own).then(pl.lit(_OWN_LINK, pl.UInt64)).otherwise(link_hash("image_url")).alias("link"),
            "category_id",
        ).filter(pl.col("item_id").is_not_null(), _is_sampled(self.one_in))
        self._products = pl.concat([self._products, kept.cast(_SCHEMA)])
        while self._products.height > self._max_products:
            self.one_in *= 2
            self._products = self._products.filter(_is_sampled(self.one_in))


def link_hash(column: str) -> pl.Expr:
    """The hash of a column's links; null without one."""
    return pl.when(pl.col(column).is_not_null()).then(pl.col(column).hash(_HASH_SEED))


def _is_sampled(one_in: int) -> pl.Expr:
    return pl.lit(value=True) if one_in == 1 else pl.col("item_id").hash(_HASH_SEED) % one_in == 0
