"""Data efficiency: accuracy by the number of labels, for each encoder that was fine-tuned on shares of them."""

from collections.abc import Mapping

import dagster as dg
import numpy as np
import polars as pl

from catalog.evaluation.data_efficiency import Curve, Estimate, crossed_estimate, draw_curves
from catalog_assets.classifiers.share_outcomes import share_outcomes
from catalog_assets.idioms.conditions import when_upstream_changes
from catalog_assets.idioms.markdown import image_markdown, table
from catalog_assets.idioms.versions import content_version
from ml.recipe_types import EncoderRecipe
from ml.recipes import LABEL_SHARES
from resources.recipes import RECIPES
from resources.store import Store

Outcomes = Mapping[str, Mapping[str, pl.DataFrame]]  # by encoder and share


@dg.asset(
    deps=[share_outcomes],
    io_manager_key="tables",
    group_name="classifiers",
    kinds={"parquet", "matplotlib"},
    code_version="1",
    automation_condition=when_upstream_changes,
)
def data_efficiency(store: Store) -> dg.MaterializeResult[pl.DataFrame]:
    """Accuracy by encoder and number of labels, and its gain over the same backbone's random weights; with a plot."""
    outcomes = _outcomes(store)
    if not outcomes:
        raise dg.Failure(
            "no encoder was fine-tuned on a share of the labels; launch the job efficiency for some encoders and shares"
        )
    rows = [_row(name, share, outcomes) for name, by_share in outcomes.items() for share in by_share]
    gains = ("gain_over_random", "gain_over_random_low", "gain_over_random_high")  # null without random weights
    frame = pl.DataFrame(rows, infer_schema_length=None, schema_overrides=dict.fromkeys(gains, pl.Float64))
    figures = frame.select("encoder", "share", "num_labels", "top1", "top1_low", "top1_high", "gain_over_random")
    plot = image_markdown(draw_curves(_panels(frame)), "accuracy by the number of labels")
    return dg.MaterializeResult(
        value=frame,
        data_version=content_version(frame.drop("device_seconds")),
        metadata={"figures": dg.MetadataValue.md(table(figures)), "plot": dg.MetadataValue.md(plot)},
    )


def _outcomes(store: Store) -> Outcomes:
    """The outcomes of all encoders and shares that have any."""
    found: dict[str, dict[str, pl.DataFrame]] = {}
    for name in RECIPES.encoders:
        for share in LABEL_SHARES:
            if store.holds("share_outcomes", name, share):
                path = store.folder("share_outcomes", name, share) / "data.parquet"
                found.setdefault(name, {})[share] = pl.read_parquet(str(path), glob=False)
    return found


def _row(name: str, share: str, outcomes: Outcomes) -> dict[str, object]:
    """One encoder's figures on one share."""
    recipe, frame = RECIPES.encoder(name), outcomes[name][share]
    return {
        "encoder": name,
        "backbone": recipe.backbone,
        "resolution": recipe.resolution,
        "share": share,
        "num_labels": frame["num_labels"].max(),
        "num_seeds": frame["seed"].n_unique(),
        "split": frame["split"][0],
        **_columns("top1", crossed_estimate(_by_seed(frame, "top1"))),
        **_columns("top5", crossed_estimate(_by_seed(frame, "top5"))),
        **_columns("gain_over_random", _gain_over_random(name, share, outcomes)),
        "device_seconds": frame.group_by("seed").agg(pl.col("device_seconds").first())["device_seconds"].sum(),
    }


def _columns(name: str, estimate: Estimate | None) -> dict[str, float | None]:
    """An estimate and the ends of its interval as three columns."""
    if estimate is None:
        return {name: None, f"{name}_low": None, f"{name}_high": None}
    return {name: estimate.value, f"{name}_low": estimate.low, f"{name}_high": estimate.high}


def _gain_over_random(name: str, share: str, outcomes: Outcomes) -> Estimate | None:
    """The gain over the same backbone from random weights, paired by seed and image; None without such an encoder."""
    own, frame = RECIPES.encoder(name), outcomes[name][share]
    for other, by_share in outcomes.items():
        recipe = RECIPES.encoder(other)
        is_same_network = _network(recipe) == _network(own)
        if other != name and _is_random(recipe) and is_same_network and share in by_share:
            random = by_share[share]
            # Other products are those of another version of the dataset.
            if random["product_id"].to_list() == frame["product_id"].to_list():
                return crossed_estimate(_by_seed(frame, "top1") - _by_seed(random, "top1"))
    return None


def _network(recipe: EncoderRecipe) -> tuple[str, int, str]:
    """The network of an encoder and its input; encoders that share it differ by their weights alone."""
    return recipe.backbone, recipe.resolution, recipe.fit


def _is_random(recipe: EncoderRecipe) -> bool:
    return recipe.weights == "random" and recipe.parent is None and recipe.pretraining is None


def _by_seed(frame: pl.DataFrame, metric: str) -> np.ndarray:
    """1 where a product was predicted right, (num_seeds, num_products)."""
    return frame[metric].cast(pl.Float64).to_numpy().reshape(frame["seed"].n_unique(), -1)


def _panels(frame: pl.DataFrame) -> list[tuple[str, list[Curve]]]:
    """A panel for each backbone and resolution: only there do encoders differ by their weights alone."""
    panels = []
    for (backbone, resolution, split), part in frame.group_by("backbone", "resolution", "split", maintain_order=True):
        curves = []
        for (name,), rows in part.group_by("encoder", maintain_order=True):
            ordered = rows.sort("num_labels")
            estimates = [Estimate(*ends) for ends in ordered.select("top1", "top1_low", "top1_high").iter_rows()]
            curves.append(Curve(str(name), ordered["num_labels"].to_list(), estimates))
        title = f"{backbone} at {resolution} px, fine-tuned alike, evaluated on {split}"
        panels.append((title, curves))
    return panels
