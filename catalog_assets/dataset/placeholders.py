"""The asset `placeholders`: images that stand for a missing one; the dataset and the catalog leave them out."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import dagster as dg
import polars as pl
from upath import UPath

from catalog.storage.files import replace_file
from catalog_assets.idioms.conditions import when_all_inputs_exist
from catalog_assets.idioms.markdown import image_markdown, table
from catalog_assets.idioms.versions import content_version
from catalog_assets.ingestion.taxonomies import taxonomy
from resources.images import StoredImages
from resources.store import Store

if TYPE_CHECKING:
    from catalog.taxonomy.tree import Taxonomy

TABLE = "placeholders"
SCORES = ("cache", "image_graphics")  # below the scratch folder: what was computed of the images of each delivery
SHOWN_GROUPS, SHOWN_IMAGES = 12, 4
SCORES_SCHEMA = pl.Schema({"sha256": pl.String(), "content": pl.Float32(), "version": pl.Int64()})


@dg.asset(
    deps=[taxonomy, "images"],
    io_manager_key="tables",
    pool="dataset",
    group_name="dataset",
    kinds={"parquet", "polars"},
    code_version="1",
    automation_condition=when_all_inputs_exist,
)
def placeholders(
    context: dg.AssetExecutionContext,
    products: pl.LazyFrame,
    outcomes: pl.LazyFrame,
    store: Store,
    stored_images: StoredImages,
) -> dg.MaterializeResult[pl.DataFrame]:
    """Images that are placeholders ("no image yet"), or may be, by what they show, who shows them, and people's list.

    Each image is examined once on a machine; its score is kept in a cache.
    """
    from catalog.dataset.placeholder_list import FILE, read_placeholder_list
    from catalog.dataset.placeholders import IMAGE_COLUMNS, find_placeholders, placeholder_images

    known = products.collect_schema()
    missing = [pl.lit(None, pl.String).alias(name) for name in ("title",) if name not in known]
    shown = (
        outcomes.filter(status="ok")
        .select("product_id", "delivery", "shard", "sha256", "dhash")
        .join(products.with_columns(missing), on=["product_id", "delivery"])
        .select(*IMAGE_COLUMNS, "sha256", "dhash")
    )
    num_examined = examine(shown, store, stored_images, context.log.info)
    found = find_placeholders(
        shown,
        scores(store),
        read_placeholder_list(store.reference / FILE),
        branches=branches(shown.select("category_id").unique().collect()["category_id"], store.taxonomy()),
        thumbnails=stored_images.thumbnails,
    )
    return dg.MaterializeResult(
        value=found,
        # Of what the dataset and the catalog leave out: suspected images change neither.
        data_version=content_version(placeholder_images(found).sort().to_frame()),
        metadata={"newly examined": num_examined, **dict(placeholder_metadata(found, stored_images))},
    )


def examine(shown: pl.LazyFrame, store: Store, stored_images: StoredImages, log: Callable[[str], None]) -> int:
    """Computes the scores of images that have none, and writes them by delivery; returns their number."""
    from catalog.images.graphics import VERSION, drawn_probability

    num_examined = 0
    located = shown.select("product_id", "delivery", "shard", "sha256")
    for delivery in located.select("delivery").unique().collect()["delivery"].sort():
        images = located.filter(delivery=delivery).sort("shard", "product_id").collect().unique("sha256", keep="first")
        former = scores(store, min_content=0.0).join(images.lazy(), on="sha256", how="semi").collect()
        missing = images.join(former, on="sha256", how="anti").sort("shard", "product_id")
        if missing.is_empty():
            continue
        log(f"{delivery}: {len(missing):,} images are examined")
        content = drawn_probability(stored_images.graphics(missing))
        new = missing.select("sha256", content=pl.Series(content), version=pl.lit(VERSION)).cast(SCORES_SCHEMA)
        path = scores_of(store, delivery)
        kept = [pl.read_parquet(path).filter(version=VERSION)] if path.exists() else []
        with replace_file(UPath(path)) as file:
            pl.concat([*kept, new]).unique("sha256", maintain_order=True).write_parquet(file)
        num_examined += len(missing)
    return num_examined


def scores(store: Store, min_content: float | None = None) -> pl.LazyFrame:
    """The scores of the examined images, from those on that count for anything."""
    from catalog.dataset.placeholders import LIKELY
    from catalog.images.graphics import VERSION

    files = sorted(store.scratch.joinpath(*SCORES).glob("*.parquet"))
    if not files:
        return SCORES_SCHEMA.to_frame().lazy()
    least = LIKELY if min_content is None else min_content
    of_version = pl.scan_parquet(files, glob=False).filter(pl.col("version") == VERSION, pl.col("content") >= least)
    return of_version.select("sha256", "content").unique("sha256")


def scores_of(store: Store, delivery: str) -> Path:
    """The file of the scores of a delivery's images."""
    return store.scratch.joinpath(*SCORES, f"{delivery}.parquet")


def branches(category_ids: pl.Series, of: "Taxonomy") -> dict[int, int]:
    """Returns the ancestor of each category at the second level; of a root, itself."""
    known = category_ids.drop_nulls().unique().sort().to_list()
    return {each: of.levels(each)[1] or each for each in known}


def placeholder_metadata(found: pl.DataFrame, stored_images: StoredImages) -> Iterator[tuple[str, dg.MetadataValue]]:
    """Yields the counts by verdict and evidence, and a sheet of the most frequent images, a row a group."""
    counts = found.group_by("verdict", "evidence").agg(
        groups=pl.col("image_group").n_unique(), images=pl.len(), products=pl.col("num_products").max()
    )
    yield "by evidence", dg.MetadataValue.md(table(counts.sort("verdict", "evidence")))
    for verdict in ("placeholder", "suspected"):
        rows = found.filter(verdict=verdict)
        groups = rows["image_group"].unique(maintain_order=True).head(SHOWN_GROUPS)
        if len(groups):
            from catalog.images.contact_sheet import contact_sheet

            located = [rows.filter(image_group=group).head(SHOWN_IMAGES) for group in groups]
            drawn = [stored_images.read(each.select("product_id", "delivery", "shard", "sha256")) for each in located]
            sheet = image_markdown(contact_sheet(drawn), f"{verdict}: of most products first, a row a group")
            yield f"{verdict} images", dg.MetadataValue.md(sheet)
