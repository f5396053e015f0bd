"""Taxonomies: a new version makes the products stale, and their labels follow it."""

from collections.abc import Mapping
from pathlib import Path

import dagster as dg
import pytest

from catalog.taxonomy.tree import Taxonomy, TaxonomyError
from catalog_assets.automation.warehouse import warehouse
from catalog_assets.definitions import definitions
from catalog_assets.flow import register_arrivals
from catalog_assets.idioms.staleness import needs_materializing
from resources.settings import Settings
from resources.store import Store
from shelfsight.cli.check import reference_problems

OLD = """\
# Google_Product_Taxonomy_Version: 2019-07-10
1 - Clothing
2 - Clothing > Hats
3 - Clothing > Boots
4 - Clothing > Ties
5 - Toys
6 - Toys > Yo-Yos
"""
NEW = """\
# Google_Product_Taxonomy_Version: 2021-09-21
1 - Clothing
2 - Clothing > Hats
7 - Clothing > Boots
4 - Clothing > Ties
8 - Clothing > Ties > Bow Ties
9 - Clothing > Ties > Neckties
"""
FEED = "id\ttitle\timage_link\tgoogle_product_category\n" + "".join(
    f"{number}\tthing\thttp://127.0.0.1:9/{number}.jpg\t{category}\n"
    for number, category in enumerate(["2", "3", "Clothing > Boots", "Toys > Yo-Yos", "6", "4"])
)
DELIVERY = "hansen.spring"
PREPARED = (dg.AssetKey("taxonomy"), dg.AssetKey("taxonomy_moves"))
TAKEN = (dg.AssetKey("feed_comparison"), dg.AssetKey("products"), dg.AssetKey("rejected"))


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.delenv("SHELFSIGHT_ALLOWED_NETWORKS", raising=False)  # loopback is refused, as in production
    root = tmp_path / "store"
    (root / "reference").mkdir(parents=True)
    (root / "reference/taxonomy.txt").write_text(OLD)
    (root / "reference/partners.toml").write_text("[partners.hansen]\n")
    (root / "inbox/hansen").mkdir(parents=True)
    (root / "inbox/hansen/spring.tsv").write_text(FEED)
    return Store(root=str(root))


def run(store: Store, instance: dg.DagsterInstance) -> int:
    """Read the reference data and take the feed, each where that is needed; returns how many runs it took."""
    defs = definitions(Settings.read(store=store.root))
    every_asset = defs.resolve_implicit_global_asset_job_def()
    num_runs = 0
    for keys, partition in ((PREPARED, None), (TAKEN, DELIVERY)):
        if any(needs_materializing(defs, instance, key.to_user_string(), partition) for key in keys):
            every_asset.get_subset(asset_selection=set(keys)).execute_in_process(
                instance=instance, partition_key=partition
            )
            num_runs += 1
    return num_runs


def labels(store: Store) -> list[tuple[int | None, str | None]]:
    products = store.scan("products").sort("row").select("category_id", "category_source").collect()
    return list(products.iter_rows())


def metadata(run: dg.ExecuteInProcessResult, asset: str) -> Mapping[str, dg.MetadataValue]:
    """Returns the metadata of the run's materialization of an asset."""
    (event,) = run.asset_materializations_for_node(asset)
    return event.metadata


def put_new_version(store: Store) -> None:
    reference = store.local / "reference"
    (reference / "previous").mkdir()
    (reference / "taxonomy.txt").rename(reference / "previous/2019.txt")
    (reference / "taxonomy.txt").write_text(NEW)


def test_without_former_versions_the_moves_are_empty_and_all_stays_up_to_date(
    store: Store, instance: dg.DagsterInstance
) -> None:
    assert register_arrivals(store, instance) == []
    assert run(store, instance) == 2
    assert store.scan("taxonomy_moves").collect().is_empty()
    assert [category for category, _ in labels(store)] == [2, 3, 3, 6, 6, 4]
    assert run(store, instance) == 0


def test_a_new_version_makes_products_stale_and_their_labels_follow_it(
    store: Store, instance: dg.DagsterInstance
) -> None:
    register_arrivals(store, instance)
    run(store, instance)
    put_new_version(store)
    defs = definitions(Settings.read(store=store.root))
    defs.resolve_job_def("prepare").execute_in_process(instance=instance)
    assert needs_materializing(defs, instance, "products", DELIVERY)
    assert run(store, instance) == 1
    assert labels(store) == [
        (2, "google_product_category"),
        (7, "moved:2019-07-10:3"),
        (7, "google_product_category"),  # the path is known in the new version, so nothing needs explaining
        (None, "lost:2019-07-10:6"),
        (None, "lost:2019-07-10:6"),
        (4, "split:2019-07-10:4"),
    ]
    reasons = store.scan("rejected").sort("row").select("row", "reason").collect().rows()
    assert reasons == [(4, "category_lost"), (5, "category_lost"), (6, "category_split")]


def test_a_version_replaced_without_keeping_the_former_one_is_a_warning(
    store: Store, instance: dg.DagsterInstance
) -> None:
    register_arrivals(store, instance)
    run(store, instance)
    put_new_version(store)
    kept = store.local / "reference/previous/2019.txt"
    former = kept.read_text()
    kept.unlink()
    prepare = definitions(Settings.read(store=store.root)).resolve_job_def("prepare")
    assert metadata(prepare.execute_in_process(instance=instance), "taxonomy")["unexplained"].value == 3
    assert labels(store)[1] == (3, "google_product_category")  # nothing is retaken yet
    store.write(Taxonomy.parse(former, "2019").table(), "taxonomy")
    kept.write_text(former)
    assert metadata(prepare.execute_in_process(instance=instance), "taxonomy")["unexplained"].value == 0


REUSED = NEW.replace("2 - Clothing > Hats", "2 - Clothing > Cars")


def test_ids_that_mean_another_category_without_the_former_file_are_refused_and_the_table_stays(
    store: Store, instance: dg.DagsterInstance
) -> None:
    register_arrivals(store, instance)
    run(store, instance)
    (store.local / "reference/taxonomy.txt").write_text(REUSED)
    defs = definitions(Settings.read(store=store.root))
    for job, partition in (("prepare", None), ("parse", DELIVERY)):
        with pytest.raises(TaxonomyError, match=r"2 was 'Clothing > Hats' and is 'Clothing > Cars'; save the former"):
            defs.resolve_job_def(job).execute_in_process(instance=instance, partition_key=partition)
    assert labels(store)[0] == (2, "google_product_category")
    assert dict(store.scan("taxonomy").select("category_id", "path").collect().iter_rows())[2] == "Clothing > Hats"


@pytest.mark.parametrize(("decision", "label"), [("", None), ("2,2\n", 2), ("2,9\n", 9), ("2,\n", None)])
def test_labels_with_an_id_that_means_another_category_follow_it_only_when_a_person_has_confirmed_it(
    store: Store, instance: dg.DagsterInstance, decision: str, label: int | None
) -> None:
    register_arrivals(store, instance)
    put_new_version(store)
    (store.local / "reference/taxonomy.txt").write_text(REUSED)
    (store.local / "reference/taxonomy-moves.csv").write_text(f"old_id,new_id\n{decision}")
    done = definitions(Settings.read(store=store.root)).resolve_job_def("prepare").execute_in_process(instance=instance)
    [evaluation] = [
        each for each in done.get_asset_check_evaluations() if each.check_name == "ids_mean_what_they_meant"
    ]
    assert evaluation.passed == bool(decision)
    assert ("labels with them are dropped: 2;" in str(evaluation.description)) != bool(decision)
    run(store, instance)
    assert labels(store)[0][0] == label
    problems = list(reference_problems(store))
    assert [each for each in problems if "category 2 was 'Clothing > Hats'" in each] == problems
    assert bool(problems) != bool(decision)


def test_moves_are_shown_with_the_asset_and_counted_by_product_in_sql(
    store: Store, instance: dg.DagsterInstance
) -> None:
    from catalog.storage.warehouse import query

    put_new_version(store)
    register_arrivals(store, instance)
    run(store, instance)
    prepare = definitions(Settings.read(store=store.root)).resolve_job_def("prepare")
    shown = metadata(prepare.execute_in_process(instance=instance), "taxonomy_moves")
    assert "| 2019-07-10 | split | 1 | 1 |" in str(shown["moves"].value)
    assert "'Clothing > Ties' has children now; the leaves below it: 2" in str(
        shown["the first 50 that are not kept"].value
    )

    dg.materialize([warehouse], instance=instance, resources={"store": store})
    counted = query(
        store.local / "catalog.duckdb",
        "SELECT old_path, kind, new_path, partner, num_products FROM moved_labels",
    )
    assert counted.rows() == [
        ("Toys > Yo-Yos", "lost", None, "hansen", 2),
        ("Clothing > Boots", "moved", "Clothing > Boots", "hansen", 1),
        ("Clothing > Ties", "split", None, "hansen", 1),
    ]


def test_a_curated_move_settles_a_split_and_restores_a_lost_label(store: Store, instance: dg.DagsterInstance) -> None:
    put_new_version(store)
    (store.local / "reference/taxonomy-moves.csv").write_text("old_id,new_id\n4,9\n6,1\n3,\n")
    register_arrivals(store, instance)
    run(store, instance)
    assert labels(store) == [
        (2, "google_product_category"),
        (None, "lost:2019-07-10:3"),
        (7, "google_product_category"),
        (1, "moved:2019-07-10:6"),
        (1, "moved:2019-07-10:6"),
        (9, "moved:2019-07-10:4"),
    ]
