"""The universal catalogue: a category for every product that has a picture, by the champion's deployment."""

import time
from collections.abc import Callable, Mapping
from datetime import timedelta
from functools import cached_property
from typing import Any

import dagster as dg
import polars as pl

from catalog_assets.conditions import when_pictures_change
from catalog_assets.markdown import table
from catalog_assets.partitions import deliveries
from catalog_assets.versions import content_version, joint_version
from ml.deployment.deployment import facts_of
from resources.deployments import current_deployment
from resources.labeller import Label, Labeller
from resources.store import Store

TABLE = "universal_catalogue"
DELIVERIES_A_RUN = 50  # of a backfill: a run costs seconds to start
SAY_EVERY_S = 2.0
DAILY = dg.FreshnessPolicy.time_window(fail_window=timedelta(days=2), warn_window=timedelta(hours=26))


@dg.multi_asset(  # of one asset: the plain decorator warns of every backfill policy
    name=TABLE,
    specs=[
        dg.AssetSpec(
            TABLE,
            deps=["deployment", "products", "images", "outcomes", "taxonomy"],
            description="Each product's category, as deep as the confidence asked for allows, and alternatives.",
            group_name="catalogue",
            kinds={"openvino", "parquet"},
            code_version="2",
            automation_condition=when_pictures_change,
            freshness_policy=DAILY,
        )
    ],
    partitions_def=deliveries,
    backfill_policy=dg.BackfillPolicy.multi_run(DELIVERIES_A_RUN),
    pool="device",
)
def universal_catalogue(
    context: dg.AssetExecutionContext, store: Store, labeller: Labeller
) -> dg.MaterializeResult[None]:
    """Each product's category, as deep as the confidence asked for allows, its path, alternatives and the partner's.

    Pictures that this deployment has answered for already are not asked about again. Each delivery of a run is written
    as soon as it is done, and one that fails does not hold up the others.
    """
    labelling = _Labelling(store, labeller, context.log.info)
    done: dict[str, tuple[dg.DataVersion, dict[str, Any]]] = {}
    failed: dict[str, Exception] = {}
    for delivery in context.partition_keys:
        try:
            done[delivery] = labelling.written(delivery)
        except (OSError, ValueError, LookupError) as error:
            if len(context.partition_keys) == 1:
                raise
            context.log.error(f"{delivery}: {error}")  # noqa: TRY400 its cause is in the failure below
            failed[delivery] = error
    if failed:
        for delivery, (version, told) in done.items():
            tags = {"dagster/data_version": version.value}
            context.log_event(dg.AssetMaterialization(TABLE, partition=delivery, metadata=told, tags=tags))
        name, cause = next(iter(failed.items()))
        raise dg.Failure(
            f"{len(failed)} of {len(context.partition_keys)} deliveries have no categories, the others are done: "
            f"{', '.join(failed)}; {name}: {cause}"
        ) from cause
    for delivery, (_, told) in done.items():
        context.add_asset_metadata(told, partition_key=delivery)
    return dg.MaterializeResult(
        data_version=joint_version([version for version, _ in done.values()]),
        metadata={"classifier": labelling.facts["classifier"], "form": labelling.facts["variant"]},
    )


class _Labelling:
    """The deployment, loaded once, and what the answers for deliveries are told with."""

    def __init__(self, store: Store, labeller: Labeller, say: Callable[[str], None]) -> None:
        self._store, self._labeller, self._say = store, labeller, say
        self._folder = current_deployment(store.root)
        self.facts = facts_of(self._folder)
        self.version = label_version(self.facts, labeller)
        self._names = store.scan("taxonomy").select("category_id", "path").collect()
        self._sold = pl.DataFrame(
            list(store.business_values(store.taxonomy()).items()),
            schema={"partner_category_id": pl.Int64, "business_value": pl.Float64},  # units of the partner's leaf
            orient="row",
        )

    @cached_property
    def _label(self) -> Label:
        """Loaded where there is a picture to answer for."""
        return self._labeller.load(self._folder)

    def written(self, delivery: str) -> tuple[dg.DataVersion, dict[str, Any]]:
        """Write a delivery's rows; their version, and what people are told of them."""
        products = self._store.scan("products", [delivery]).select("product_id", "category_id").collect()
        pictures = (
            self._store.scan("outcomes", [delivery])
            .filter(status="ok")
            .select("product_id", "sha256", "shard")
            .collect()
            .join(products, on="product_id", how="semi")
        )
        known = self._held(delivery).join(pictures, on=["product_id", "sha256"], how="semi")
        wanted = pictures.join(known, on="product_id", how="anti").sort("shard", maintain_order=True)
        started = time.perf_counter()
        made = self._made(delivery, wanted)
        seconds = time.perf_counter() - started
        frame = self._told(pl.concat([known.select(made.columns), made]), pictures, products)
        by_depth = frame.group_by("depth").agg(num=pl.len(), probability=pl.col("probability").mean()).sort("depth")
        path = self._store.write(frame, TABLE, delivery)
        schema = dg.TableSchema(columns=[dg.TableColumn(name, str(dtype)) for name, dtype in frame.schema.items()])
        return content_version(frame), {
            "dagster/row_count": len(frame),
            "dagster/column_schema": schema,
            "dagster/uri": str(path),
            "answered now": len(made),
            "answered before": len(known),
            "without a picture": len(products) - len(frame),
            "pictures a second": round(len(made) / seconds, 1) if len(made) else 0.0,
            "how deep": dg.MetadataValue.md(table(by_depth)),
        }

    def _held(self, delivery: str) -> pl.DataFrame:
        """What this deployment has answered of a delivery already."""
        if not self._store.holds(TABLE, delivery):
            return _none().with_columns(sha256=pl.lit(None, pl.String))
        return self._store.scan(TABLE, [delivery]).filter(version=self.version).collect()

    def _made(self, delivery: str, wanted: pl.DataFrame) -> pl.DataFrame:
        if wanted.is_empty():
            return _none()
        said_at = time.perf_counter()

        def report(done: int, of: int) -> None:
            nonlocal said_at
            if time.perf_counter() - said_at >= SAY_EVERY_S or done == of:
                said_at = time.perf_counter()
                self._say(f"{delivery}: {done:,} of {of:,} pictures")

        return self._label(wanted, self._store.folder("images", delivery), report)

    def _told(self, labels: pl.DataFrame, pictures: pl.DataFrame, products: pl.DataFrame) -> pl.DataFrame:
        """Labels with paths, with the partner's category and what it sells, and with what made them."""
        made_by = {name: self.facts[name] for name in ("classifier", "classifier_sha256")}
        return (
            labels.join(pictures.select("product_id", "sha256"), on="product_id")
            .join(products.rename({"category_id": "partner_category_id"}), on="product_id")
            .join(self._sold, on="partner_category_id", how="left")
            .join(self._names, on="category_id", how="left")
            .join(self._names.rename({"category_id": "leaf_id", "path": "leaf_path"}), on="leaf_id", how="left")
            .with_columns(pl.lit(value).alias(name) for name, value in {**made_by, "version": self.version}.items())
            .sort("product_id")
        )


def label_version(facts: Mapping[str, Any], labeller: Labeller) -> str:
    """What answers, and how sure it has to be: rows of another version are answered anew."""
    coverage = f"{labeller.coverage:g}"
    calibration = f"{facts['temperature']:.4f}-{facts['thresholds'][coverage]:.4f}"
    return f"{facts['classifier_sha256'][:16]}-{facts['variant']}-{coverage}-{calibration}"


def _none() -> pl.DataFrame:
    """No label."""
    from resources.labelling import LABELS

    return pl.DataFrame(schema=LABELS)
