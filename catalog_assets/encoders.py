"""Encoders: one per recipe, and none has seen a test picture; and what they make of every picture."""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path

import dagster as dg
import numpy as np
import polars as pl

from catalog_assets.conditions import refresh_when_upstream_changes
from catalog_assets.encoder_watch import online_probe, reloads
from catalog_assets.partitions import encoder_recipes
from catalog_assets.pretraining import Pretraining, encoder_sha256
from catalog_assets.versions import content_version
from ml.recipe_types import fingerprint
from ml.recipes import encoder_recipe
from resources.compute import Compute
from resources.pictures import Pictures
from resources.store import Store
from resources.tracking import Tracking


@dg.asset(
    partitions_def=encoder_recipes,
    pool="device",
    group_name="encoders",
    kinds={"pytorch", "mlflow"},
    code_version="1",
    check_specs=[
        dg.AssetCheckSpec(
            "reloads",
            asset="encoders",
            blocking=True,
            description="What was saved embeds pictures and scores as what was trained.",
        )
    ],
)
def encoders(
    context: dg.AssetExecutionContext,
    dataset: pl.LazyFrame,
    store: Store,
    pictures: Pictures,
    compute: Compute,
    tracking: Tracking,
) -> Iterator[dg.MaterializeResult[None] | dg.AssetCheckResult]:
    """Image encoders for any downstream task: from ImageNet, from random weights, or pretrained on our pictures."""
    recipe = encoder_recipe(context.partition_key)
    from ml.training.execution import described  # torch loads only where it trains

    rows = dataset.select("product_id", "delivery", "shard", "sha256", "split", "group_id", "level_4").collect()
    task = Pretraining(store, pictures, recipe, rows)
    learned_from = rows[task.in_training].select("product_id", "delivery", "shard", "sha256", "split")
    num_pictures = len(learned_from) if recipe.pretraining is not None else 0
    on_ranks = recipe.pretraining is not None and compute.num_ranks > 1
    with (
        tracking.run(context, {"backbone": recipe.backbone, "pictures": num_pictures}) as log,
        compute.session() as session,
    ):
        on_epoch = log.epochs(recipe.name, context.log.info)
        made = task.run_on_ranks(compute, on_epoch) if on_ranks else task.run(session.device, on_epoch)
    verdict = made.verdict
    facts = {
        "recipe": asdict(recipe),
        "recipe_sha256": fingerprint(recipe),
        "dataset_version": content_version(learned_from).value if recipe.pretraining else None,
        "parent": recipe.parent,
        "parent_sha256": encoder_sha256(store, recipe.parent) if recipe.parent else None,
        "weights_sha256": _file_sha256(recipe.weights_file) if recipe.weights_file else None,
        "num_pictures": num_pictures,
        "num_ranks": compute.num_ranks if on_ranks else 1,
        "execution": asdict(verdict.execution) if verdict else None,
        "probe_by_epoch": {str(epoch): score for epoch, score in made.scores.items()},
        "device_seconds": made.cost.device_s,
        "peak_mib": session.peak_mib,
        "mlflow_run_id": log.run_id,
    }
    sha256 = made.encoder.save(task.folder, facts)
    store.put_back("encoders", recipe.name)
    version = tracking.register(
        f"encoder-{recipe.name}",
        log.run_id,
        [task.folder / "weights.safetensors", task.folder / "encoder.json"],
        {"sha256": sha256, "recipe_sha256": fingerprint(recipe), "dagster/run_id": context.run.run_id},
        max(made.scores.values(), default=None),
    )
    task.checkpoint.unlink(missing_ok=True)
    yield dg.MaterializeResult(
        data_version=dg.DataVersion(sha256),
        metadata={
            "backbone": recipe.backbone,
            "origin": made.encoder.origin,
            "dim": made.encoder.dim,
            "pictures": num_pictures,
            "device_seconds": made.cost.device_s,
            "peak_mib": session.peak_mib,
            "computed in": described(verdict.execution) if verdict else "nothing was trained",
            "probe by epoch": dg.MetadataValue.json({str(epoch): score for epoch, score in made.scores.items()}),
            "seconds a step": dg.MetadataValue.json(dict(verdict.step_s) if verdict else {}),
            "mlflow": dg.MetadataValue.url(log.url),
            "registered as": f"models:/encoder-{recipe.name}/{version}",
            "folder": dg.MetadataValue.path(str(task.folder)),
        },
    )
    pixels = task.pixels()
    probe = online_probe(rows, pixels, task.folder / "best", session.device) if len(pixels) else None
    yield reloads(task.folder, made, pixels, probe)


@dg.asset(
    deps=[encoders],
    partitions_def=encoder_recipes,
    pool="device",
    group_name="encoders",
    kinds={"pytorch", "parquet"},
    code_version="1",
    automation_condition=refresh_when_upstream_changes,
)
def embeddings(
    context: dg.AssetExecutionContext,
    dataset: pl.LazyFrame,
    store: Store,
    pictures: Pictures,
    compute: Compute,
) -> dg.MaterializeResult[None]:
    """The embedding of every usable picture by one encoder; pictures that it embedded before are not embedded again."""
    from ml.encoders import Encoder, embed
    from ml.pixels import Chosen

    name = context.partition_key
    rows = dataset.select("product_id", "delivery", "shard", "sha256").collect()
    record = store.read_json("encoders", name, "encoder.json")
    if record is None:
        raise dg.Failure(f"encoder {name!r} is not in the store; materialise encoders[{name}] first")
    held = _held(store, name, record["sha256"])
    known = rows.join(held, on="sha256", how="left", maintain_order="left")
    missing = np.flatnonzero(known["embedding"].is_null().to_numpy())
    vectors = np.empty((len(rows), record["dim"]), dtype=np.float32)
    if len(missing) < len(rows):
        present = np.flatnonzero(known["embedding"].is_not_null().to_numpy())
        vectors[present] = known["embedding"].drop_nulls().to_numpy()
    with compute.session() as session:
        if len(missing):
            encoder = Encoder.load(store.here("encoders", name))
            pixels = pictures.pixels(rows, encoder.resolution)
            vectors[missing] = embed(
                encoder, Chosen(pixels, missing), session.device, on_progress=_every_tenth(context, name)
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
    """The fingerprint of another tool's checkpoint."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _held(store: Store, encoder: str, encoder_sha256: str) -> pl.DataFrame:
    """Embeddings (sha256 of the picture, embedding) that exactly this encoder made before."""
    record = store.read_json("embeddings", f"encoder={encoder}", "embeddings.json")
    if record is None or record["encoder_sha256"] != encoder_sha256:
        return pl.DataFrame(schema={"sha256": pl.String, "embedding": pl.Null})
    return store.scan("embeddings", [encoder]).select("sha256", "embedding").collect().unique("sha256")


def _every_tenth(context: dg.AssetExecutionContext, name: str) -> Callable[[int, int], None]:
    """A progress report at every tenth of the pictures."""
    reported = 0

    def report(done: int, total: int) -> None:
        nonlocal reported
        if done * 10 // total > reported:
            reported = done * 10 // total
            context.log.info(f"{name}: {done:,} of {total:,} pictures embedded")

    return report
