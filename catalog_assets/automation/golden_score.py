"""Golden score: the champion's current accuracy on golden products, compared with that at its promotion."""

from collections.abc import Iterable, Iterator

import dagster as dg
import polars as pl

from catalog.dataset.columns import labeled
from catalog.evaluation.proportions import fall_p_value, wilson_interval
from catalog_assets.evaluation.promoted import current_champion, promoted_predictions
from catalog_assets.idioms.conditions import when_all_inputs_exist
from catalog_assets.idioms.versions import content_version
from catalog_assets.serving.universal_catalog import universal_catalog
from resources.store import Store

CHECK = "golden_score_has_not_fallen"
MAX_FALL_POINTS, MAX_P = 2.0, 0.05


@dg.asset(
    deps=[universal_catalog, "champion"],
    io_manager_key="tables",
    group_name="automation",
    kinds={"polars"},
    code_version="1",
    automation_condition=when_all_inputs_exist,
    check_specs=[
        dg.AssetCheckSpec(
            CHECK,
            asset="golden_score",
            description=f"At most {MAX_FALL_POINTS:g} points below that of the promotion, or no more than chance.",
        )
    ],
)
def golden_score(
    dataset: pl.LazyFrame, store: Store
) -> Iterator[dg.MaterializeResult[pl.DataFrame] | dg.AssetCheckResult]:
    """Accuracy of the catalog's leaves on golden products, and the accuracy that decided the promotion.

    Golden deliveries keep arriving, and their assortment changes. Without golden partners, test products are used,
    as at the promotion.
    """
    champion = current_champion(store)
    if champion is None:
        raise dg.Failure("there is no champion to evaluate; materialize the asset 'champion' first")
    sha256 = champion["sha256"]
    at_promotion = promoted_predictions(store, sha256)
    num_right_then = int((at_promotion["true_4"] == at_promotion["top_4"].list.first()).sum())
    split = champion["decided_on"]
    products = dataset.filter(labeled, split=split).select("product_id", "delivery", "level_4").collect()
    predictions = _predictions(store, sha256, products["delivery"].unique())
    predicted = products.join(predictions, on=["product_id", "delivery"])
    then, now = (
        (num_right_then, len(at_promotion)),
        (int((predicted["level_4"] == predicted["leaf_id"]).sum()), len(predicted)),
    )
    frame = _row(champion["classifier"], sha256, split, then, now)
    [row] = frame.rows(named=True)
    yield dg.MaterializeResult(
        value=frame,
        data_version=content_version(frame),
        metadata={
            "classifier": champion["classifier"],
            "split": split,
            "evaluated": len(predicted),
            "labeled, but not predicted": len(products) - len(predicted),
            **({"top1": row["top1"], "top1 at the promotion": row["top1_before"]} if len(predicted) else {}),
        },
    )
    yield dg.AssetCheckResult(
        check_name=CHECK,
        passed=not row["has_fallen"],
        severity=dg.AssetCheckSeverity.WARN,
        description=_description(row),
    )


def _predictions(store: Store, sha256: str, deliveries: Iterable[str]) -> pl.DataFrame:
    """A classifier's predictions in `universal_catalog` of some deliveries: product_id, delivery, leaf_id."""
    available = [key for key in deliveries if store.holds("universal_catalog", key)]
    if not available:
        return pl.DataFrame(schema={"product_id": pl.String, "delivery": pl.String, "leaf_id": pl.Int64})
    rows = store.scan("universal_catalog", available).filter(classifier_sha256=sha256)
    return rows.select("product_id", "delivery", "leaf_id").collect()


def _row(classifier: str, sha256: str, split: str, then: tuple[int, int], now: tuple[int, int]) -> pl.DataFrame:
    share, low, high, p_value, fall = None, None, None, None, 0.0
    if now[1]:
        share, (low, high) = now[0] / now[1], wilson_interval(*now)
        p_value, fall = fall_p_value(then, now), 100 * (then[0] / then[1] - share)
    return pl.DataFrame(
        {
            "classifier": [classifier],
            "classifier_sha256": [sha256],
            "split": [split],
            "num_before": [then[1]],
            "top1_before": [then[0] / then[1]],
            "num": [now[1]],
            "top1": pl.Series([share], dtype=pl.Float64),
            "ci_low": pl.Series([low], dtype=pl.Float64),
            "ci_high": pl.Series([high], dtype=pl.Float64),
            "fall_points": [fall],
            "p_value": pl.Series([p_value], dtype=pl.Float64),
            "has_fallen": [p_value is not None and p_value < MAX_P and fall > MAX_FALL_POINTS],
        }
    )


def _description(row: dict[str, object]) -> str:
    if row["top1"] is None:
        return f"the catalog has no prediction of {row['classifier']!r} for a labeled {row['split']} product yet"
    return (
        f"{row['classifier']!r} is right on {row['top1']:.1%} of {row['num']:,} {row['split']} products, on "
        f"{row['top1_before']:.1%} of {row['num_before']:,} when it was promoted (p = {row['p_value']:.3f})"
    )
