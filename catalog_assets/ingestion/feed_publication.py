"""Feed publication: keeps the version of a delivery that is replaced, and restores one that was kept."""

from dataclasses import dataclass
from functools import cached_property

import polars as pl

from catalog.feeds.deliveries import Delivery
from catalog.products.feed_versions import FeedVersions
from catalog.products.parsing import PRODUCTS_SCHEMA, REJECTED_SCHEMA, ParsedFeed
from catalog.products.redelivery import REMOVED_AT
from catalog.taxonomy.tree import Taxonomy
from resources.store import Store

TABLES = ("products", "rejected")


@dataclass(frozen=True, kw_only=True)
class FeedPublication:
    """The replacement of a delivery's tables by those of its registered version."""

    store: Store
    delivery: Delivery
    num_kept: int

    @cached_property
    def _versions(self) -> FeedVersions:
        return self.store.feed_versions(self.delivery.key)

    @cached_property
    def _is_restored(self) -> bool:
        verdict = self._versions.verdict(self._versions.id_of(self.delivery))
        return verdict is not None and verdict.state == "restored"

    @property
    def removed_at(self) -> str:
        """The time since when the products that the version lacks are removed: its arrival."""
        return self.delivery.arrived_at if self._is_restored else self.delivery.received_at

    def restored(self, taxonomy: Taxonomy) -> ParsedFeed | None:
        """Return the rows of a version that a person rolled back to; None of any other, whose feed is parsed.

        Labels are those of the time when the version was parsed; one that the taxonomy lacks by now is dropped.
        """
        if not self._is_restored:
            return None
        tables = [self._kept_table(name) for name in TABLES]
        products, rejected = (
            (schema.to_frame() if table is None else table.select(schema.names()).cast(schema))
            for table, schema in zip(tables, (PRODUCTS_SCHEMA, REJECTED_SCHEMA), strict=True)
        )
        ids = products["category_id"].drop_nulls().unique()
        known = [each for each in ids if each in taxonomy]
        label = pl.when(pl.col("category_id").is_in(known)).then("category_id")
        return ParsedFeed(products.with_columns(category_id=label), rejected)

    def _kept_table(self, name: str) -> pl.DataFrame | None:
        """Returns the rows of a kept table, or of the store's own where the version is still served."""
        key = self.delivery.key
        path = self._versions.table(self._versions.id_of(self.delivery), key, name)
        if path is None:
            is_served = self.store.holds(name, key) and self._versions.served(key).version == self.delivery.version
            path = self.store.folder(name, key) / "data.parquet" if is_served else None
        if path is None or self.delivery.is_superseded:
            return None
        with path.open("rb") as file:
            table = pl.read_parquet(file)
        return table.filter(pl.col(REMOVED_AT).is_null()) if REMOVED_AT in table.columns else table

    def keep_former(self) -> None:
        """Keep the tables that are about to be replaced, if they are of another version."""
        key = self.delivery.key
        if self.num_kept == 0 or not self.store.holds("products", key):
            return
        served = self._versions.served(key)
        if served.version != self.delivery.version:
            tables = {name: self.store.folder(name, key) / "data.parquet" for name in TABLES}
            self._versions.keep(served, tables)

    def finish(self) -> None:
        """Note that the version is served now, and remove what nothing needs any more."""
        former = self._versions.served(self.delivery.key)
        self._versions.mark_served(self.delivery)
        self._versions.prune(self.num_kept)
        self._remove_part(former)

    def _remove_part(self, former: Delivery) -> None:
        """Removes the converted rows of the former version; its images stay as long as it can be restored."""
        part = former.part
        if not part.file or former.version == self.delivery.version or part.file == self.delivery.part.file:
            return
        path = self.store.delivery_records / part.file
        path.unlink(missing_ok=True)
        folder = path.parent
        if folder.exists() and not any(each.name != "parts.json" for each in folder.iterdir()):
            folder.fs.rm(folder.path, recursive=True)
