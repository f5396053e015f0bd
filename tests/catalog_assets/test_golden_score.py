"""The golden score: what the catalogue says of golden products now, beside what the promotion was decided by."""

import dagster as dg
import polars as pl
import pytest

from catalog_assets.candidates import kept_folder
from catalog_assets.definitions import ASSET_MODULES, resources
from catalog_assets.golden_score import CHECK
from resources.store import Store

SHA256 = "a" * 64
LEAF, OTHER = 10, 20
ASSETS = dg.load_assets_from_modules(ASSET_MODULES)


@pytest.fixture
def promoted(store: Store) -> Store:
    """A champion that was right on 90 of 100 golden products."""
    store.write_json({"classifier": "probe", "sha256": SHA256}, "champion", "champion.json")
    store.write(pl.DataFrame({"promoted": [True], "split": ["golden"]}), "champion_decisions")
    kept = kept_folder(store, SHA256)
    kept.mkdir(parents=True)
    told = [[LEAF, OTHER]] * 90 + [[OTHER, LEAF]] * 10
    pl.DataFrame({"true_4": [LEAF] * 100, "top_4": told}).write_parquet(kept / "answers.parquet")
    return store


def labelled(store: Store, delivery: str, num: int, split: str = "golden") -> pl.DataFrame:
    return pl.DataFrame(
        {"product_id": [f"{delivery}:{n}" for n in range(num)], "delivery": delivery, "split": split, "level_4": LEAF}
    )


def answer(store: Store, delivery: str, num: int, num_right: int, sha256: str = SHA256) -> None:
    rows = pl.DataFrame(
        {
            "product_id": [f"{delivery}:{n}" for n in range(num)],
            "leaf_id": [LEAF if n < num_right else OTHER for n in range(num)],
            "classifier_sha256": sha256,
        }
    )
    store.write(rows, "universal_catalogue", delivery)


def score(store: Store, instance: dg.DagsterInstance) -> tuple[dict[str, object], dg.AssetCheckEvaluation]:
    result = dg.materialize(
        ASSETS,
        selection=dg.AssetSelection.assets("golden_score"),
        resources=resources(store.root),
        instance=instance,
    )
    [row] = store.scan("golden_score").collect().to_dicts()
    [check] = result.get_asset_check_evaluations()
    assert check.check_name == CHECK
    return row, check


def test_the_catalogue_s_answers_of_golden_products_count_and_no_others(
    promoted: Store, instance: dg.DagsterInstance
) -> None:
    golden, other = labelled(promoted, "golden.new", 200), labelled(promoted, "hansen.spring", 50, "test")
    promoted.write(pl.concat([golden, other]), "dataset")
    answer(promoted, "golden.new", 200, 176)
    answer(promoted, "hansen.spring", 50, 0)
    row, check = score(promoted, instance)
    assert (row["num_before"], row["top1_before"], row["num"], row["top1"]) == (100, 0.9, 200, 0.88)
    assert row["fall_points"] == pytest.approx(2.0)
    assert check.passed
    assert "right on 88.0% of 200 golden products, on 90.0% of 100 when it was promoted" in str(check.description)


def test_a_fall_beyond_chance_is_told_and_one_within_it_is_not(promoted: Store, instance: dg.DagsterInstance) -> None:
    promoted.write(labelled(promoted, "golden.new", 200), "dataset")
    answer(promoted, "golden.new", 200, 150)
    row, check = score(promoted, instance)
    assert (row["has_fallen"], check.passed, check.severity) == (True, False, dg.AssetCheckSeverity.WARN)
    promoted.write(labelled(promoted, "golden.new", 20), "dataset")
    answer(promoted, "golden.new", 20, 16)  # ten points, of twenty products
    row, check = score(promoted, instance)
    assert (row["has_fallen"], check.passed) == (False, True)


def test_answers_of_a_former_champion_say_nothing_of_this_one(promoted: Store, instance: dg.DagsterInstance) -> None:
    promoted.write(labelled(promoted, "golden.new", 200), "dataset")
    answer(promoted, "golden.new", 200, 0, sha256="b" * 64)
    row, check = score(promoted, instance)
    assert (row["num"], row["top1"], row["has_fallen"], check.passed) == (0, None, False, True)
    assert "answers for no labelled golden product by 'probe' yet" in str(check.description)


def test_before_anything_is_labelled_there_is_nothing_to_judge(promoted: Store, instance: dg.DagsterInstance) -> None:
    promoted.write(labelled(promoted, "golden.new", 200), "dataset")
    row, check = score(promoted, instance)
    assert (row["num"], check.passed) == (0, True)


def test_without_a_champion_it_says_what_to_make(store: Store, instance: dg.DagsterInstance) -> None:
    store.write(labelled(store, "golden.new", 2), "dataset")
    with pytest.raises(dg.Failure, match="no champion whose score could fall"):
        score(store, instance)
