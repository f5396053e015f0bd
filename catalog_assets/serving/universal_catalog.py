"""The universal catalog: a predicted category for every product that has an image."""

import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any

import dagster as dg
import polars as pl

from catalog_assets.dataset.dataset import placeholders_of
from catalog_assets.idioms.conditions import when_images_change
from catalog_assets.idioms.markdown import table
from catalog_assets.idioms.retries import DEVICE, retried
from catalog_assets.idioms.versions import content_version, joint_version
from catalog_assets.partitions import deliveries
from ml.deployment.deployment import read_metadata
from resources.artifacts.deployments import current_deployment
from resources.predictor import CatalogPredictor, Predict
from resources.store import Store

TABLE = "universal_catalog"
CHANGED_AT = "changed_at"
CHANGES = pl.Schema({"product_id": pl.String(), "category_id": pl.Int64(), CHANGED_AT: pl.Datetime("us", "UTC")})
DELIVERIES_A_RUN = 50  # of a backfill: a run costs seconds to start
REPORT_EVERY_S = 2.0
DAILY = dg.FreshnessPolicy.time_window(fail_window=timedelta(days=2), warn_window=timedelta(hours=26))


@dg.multi_asset(  # of one asset: the plain decorator warns of every backfill policy
    name=TABLE,
    specs=[
        dg.AssetSpec(
            TABLE,
            deps=["deployment", "products", "images", "outcomes", "taxonomy", "placeholders"],
            description="Each product's category, as deep as the requested confidence allows, and alternatives.",
            group_name="serving",
            kinds={"openvino", "parquet"},
            code_version="4",
            automation_condition=when_images_change,
            freshness_policy=DAILY,
        )
    ],
    partitions_def=deliveries,
    backfill_policy=dg.BackfillPolicy.multi_run(DELIVERIES_A_RUN),
    pool="device",
)
@retried(DEVICE)
def universal_catalog(
    context: dg.AssetExecutionContext, store: Store, catalog_predictor: CatalogPredictor
) -> dg.MaterializeResult[None]:
    """Each product's category, as deep as the requested confidence allows, its path, alternatives and the partner's.

    Products whose image is a placeholder have no row. Predictions that this deployment made before are reused. Each
    delivery of a run is written as soon as it is done, and one that fails does not stop the others.
    """
    predictor = _DeliveryPredictor(store, catalog_predictor, context.log.info)
    done: dict[str, tuple[dg.DataVersion, dict[str, Any]]] = {}
    failed: dict[str, Exception] = {}
    for delivery in context.partition_keys:
        try:
            done[delivery] = predictor.write(delivery)
        except (OSError, ValueError, LookupError) as error:
            if len(context.partition_keys) == 1:
                raise
            context.log.error(f"{delivery}: {error}")  # noqa: TRY400 its cause is in the failure below
            failed[delivery] = error
    if failed:
        for delivery, (version, metadata) in done.items():
            tags = {"dagster/data_version": version.value}
            context.log_event(dg.AssetMaterialization(TABLE, partition=delivery, metadata=metadata, tags=tags))
        name, cause = next(iter(failed.items()))
        raise dg.Failure(
            f"{len(failed)} of {len(context.partition_keys)} deliveries have no categories, the others are done: "
            f"{', '.join(failed)}; {name}: {cause}"
        ) from cause
    for delivery, (_, metadata) in done.items():
        context.add_asset_metadata(metadata, partition_key=delivery)
    return dg.MaterializeResult(
        data_version=joint_version([version for version, _ in done.values()]),
        metadata={"classifier": predictor.facts["classifier"], "variant": predictor.facts["variant"]},
    )


class _DeliveryPredictor:
    """Predicts and writes deliveries with one deployment, which is loaded once."""

    def __init__(self, store: Store, catalog_predictor: CatalogPredictor, log: Callable[[str], None]) -> None:
        self._store, self._catalog_predictor, self._log = store, catalog_predictor, log
        self._folder = current_deployment(store.root)
        self.facts = read_metadata(self._folder)
        self.version = prediction_version(self.facts, catalog_predictor)
        self._names = store.scan("taxonomy").select("category_id", "path").collect()
        self._placeholders = placeholders_of(store)
        self._sold = pl.DataFrame(
            list(store.business_values(store.taxonomy()).items()),
            schema={"partner_category_id": pl.Int64, "business_value": pl.Float64},  # units of the partner's leaf
            orient="row",
        )

    @cached_property
    def _predict(self) -> Predict:
        """The loaded deployment; it is loaded for the first image that needs a prediction."""
        return self._catalog_predictor.load(self._folder)

    def write(self, delivery: str) -> tuple[dg.DataVersion, dict[str, Any]]:
        """Writes a delivery's rows; returns their version and metadata."""
        products = self._store.scan("products", [delivery]).select("product_id", "category_id").collect()
        images = (
            self._store.scan("outcomes", [delivery])
            .filter(status="ok")
            .select("product_id", "sha256", "shard")
            .collect()
            .join(products, on="product_id", how="semi")
        )
        num_downloaded = len(images)
        images = images.filter(~pl.col("sha256").is_in(self._placeholders.implode()))
        known = self._existing(delivery).join(images, on=["product_id", "sha256"], how="semi")
        wanted = images.join(known, on="product_id", how="anti").sort("shard", maintain_order=True)
        started = time.perf_counter()
        predicted = self._predicted(delivery, wanted)
        seconds = time.perf_counter() - started
        frame = self._described(pl.concat([known.select(predicted.columns), predicted]), images, products)
        frame = with_change_times(frame, self._former(delivery), datetime.now(UTC))
        by_depth = frame.group_by("depth").agg(num=pl.len(), probability=pl.col("probability").mean()).sort("depth")
        path = self._store.write(frame, TABLE, delivery)
        schema = dg.TableSchema(columns=[dg.TableColumn(name, str(dtype)) for name, dtype in frame.schema.items()])
        return content_version(frame.drop(CHANGED_AT)), {
            "dagster/row_count": len(frame),
            "dagster/column_schema": schema,
            "dagster/uri": str(path),
            "newly predicted": len(predicted),
            "reused": len(known),
            "without an image": len(products) - num_downloaded,
            "with a placeholder": num_downloaded - len(images),
            "images_per_s": round(len(predicted) / seconds, 1) if len(predicted) else 0.0,
            "by depth": dg.MetadataValue.md(table(by_depth)),
        }

    def _existing(self, delivery: str) -> pl.DataFrame:
        """A delivery's rows that this deployment predicted before."""
        if not self._store.holds(TABLE, delivery):
            return _none().with_columns(sha256=pl.lit(None, pl.String))
        return self._store.scan(TABLE, [delivery]).filter(version=self.version).collect()

    def _former(self, delivery: str) -> pl.DataFrame:
        """The categories that any deployment predicted before for a delivery, with their times where recorded."""
        empty = pl.DataFrame(schema=CHANGES)
        if not self._store.holds(TABLE, delivery):
            return empty
        rows = self._store.scan(TABLE, [delivery])
        recorded = [name for name in CHANGES if name in rows.collect_schema()]
        return pl.concat([empty, rows.select(recorded).collect()], how="diagonal")

    def _predicted(self, delivery: str, wanted: pl.DataFrame) -> pl.DataFrame:
        if wanted.is_empty():
            return _none()
        reported_at = time.perf_counter()

        def report(done: int, of: int) -> None:
            nonlocal reported_at
            if time.perf_counter() - reported_at >= REPORT_EVERY_S or done == of:
                reported_at = time.perf_counter()
                self._log(f"{delivery}: {done:,} of {of:,} images")

        return self._predict(wanted, self._store.folder("images", delivery), report)

    def _described(self, predicted: pl.DataFrame, images: pl.DataFrame, products: pl.DataFrame) -> pl.DataFrame:
        """Predictions with paths, the partner's category and its business value, and their classifier."""
        made_by = {name: self.facts[name] for name in ("classifier", "classifier_sha256")}
        return (
            predicted.join(images.select("product_id", "sha256"), on="product_id")
            .join(products.rename({"category_id": "partner_category_id"}), on="product_id")
            .join(self._sold, on="partner_category_id", how="left")
            .join(self._names, on="category_id", how="left")
            .join(self._names.rename({"category_id": "leaf_id", "path": "leaf_path"}), on="leaf_id", how="left")
            .with_columns(pl.lit(value).alias(name) for name, value in {**made_by, "version": self.version}.items())
            .sort("product_id")
        )


def with_change_times(rows: pl.DataFrame, former: pl.DataFrame, now: datetime) -> pl.DataFrame:
    """Adds the time since which each product has its category: its former row's if the category is the same, or `now`.

    Args:
        rows: product_id and category_id, among others.
        former: the columns `CHANGES` of the rows that these replace.
        now: time with a zone.
    """
    is_same = pl.col("_former_id").eq_missing(pl.col("category_id")) & pl.col(CHANGED_AT).is_not_null()
    changed_at = pl.when(is_same).then(CHANGED_AT).otherwise(pl.lit(now, CHANGES[CHANGED_AT]))
    return (
        rows.join(former.rename({"category_id": "_former_id"}), on="product_id", how="left", maintain_order="left")
        .with_columns(changed_at.alias(CHANGED_AT))
        .drop("_former_id")
    )


def prediction_version(facts: Mapping[str, Any], catalog_predictor: CatalogPredictor) -> str:
    """The deployment and the confidence that rows were predicted with: those of another version are predicted again."""
    coverage = f"{catalog_predictor.coverage:g}"
    calibration = f"{facts['temperature']:.4f}-{facts['thresholds'][coverage]:.4f}"
    return f"{facts['classifier_sha256'][:16]}-{facts['variant']}-{coverage}-{calibration}"


def _none() -> pl.DataFrame:
    """No predictions."""
    from resources.catalog_prediction import PREDICTIONS

    return pl.DataFrame(schema=PREDICTIONS)
