"""A store of two shops with the same images, downloaded, whose dataset is to be built."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import dagster as dg
import polars as pl

from catalog.images.outcomes import OUTCOMES_SCHEMA
from catalog.products.redelivery import REMOVED_AT_TYPE
from catalog_assets.definitions import defs
from catalog_assets.flow import QUIET
from catalog_assets.partitions import deliveries
from resources.configured import configured
from resources.settings import Settings
from resources.store import Store
from tests.catalog.dataset.building import sha256_of
from tests.catalog.feeds.registered import registered

TAXONOMY = "# Google_Product_Taxonomy_Version: 2021-09-21\n1 - Clothing\n2 - Clothing > Hats\n"
FEEDS = ("hansen.hats", "jensen.hats")
NUM = 60
ASSETS = ("splits", "dataset")
INPUTS = {"taxonomy", "products", "images", "outcomes"}
ALL = [each for each in defs.assets or [] if isinstance(each, dg.AssetsDefinition)]


def write_shops(store: Store, order: Sequence[str] = FEEDS) -> None:
    """Writes reference data and both feeds, received in this order."""
    (store.local / "reference").mkdir(parents=True)
    (store.local / "reference" / "taxonomy.txt").write_text(TAXONOMY)
    (store.local / "reference" / "partners.toml").write_text("[partners.hansen]\n[partners.jensen]\n")
    for day, key in enumerate(order):
        deliver(store, key, range(NUM), day)


def deliver(store: Store, key: str, numbers: Sequence[int], day: int) -> None:
    """Registers a feed and writes the tables of its parsed and downloaded products."""
    registered(key, datetime(2024, 5, 1, tzinfo=UTC) + timedelta(days=day)).save(store.delivery_records)
    partner = key.partition(".")[0]
    products = pl.DataFrame(
        {
            "product_id": [f"{partner}:{n}" for n in numbers],
            "partner_id": partner,
            "item_group_id": pl.Series([None] * len(numbers), dtype=pl.String),
            "category_id": 2,
            "row": range(1, len(numbers) + 1),
            "removed_at": pl.Series([None] * len(numbers), dtype=REMOVED_AT_TYPE),
        }
    )
    sha256 = [sha256_of(f"i{n}") for n in numbers]
    outcomes = products.select(
        "product_id",
        status=pl.lit("ok"),
        sha256=pl.Series(sha256),
        dhash=pl.Series(sha256).hash(seed=1),
        shard=pl.lit("shard-00000"),
    )
    missing = [pl.lit(None, dtype).alias(name) for name, dtype in OUTCOMES_SCHEMA.items() if name not in outcomes]
    names = [name for name in OUTCOMES_SCHEMA if name != "delivery"]
    store.write(products, "products", key)
    store.write(outcomes.with_columns(missing).select(names), "outcomes", key)


def build(store: Store, instance: dg.DagsterInstance, *, raises: bool = True) -> dg.ExecuteInProcessResult:
    """Materializes both tables, as a run does, without the checks."""
    instance.add_dynamic_partitions(str(deliveries.name), list(FEEDS))
    return dg.materialize(
        [each for each in ALL if {key.path[-1] for key in each.keys} & {*ASSETS, *INPUTS}],  # not the whole graph
        selection=dg.AssetSelection.assets(*ASSETS).without_checks(),
        resources=configured(Settings.read(store=store.root)),
        instance=instance,
        run_config=QUIET,
        raise_on_error=raises,
    )


def splits(store: Store, table: str = "dataset") -> dict[str, tuple[str, str]]:
    """The group and split of every product of a table."""
    rows = store.scan(table).select("product_id", "group_id", "split").collect()
    return {name: (group, split) for name, group, split in rows.iter_rows()}
