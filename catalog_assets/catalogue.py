"""The universal catalogue: a category for every product that has a picture, by the champion's deployment."""

import time
from collections.abc import Mapping
from typing import Any

import dagster as dg
import polars as pl

from catalog_assets.conditions import when_pictures_change
from catalog_assets.markdown import table
from catalog_assets.partitions import deliveries
from catalog_assets.versions import content_version
from ml.deployment.deployment import current_folder, facts_of
from resources.labeller import Labeller
from resources.store import Store

TABLE = "universal_catalogue"


@dg.asset(
    deps=["deployment", "images", "outcomes"],
    partitions_def=deliveries,
    io_manager_key="tables",
    pool="device",
    group_name="catalogue",
    kinds={"openvino", "parquet"},
    code_version="1",
    automation_condition=when_pictures_change,
)
def universal_catalogue(
    context: dg.AssetExecutionContext, products: pl.LazyFrame, store: Store, labeller: Labeller
) -> dg.MaterializeResult[pl.DataFrame]:
    """Each product's category, as deep as the confidence asked for allows, its path, alternatives and the partner's.

    Pictures that this deployment has answered for already are not asked about again.
    """
    delivery = context.partition_key
    folder = current_folder(store.local)
    facts = facts_of(folder)
    made_by = {"classifier": facts["classifier"], "classifier_sha256": facts["classifier_sha256"]}
    version = label_version(facts, labeller)
    pictures = (
        store.scan("outcomes", [delivery])
        .filter(status="ok")
        .select("product_id", "sha256", "shard")
        .join(products.select("product_id"), on="product_id", how="semi")
        .collect()
    )
    held = _held(store, delivery, version)
    known = held.join(pictures, on=["product_id", "sha256"], how="semi")
    wanted = pictures.join(known, on="product_id", how="anti").sort("shard", maintain_order=True)
    started = time.perf_counter()
    said_at = started

    def report(done: int, of: int) -> None:
        nonlocal said_at
        if time.perf_counter() - said_at >= 2 or done == of:
            said_at = time.perf_counter()
            context.log.info(f"{delivery}: {done:,} of {of:,} pictures")

    made = labeller.label(wanted, store.folder("images", delivery), folder, report)
    seconds = time.perf_counter() - started
    names = store.scan("taxonomy").select("category_id", "path").collect()
    sold = pl.DataFrame(
        list(store.business_values(store.taxonomy()).items()),
        schema={"partner_category_id": pl.Int64, "business_value": pl.Float64},  # units of the partner's leaf
        orient="row",
    )
    frame = (
        pl.concat([known.select(made.columns), made])
        .join(pictures.select("product_id", "sha256"), on="product_id")
        .join(products.select("product_id", partner_category_id="category_id").collect(), on="product_id")
        .join(sold, on="partner_category_id", how="left")
        .join(names, on="category_id", how="left")
        .join(names.rename({"category_id": "leaf_id", "path": "leaf_path"}), on="leaf_id", how="left")
        .with_columns(pl.lit(value).alias(name) for name, value in {**made_by, "version": version}.items())
        .sort("product_id")
    )
    by_depth = frame.group_by("depth").agg(num=pl.len(), probability=pl.col("probability").mean()).sort("depth")
    return dg.MaterializeResult(
        value=frame,
        data_version=content_version(frame),
        metadata={
            "answered now": len(made),
            "answered before": len(known),
            "without a picture": int(products.select(pl.len()).collect().item()) - len(frame),
            "pictures a second": round(len(made) / seconds, 1),
            "how deep": dg.MetadataValue.md(table(by_depth)),
            "classifier": facts["classifier"],
            "form": facts["variant"],
        },
    )


def label_version(facts: Mapping[str, Any], labeller: Labeller) -> str:
    """What answers, and how sure it has to be: rows of another version are answered anew."""
    coverage = f"{labeller.coverage:g}"
    calibration = f"{facts['temperature']:.4f}-{facts['thresholds'][coverage]:.4f}"
    return f"{facts['classifier_sha256'][:16]}-{facts['variant']}-{coverage}-{calibration}"


def _held(store: Store, delivery: str, version: str) -> pl.DataFrame:
    """What this deployment has answered of a delivery already."""
    if not store.holds(TABLE, delivery):
        from resources.labelling import LABELS

        return pl.DataFrame(schema={**LABELS, "sha256": pl.String})
    return store.scan(TABLE, [delivery]).filter(version=version).collect()
