"""Golden score: current predictions of golden products compared with those at the promotion."""

import dagster as dg
import polars as pl
import pytest

from catalog_assets.automation.golden_score import CHECK
from catalog_assets.definitions import defs
from resources.configured import configured
from resources.settings import Settings
from resources.store import Store
from tests.catalog_assets.promoting import SHA256, write_champion

LEAF, OTHER = 10, 20
ASSETS = list(defs.assets or [])


@pytest.fixture
def promoted(store: Store) -> Store:
    """A champion that was right on 90 of 100 golden products."""
    best = [[LEAF, OTHER]] * 90 + [[OTHER, LEAF]] * 10
    write_champion(store, "probe", predictions=pl.DataFrame({"true_4": [LEAF] * 100, "top_4": best}))
    return store


def labeled(store: Store, delivery: str, num: int, split: str = "golden") -> pl.DataFrame:
    return pl.DataFrame(
        {"product_id": [f"{delivery}:{n}" for n in range(num)], "delivery": delivery, "split": split, "level_4": LEAF}
    )


def predict(store: Store, delivery: str, num: int, num_right: int, sha256: str = SHA256) -> None:
    rows = pl.DataFrame(
        {
            "product_id": [f"{delivery}:{n}" for n in range(num)],
            "leaf_id": [LEAF if n < num_right else OTHER for n in range(num)],
            "classifier_sha256": sha256,
        }
    )
    store.write(rows, "universal_catalog", delivery)


def score(store: Store, instance: dg.DagsterInstance) -> tuple[dict[str, object], dg.AssetCheckEvaluation]:
    result = dg.materialize(
        ASSETS,
        selection=dg.AssetSelection.assets("golden_score"),
        resources=configured(Settings.read(store=store.root)),
        instance=instance,
    )
    [row] = store.scan("golden_score").collect().to_dicts()
    [check] = result.get_asset_check_evaluations()
    assert check.check_name == CHECK
    return row, check


def test_only_predictions_of_golden_products_count(promoted: Store, instance: dg.DagsterInstance) -> None:
    golden, other = labeled(promoted, "golden.new", 200), labeled(promoted, "hansen.spring", 50, "test")
    promoted.write(pl.concat([golden, other]), "dataset")
    predict(promoted, "golden.new", 200, 176)
    predict(promoted, "hansen.spring", 50, 0)
    row, check = score(promoted, instance)
    assert (row["num_before"], row["top1_before"], row["num"], row["top1"]) == (100, 0.9, 200, 0.88)
    assert row["fall_points"] == pytest.approx(2.0)
    assert check.passed
    assert "right on 88.0% of 200 golden products, on 90.0% of 100 when it was promoted" in str(check.description)


def test_only_a_significant_fall_fails_the_check(promoted: Store, instance: dg.DagsterInstance) -> None:
    promoted.write(labeled(promoted, "golden.new", 200), "dataset")
    predict(promoted, "golden.new", 200, 150)
    row, check = score(promoted, instance)
    assert (row["has_fallen"], check.passed, check.severity) == (True, False, dg.AssetCheckSeverity.WARN)
    promoted.write(labeled(promoted, "golden.new", 20), "dataset")
    predict(promoted, "golden.new", 20, 16)  # ten points, of twenty products
    row, check = score(promoted, instance)
    assert (row["has_fallen"], check.passed) == (False, True)


def test_predictions_of_a_former_champion_are_ignored(promoted: Store, instance: dg.DagsterInstance) -> None:
    promoted.write(labeled(promoted, "golden.new", 200), "dataset")
    predict(promoted, "golden.new", 200, 0, sha256="b" * 64)
    row, check = score(promoted, instance)
    assert (row["num"], row["top1"], row["has_fallen"], check.passed) == (0, None, False, True)
    assert "has no prediction of 'probe' for a labeled golden product yet" in str(check.description)


def test_without_predictions_there_is_no_score(promoted: Store, instance: dg.DagsterInstance) -> None:
    promoted.write(labeled(promoted, "golden.new", 200), "dataset")
    row, check = score(promoted, instance)
    assert (row["num"], check.passed) == (0, True)


def test_without_a_champion_the_error_names_the_asset_to_materialize(
    store: Store, instance: dg.DagsterInstance
) -> None:
    store.write(labeled(store, "golden.new", 2), "dataset")
    with pytest.raises(dg.Failure, match="no champion to evaluate"):
        score(store, instance)
