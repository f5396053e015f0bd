"""Encoders, one per recipe, none trained on a test image; and their embeddings of every image."""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path

import dagster as dg
import numpy as np
import polars as pl

from catalog_assets.encoders.online_probe import online_probe, reloads
from catalog_assets.encoders.pretraining import Pretraining, encoder_sha256
from catalog_assets.idioms.conditions import refresh_when_upstream_changes
from catalog_assets.idioms.partitioned_checks import partitioned_check
from catalog_assets.idioms.retries import DEVICE, retried
from catalog_assets.idioms.stored_size import refuse_above_stored_size
from catalog_assets.idioms.versions import content_version
from catalog_assets.partitions import encoder_recipes
from ml.recipe_types import fingerprint
from resources.compute import Compute
from resources.images import StoredImages
from resources.mlflow.tracking import Tracking
from resources.recipes import RECIPES
from resources.store import Store


@dg.asset(
    partitions_def=encoder_recipes,
    pool="device",
    group_name="encoders",
    kinds={"pytorch", "mlflow"},
    code_version="1",
    check_specs=[
        partitioned_check(
            "reloads",
            asset="encoders",
            partitions_def=encoder_recipes,
            blocking=True,
            description="The saved encoder returns the embeddings and the score of the trained one.",
        )
    ],
)
@retried(DEVICE)
def encoders(
    context: dg.AssetExecutionContext,
    dataset: pl.LazyFrame,
    store: Store,
    stored_images: StoredImages,
    compute: Compute,
    tracking: Tracking,
) -> Iterator[dg.MaterializeResult[None] | dg.AssetCheckResult]:
    """Image encoders for any downstream task: from ImageNet, with random weights, or pretrained on own images."""
    recipe = RECIPES.encoder(context.partition_key)
    from ml.execution import describe_execution  # torch loads only where it trains
    from ml.recipe_checks import require_buildable

    require_buildable(recipe, RECIPES.encoder(recipe.parent) if recipe.parent else None)
    rows = dataset.select("product_id", "delivery", "shard", "sha256", "split", "group_id", "level_4").collect()
    refuse_above_stored_size(recipe, rows, store, stored_images)
    task = Pretraining(store, stored_images, recipe, rows)
    training = rows[task.in_training].select("product_id", "delivery", "shard", "sha256", "split")
    num_images = len(training) if recipe.pretraining is not None else 0
    on_ranks = recipe.pretraining is not None and compute.num_ranks > 1
    with (
        tracking.run(context, {"backbone": recipe.backbone, "images": num_images}) as log,
        compute.session() as session,
    ):
        on_epoch = log.epochs(recipe.name, context.log.info)
        pretrained = task.run_on_ranks(compute, on_epoch) if on_ranks else task.run(session.device, on_epoch)
    tuned = pretrained.tuned
    record = {
        "recipe": asdict(recipe),
        "recipe_sha256": fingerprint(recipe),
        "dataset_version": content_version(training).value if recipe.pretraining else None,
        "parent": recipe.parent,
        "parent_sha256": encoder_sha256(store, recipe.parent) if recipe.parent else None,
        "weights_sha256": _file_sha256(recipe.weights_file) if recipe.weights_file else None,
        "num_images": num_images,
        "num_ranks": compute.num_ranks if on_ranks else 1,
        "execution": asdict(tuned.execution) if tuned else None,
        "probe_by_epoch": {str(epoch): score for epoch, score in pretrained.scores.items()},
        "device_seconds": pretrained.cost.device_s,
        "peak_mib": session.peak_mib,
        "mlflow_run_id": log.run_id,
    }
    with store.writing("encoders", recipe.name) as folder:
        sha256 = pretrained.encoder.save(folder, record)
    version = tracking.register(
        f"encoder-{recipe.name}",
        log.run_id,
        [folder / "weights.safetensors", folder / "encoder.json"],
        {"sha256": sha256, "recipe_sha256": fingerprint(recipe), "dagster/run_id": context.run.run_id},
        max(pretrained.scores.values(), default=None),
    )
    task.checkpoint.unlink(missing_ok=True)
    yield dg.MaterializeResult(
        data_version=dg.DataVersion(sha256),
        metadata={
            "backbone": recipe.backbone,
            "origin": pretrained.encoder.origin,
            "dim": pretrained.encoder.dim,
            "images": num_images,
            "device_seconds": pretrained.cost.device_s,
            "peak_mib": session.peak_mib,
            "execution": describe_execution(tuned.execution) if tuned else "not trained",
            "probe score by epoch": dg.MetadataValue.json(
                {str(epoch): score for epoch, score in pretrained.scores.items()}
            ),
            "seconds per step": dg.MetadataValue.json(dict(tuned.step_s) if tuned else {}),
            "mlflow": dg.MetadataValue.url(log.url),
            "registered as": f"models:/encoder-{recipe.name}/{version}",
            "folder": dg.MetadataValue.path(str(task.folder)),
        },
    )
    pixels = task.pixels()
    probe = online_probe(rows, pixels, task.folder / "best", session.device) if len(pixels) else None
    yield reloads(task.folder, pretrained, pixels, probe)


@dg.asset(
    deps=[encoders],
    partitions_def=encoder_recipes,
    pool="device",
    group_name="encoders",
    kinds={"pytorch", "parquet"},
    code_version="1",
    automation_condition=refresh_when_upstream_changes,
)
@retried(DEVICE)
def embeddings(
    context: dg.AssetExecutionContext,
    dataset: pl.LazyFrame,
    store: Store,
    stored_images: StoredImages,
    compute: Compute,
) -> dg.MaterializeResult[None]:
    """The embedding of every usable image by one encoder; images that it embedded before are not embedded again."""
    from ml.encoders.encoder import Encoder, embed
    from ml.pixels import PixelSubset

    name = context.partition_key
    rows = dataset.select("product_id", "delivery", "shard", "sha256").collect()
    refuse_above_stored_size(RECIPES.encoder(name), rows, store, stored_images)
    record = store.read_json("encoders", name, "encoder.json")
    if record is None:
        raise dg.Failure(f"encoder {name!r} is not in the store; materialize encoders[{name}] first")
    stored = _stored_embeddings(store, name, record["sha256"])
    joined = rows.join(stored, on="sha256", how="left", maintain_order="left")
    missing = np.flatnonzero(joined["embedding"].is_null().to_numpy())
    vectors = np.empty((len(rows), record["dim"]), dtype=np.float32)
    if len(missing) < len(rows):
        present = np.flatnonzero(joined["embedding"].is_not_null().to_numpy())
        vectors[present] = joined["embedding"].drop_nulls().to_numpy()
    with compute.session() as session:
        if len(missing):
            encoder = Encoder.load(store.sync_down("encoders", name))
            pixels = stored_images.pixels(rows, encoder.resolution, encoder.fit)
            vectors[missing] = embed(
                encoder, PixelSubset(pixels, missing), session.device, on_progress=_every_tenth(context, name)
            )
    frame = rows.select("product_id", "sha256").with_columns(
        embedding=pl.Series(vectors, dtype=pl.Array(pl.Float32, record["dim"]))
    )
    path = store.write(frame, "embeddings", name)
    version = content_version(frame)
    store.write_json(
        {"encoder_sha256": record["sha256"], "version": version.value},
        *("embeddings", f"encoder={name}", "embeddings.json"),
    )
    return dg.MaterializeResult(
        data_version=version,
        metadata={
            "dagster/row_count": len(frame),
            "embedded now": len(missing),
            "dim": record["dim"],
            "device_seconds": session.device_seconds,
            "table": dg.MetadataValue.path(str(path)),
        },
    )


def _file_sha256(path: Path) -> str:
    """The SHA-256 of a checkpoint file of another tool."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _stored_embeddings(store: Store, encoder: str, encoder_sha256: str) -> pl.DataFrame:
    """Stored embeddings of exactly this encoder: sha256 of the image, embedding."""
    record = store.read_json("embeddings", f"encoder={encoder}", "embeddings.json")
    if record is None or record["encoder_sha256"] != encoder_sha256:
        return pl.DataFrame(schema={"sha256": pl.String, "embedding": pl.Null})
    return store.scan("embeddings", [encoder]).select("sha256", "embedding").collect().unique("sha256")


def _every_tenth(context: dg.AssetExecutionContext, name: str) -> Callable[[int, int], None]:
    """Returns a callback that logs progress at every tenth of the images."""
    reported = 0

    def report(done: int, total: int) -> None:
        nonlocal reported
        if done * 10 // total > reported:
            reported = done * 10 // total
            context.log.info(f"{name}: {done:,} of {total:,} images embedded")

    return report
