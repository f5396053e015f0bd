"""The golden score: whether the champion, as it answers for the catalogue, is still as good as when it was promoted."""

from collections.abc import Iterable, Iterator

import dagster as dg
import polars as pl

from catalog.proportions import fall_p_value, wilson_interval
from catalog_assets.candidates import kept_folder
from catalog_assets.catalogue import universal_catalogue
from catalog_assets.classifiers import labelled
from catalog_assets.conditions import when_upstream_changes
from catalog_assets.versions import content_version
from resources.store import Store

CHECK = "golden_score_has_not_fallen"
MAX_FALL_POINTS, MAX_P = 2.0, 0.05


@dg.asset(
    deps=[universal_catalogue, "champion"],
    io_manager_key="tables",
    group_name="catalogue",
    kinds={"polars"},
    code_version="1",
    automation_condition=when_upstream_changes,
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
    """The share of golden products whose leaf the catalogue tells, beside that which the promotion was decided by.

    Golden deliveries go on to come, and what they sell changes. Where no partner is golden, test products stand for
    them, as they did then.
    """
    champion = store.read_json("champion", "champion.json")
    if champion is None:
        raise dg.Failure("there is no champion whose score could fall; materialise the asset 'champion' first")
    sha256 = champion["sha256"]
    decided_by = pl.read_parquet(kept_folder(store, sha256) / "answers.parquet", glob=False)
    right_then = int((decided_by["true_4"] == decided_by["top_4"].list.first()).sum())
    split = store.scan("champion_decisions").filter("promoted").collect()["split"][-1]
    judged = dataset.filter(labelled, split=split).select("product_id", "delivery", "level_4").collect()
    answers = _answers(store, sha256, judged["delivery"].unique())
    answered = judged.join(answers, on=["product_id", "delivery"])
    then, now = (right_then, len(decided_by)), (int((answered["level_4"] == answered["leaf_id"]).sum()), len(answered))
    frame = _row(champion["classifier"], sha256, split, then, now)
    [row] = frame.rows(named=True)
    yield dg.MaterializeResult(
        value=frame,
        data_version=content_version(frame),
        metadata={
            "classifier": champion["classifier"],
            "split": split,
            "judged": len(answered),
            "labelled, but not answered for": len(judged) - len(answered),
            **({"top1": row["top1"], "top1 at the promotion": row["top1_before"]} if len(answered) else {}),
        },
    )
    yield dg.AssetCheckResult(
        check_name=CHECK,
        passed=not row["has_fallen"],
        severity=dg.AssetCheckSeverity.WARN,
        description=_told(row),
    )


def _answers(store: Store, sha256: str, deliveries: Iterable[str]) -> pl.DataFrame:
    """What a classifier answered of some deliveries, as far as they are labelled: product_id, delivery, leaf_id."""
    answered = [key for key in deliveries if store.holds("universal_catalogue", key)]
    if not answered:
        return pl.DataFrame(schema={"product_id": pl.String, "delivery": pl.String, "leaf_id": pl.Int64})
    rows = store.scan("universal_catalogue", answered).filter(classifier_sha256=sha256)
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


def _told(row: dict[str, object]) -> str:
    if row["top1"] is None:
        return f"the catalogue answers for no labelled {row['split']} product by {row['classifier']!r} yet"
    return (
        f"{row['classifier']!r} is right on {row['top1']:.1%} of {row['num']:,} {row['split']} products, on "
        f"{row['top1_before']:.1%} of {row['num_before']:,} when it was promoted (p = {row['p_value']:.3f})"
    )
