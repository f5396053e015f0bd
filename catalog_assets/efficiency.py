"""Data efficiency: encoders fine-tuned alike on shares of the labels, so that only their starting weights differ."""

from statistics import mean

import dagster as dg
import numpy as np
import polars as pl

from catalog.data_efficiency import Curve, Estimate, crossed_estimate, draw_curves
from catalog.splits import label_ranks
from catalog_assets.classifiers import LEVEL_COLUMNS, labelled
from catalog_assets.conditions import when_upstream_changes
from catalog_assets.encoders import encoders
from catalog_assets.markdown import picture, table
from catalog_assets.partitions import encoder_shares
from catalog_assets.versions import content_version
from ml.recipes import ENCODER_RECIPES, LABEL_SHARES, SEEDS, encoder_recipe, share_recipe
from resources.compute import Compute
from resources.pictures import Pictures
from resources.store import Store
from resources.tracking import Tracking

LEAVES = LEVEL_COLUMNS[-1]


@dg.asset(
    deps=[encoders],  # of the key's own encoder: Dagster maps the dimension by its partitions
    partitions_def=encoder_shares,
    pool="device",
    group_name="evaluation",
    kinds={"pytorch", "mlflow", "parquet"},
    code_version="1",
)
def share_outcomes(
    context: dg.AssetExecutionContext,
    dataset: pl.LazyFrame,
    store: Store,
    pictures: Pictures,
    compute: Compute,
    tracking: Tracking,
) -> dg.MaterializeResult[None]:
    """One encoder, fine-tuned on a share of the labels, once a seed: which held-out products each run got right."""
    name, share = _keys(context)
    from ml.classifiers.predicting import predict
    from ml.encoders import Encoder
    from ml.training.classification import Examples
    from ml.training.finetuning import Watch, train_classifier

    rows = dataset.collect()
    split = "golden" if "golden" in rows["split"] else "test"
    judging = np.flatnonzero(rows.select((pl.col("split") == split) & labelled).to_series().to_numpy())
    if not len(judging):
        raise dg.Failure(f"no labelled product is in the split {split!r} to judge by; take in a delivery with labels")
    pixels = pictures.pixels(rows, encoder_recipe(name).resolution)
    leaves = rows[LEAVES].to_numpy()
    frames = []
    with (
        tracking.run(context, {"encoder": name, "share": share, "seeds": len(SEEDS)}) as log,
        compute.session() as session,
    ):
        for seed in SEEDS:
            drawn = label_ranks(rows, draw=seed).fill_null(2.0).to_numpy() < float(share)
            training = np.flatnonzero(drawn)
            examples = Examples(inputs=pixels[training], labels=rows[training].select(LEVEL_COLUMNS).to_numpy())
            recipe = share_recipe(name, float(share), seed, len(training))
            encoder = Encoder.load(store.here("encoders", name))
            watch = Watch(on_epoch=log.epochs(f"{name}, {share} of the labels, seed {seed}", context.log.info))
            made = train_classifier(recipe, encoder, examples, session.device, watch)
            best = predict(made.classifier, pixels[judging], session.device)[-1].ids
            right = best == leaves[judging][:, None]
            frames.append(
                pl.DataFrame(
                    {
                        "seed": np.full(len(judging), seed, dtype=np.int32),
                        "num_labels": np.full(len(judging), len(training)),
                        "split": np.full(len(judging), split),
                        "product_id": rows["product_id"][judging],
                        "predicted_id": best[:, 0],
                        "top1": right[:, 0],
                        "top5": right.any(axis=1),
                        "device_seconds": np.full(len(judging), made.cost.device_s),
                    }
                )
            )
            log({"top1": right[:, 0].mean(), "top5": right.any(axis=1).mean()}, step=seed)
    frame = pl.concat(frames)
    store.write(frame, "share_outcomes", name, share)
    by_seed = frame.group_by("seed", maintain_order=True).agg(
        pl.col("num_labels", "device_seconds").first(), pl.col("top1", "top5").mean(), judged=pl.len()
    )
    return dg.MaterializeResult(
        data_version=content_version(frame.drop("device_seconds")),
        metadata={
            "dagster/row_count": len(frame),
            "by seed": dg.MetadataValue.md(table(by_seed)),
            "top1": mean(by_seed["top1"].to_list()),
            "judged on": split,
            "device_seconds": session.device_seconds,
            "peak_mib": session.peak_mib,
            "mlflow": dg.MetadataValue.url(log.url),
        },
    )


def _keys(context: dg.AssetExecutionContext) -> tuple[str, str]:
    """The encoder and the share of a partition."""
    key = context.partition_key
    assert isinstance(key, dg.MultiPartitionKey)  # noqa: S101 as the asset is partitioned
    return key.keys_by_dimension["encoder"], key.keys_by_dimension["share"]


@dg.asset(
    deps=[share_outcomes],
    io_manager_key="tables",
    group_name="evaluation",
    kinds={"parquet", "matplotlib"},
    code_version="1",
    automation_condition=when_upstream_changes,
)
def data_efficiency(store: Store) -> dg.MaterializeResult[pl.DataFrame]:
    """Accuracy by encoder and number of labels, and over the same backbone's random weights; the plot of both."""
    held = {
        name: {share: frame for share in LABEL_SHARES if (frame := _outcomes(store, name, share)) is not None}
        for name in ENCODER_RECIPES
    }
    lines = [line for name, by_share in held.items() if by_share for line in _lines(name, by_share, held)]
    if not lines:
        raise dg.Failure(
            "no encoder was fine-tuned on a share of the labels; launch the job efficiency for some encoders and shares"
        )
    frame = pl.DataFrame(lines, infer_schema_length=None)
    shown = frame.select("encoder", "share", "num_labels", "top1", "top1_low", "top1_high", "over_random")
    return dg.MaterializeResult(
        value=frame,
        data_version=content_version(frame.drop("device_seconds")),
        metadata={
            "figures": dg.MetadataValue.md(table(shown)),
            "plot": dg.MetadataValue.md(picture(draw_curves(_panels(frame)), "accuracy by the number of labels")),
        },
    )


def _outcomes(store: Store, encoder: str, share: str) -> pl.DataFrame | None:
    if not store.holds("share_outcomes", encoder, share):
        return None
    return pl.read_parquet(str(store.folder("share_outcomes", encoder, share) / "data.parquet"), glob=False)


def _lines(
    name: str, by_share: dict[str, pl.DataFrame], held: dict[str, dict[str, pl.DataFrame]]
) -> list[dict[str, object]]:
    """One encoder's line for each share that it was fine-tuned on."""
    recipe = encoder_recipe(name)
    lines: list[dict[str, object]] = []
    for share, frame in by_share.items():
        top1, top5 = (crossed_estimate(_by_seed(frame, metric)) for metric in ("top1", "top5"))
        line = {
            "encoder": name,
            "backbone": recipe.backbone,
            "resolution": recipe.resolution,
            "share": share,
            "num_labels": frame["num_labels"].max(),
            "num_seeds": frame["seed"].n_unique(),
            "split": frame["split"][0],
            **_ends("top1", top1),
            **_ends("top5", top5),
            **_ends("over_random", _over_random(name, share, frame, held)),
            "device_seconds": frame.group_by("seed").agg(pl.col("device_seconds").first())["device_seconds"].sum(),
        }
        lines.append(line)
    return lines


def _ends(name: str, estimate: Estimate | None) -> dict[str, float | None]:
    if estimate is None:
        return {name: None, f"{name}_low": None, f"{name}_high": None}
    return {name: estimate.value, f"{name}_low": estimate.low, f"{name}_high": estimate.high}


def _over_random(
    name: str, share: str, frame: pl.DataFrame, held: dict[str, dict[str, pl.DataFrame]]
) -> Estimate | None:
    """How much better than the same backbone from random weights, pair by pair; None without such an encoder."""
    own = encoder_recipe(name)
    for other, by_share in held.items():
        recipe = encoder_recipe(other)
        is_random = recipe.weights == "random" and recipe.parent is None and recipe.pretraining is None
        alike = (recipe.backbone, recipe.resolution) == (own.backbone, own.resolution)
        if other != name and is_random and alike and share in by_share:
            random = by_share[share]
            if random["product_id"].to_list() == frame["product_id"].to_list():  # else made of different datasets
                return crossed_estimate(_by_seed(frame, "top1") - _by_seed(random, "top1"))
    return None


def _by_seed(frame: pl.DataFrame, metric: str) -> np.ndarray:
    """What each picture scored under each seed, (num_seeds, num_pictures)."""
    return frame[metric].cast(pl.Float64).to_numpy().reshape(frame["seed"].n_unique(), -1)


def _panels(frame: pl.DataFrame) -> list[tuple[str, list[Curve]]]:
    """A panel for each backbone and resolution: only there do encoders differ by their weights alone."""
    panels = []
    for (backbone, resolution, split), part in frame.group_by("backbone", "resolution", "split", maintain_order=True):
        curves = []
        for (name,), lines in part.group_by("encoder", maintain_order=True):
            ordered = lines.sort("num_labels")
            estimates = [Estimate(*ends) for ends in ordered.select("top1", "top1_low", "top1_high").iter_rows()]
            curves.append(Curve(str(name), ordered["num_labels"].to_list(), estimates))
        title = f"{backbone} at {resolution} px, fine-tuned alike, judged on {split}"
        panels.append((title, curves))
    return panels
