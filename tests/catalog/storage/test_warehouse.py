import json
import subprocess
import sys
from pathlib import Path

import duckdb
import polars as pl
import pytest
from upath import UPath

from catalog.storage.files import write_parquet
from catalog.storage.read_only import query
from catalog.storage.statements import StatementRefusedError
from catalog.storage.warehouse import write_warehouse
from catalog.taxonomy.tree import Taxonomy

TAXONOMY = Taxonomy.parse("1 - Clothing\n2 - Clothing > Shirts\n3 - Clothing > Dresses", "test")


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """A store whose tables hold a few rows each, below a folder whose name SQL and globs would trip over."""
    root = tmp_path / "o'clock [1] *"
    write(root / "taxonomy/data.parquet", TAXONOMY.table())
    for delivery, partner in (("001", "acme"), ("002", "bolt")):
        ids = [f"{partner}:{number}" for number in range(4)]
        products = {
            "product_id": ids,
            "partner_id": [partner] * 4,
            "title": ["Shirt"] * 4,
            "image_url": ["http://x"] * 4,
        }
        write(
            root / f"products/delivery={delivery}/data.parquet",
            pl.DataFrame(products | {"delivery": delivery}),
        )
        outcomes = pl.DataFrame({"product_id": ids, "status": ["ok", "ok", "ok", "gone"]})
        write(root / f"outcomes/delivery={delivery}/shard-00000.parquet", outcomes[:2])
        write(root / f"outcomes/delivery={delivery}/shard-00001.parquet", outcomes[2:])
    write(
        root / "dataset/data.parquet",
        pl.DataFrame({"product_id": ["acme:0", "bolt:0", "bolt:1"], "delivery": ["001", "002", "002"]}),
    )
    predictions = pl.DataFrame(
        {
            "product_id": ["acme:0", "bolt:0", "bolt:1"],
            "split": ["test"] * 3,
            "true_4": [2, 2, None],
            "top_4": [[2, 3], [3, 2], [3, 2]],
            "probability_4": [[0.9, 0.1], [0.75, 0.25], [0.8, 0.2]],
        }
    )
    write(root / "predictions/classifier=probe/split=test/data.parquet", predictions)
    write(root / "metrics/classifier=probe/data.parquet", metrics("probe", 0.5))
    write(
        root / "confusion/classifier=probe/data.parquet",
        pl.DataFrame(
            {
                "classifier": ["probe"] * 4,
                "split": ["test"] * 4,
                "level": [4, 4, 4, 1],
                "true_id": [2, 2, 3, 1],
                "predicted_id": [2, 3, 2, 1],
                "num": [8, 2, 5, 15],
                "share_of_true": [0.8, 0.2, 1.0, 1.0],
                "business_value": [80.0, 20.0, 50.0, 150.0],
            }
        ),
    )
    return root


def metrics(classifier: str, value: float) -> pl.DataFrame:
    names = ["top1", "value_weighted_accuracy"]
    return pl.DataFrame(
        [
            (classifier, "golden", level, name, value, value - 0.1, value + 0.1, 40)
            for level in (1, 4)
            for name in names
        ],
        schema=["classifier", "split", "level", "metric", "value", "ci_low", "ci_high", "num_samples"],
        orient="row",
    )


def write(path: Path, frame: pl.DataFrame) -> None:
    write_parquet(frame, UPath(path))


def test_every_table_with_files_and_every_view_over_them_is_created(
    store: Path,
) -> None:
    views = write_warehouse(store / "catalog.duckdb", str(store))
    assert views == [
        "taxonomy",
        "products",
        "outcomes",
        "dataset",
        "predictions",
        "metrics",
        "confusion",
        "outcomes_by_partner",
        "accuracy_by_classifier",
        "worst_confusions",
        "accuracy_by_level",
        "most_valuable_confusions",
        "products_without_image",
        "disagreements",
    ]
    for view in views:
        assert len(query(store / "catalog.duckdb", f"FROM {view}")) > 0


def test_the_database_holds_no_data(store: Path) -> None:
    write_warehouse(store / "catalog.duckdb", str(store))
    tables = query(
        store / "catalog.duckdb",
        "SELECT table_name FROM information_schema.tables WHERE table_type <> 'VIEW'",
    )
    assert tables.is_empty()


def test_an_empty_store_has_an_empty_warehouse(tmp_path: Path) -> None:
    assert write_warehouse(tmp_path / "catalog.duckdb", str(tmp_path / "store")) == []


def test_a_relative_store_is_found_from_another_working_directory(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(store.parent)
    write_warehouse(store / "catalog.duckdb", store.name)
    monkeypatch.chdir("/")
    assert query(store / "catalog.duckdb", "SELECT count(*) FROM products").item() == 8


def test_partition_keys_are_text_whether_or_not_the_files_hold_them(store: Path) -> None:
    write_warehouse(store / "catalog.duckdb", str(store))
    for table in ("outcomes", "products"):  # the first does not, the second does
        keys = query(store / "catalog.duckdb", f"FROM (FROM {table} SELECT DISTINCT delivery) ORDER BY ALL")
        assert keys["delivery"].to_list() == ["001", "002"]


def test_outcomes_are_counted_by_partner_and_status(store: Path) -> None:
    write_warehouse(store / "catalog.duckdb", str(store))
    assert query(store / "catalog.duckdb", "FROM outcomes_by_partner").rows() == [
        ("acme", "ok", 3, 0.75),
        ("acme", "gone", 1, 0.25),
        ("bolt", "ok", 3, 0.75),
        ("bolt", "gone", 1, 0.25),
    ]


def test_classifiers_are_ranked_by_the_value_weighted_accuracy_of_leaves(store: Path) -> None:
    write(store / "metrics/classifier=finetune/data.parquet", metrics("finetune", 0.75))
    write_warehouse(store / "catalog.duckdb", str(store))
    result = query(store / "catalog.duckdb", "FROM accuracy_by_classifier")
    assert result.columns[:6] == [
        "classifier",
        "split",
        "value_weighted_accuracy",
        "value_weighted_low",
        "value_weighted_high",
        "top1",
    ]
    assert result.select("classifier", "value_weighted_accuracy", "top1_high", "num_samples").rows() == [
        ("finetune", 0.75, 0.85, 40),
        ("probe", 0.5, 0.6, 40),
    ]


def test_the_worst_confusions_are_named_and_the_costliest_comes_first(store: Path) -> None:
    write_warehouse(store / "catalog.duckdb", str(store))
    result = query(store / "catalog.duckdb", "SELECT true_name, predicted_name, num, true_path FROM worst_confusions")
    assert result.rows() == [
        ("Dresses", "Shirts", 5, "Clothing > Dresses"),
        ("Shirts", "Dresses", 2, "Clothing > Shirts"),
    ]


def test_a_disagreement_is_a_product_predicted_into_another_leaf_than_the_partners(store: Path) -> None:
    write_warehouse(store / "catalog.duckdb", str(store))
    result = query(store / "catalog.duckdb", "FROM disagreements WHERE partner = ?", ["bolt"])
    assert result.rows(named=True) == [
        {
            "classifier": "probe",
            "split": "test",
            "product_id": "bolt:0",
            "partner": "bolt",
            "title": "Shirt",
            "image_url": "http://x",
            "partner_path": "Clothing > Shirts",
            "predicted_path": "Clothing > Dresses",
            "probability": 0.75,
        }
    ]
    assert query(store / "catalog.duckdb", "FROM disagreements WHERE partner = ?", ["acme"]).is_empty()


def test_records_of_classifiers_are_a_view(store: Path) -> None:
    for folder, name in (("classifiers", "probe"), ("classifiers", "finetune"), ("students", "light")):
        (store / folder / name).mkdir(parents=True)
        content = json.dumps({"encoder": f"{name}-encoder", "levels": [1, 4]}, indent=2)
        (store / folder / name / "classifier.json").write_text(content)
    assert "classifiers" in write_warehouse(store / "catalog.duckdb", str(store))
    result = query(store / "catalog.duckdb", "SELECT name, description->>'encoder' FROM classifiers")
    assert result.rows() == [("finetune", "finetune-encoder"), ("light", "light-encoder"), ("probe", "probe-encoder")]


def test_the_champion_is_a_view(store: Path) -> None:
    (store / "champion").mkdir()
    champion = {
        "classifier": "probe",
        "sha256": "ab",
        "trainable_labels": 600,
        "split": "val",
        "metric": "top1",
        "decided_on": "golden",
        "reason": "probe is the first champion",
        "version": "1",
    }
    (store / "champion/champion.json").write_text(json.dumps(champion | {"value": 0.75}))
    write_warehouse(store / "catalog.duckdb", str(store))
    result = query(store / "catalog.duckdb", "FROM champion")
    assert result.rows(named=True) == [champion | {"value": 0.75}]


def test_most_valuable_confusions_are_ordered_by_business_value(store: Path) -> None:
    write_warehouse(store / "catalog.duckdb", str(store))
    result = query(store / "catalog.duckdb", "FROM most_valuable_confusions")
    columns = ("rank", "true_name", "predicted_name", "num", "num_true", "business_value")
    assert result.select(columns).rows() == [
        (1, "Shirts", "Shirts", 8, 10, 80.0),
        (1, "Shirts", "Dresses", 2, 10, 20.0),
        (2, "Dresses", "Shirts", 5, 5, 50.0),
    ]


def test_a_delivery_written_after_the_warehouse_is_visible(store: Path) -> None:
    write_warehouse(store / "catalog.duckdb", str(store))
    newest = pl.read_parquet(store / "products/delivery=002/data.parquet", glob=False)
    write(store / "products/delivery=003/data.parquet", newest)
    result = query(store / "catalog.duckdb", "SELECT count(*) FROM products WHERE delivery = '003'")
    assert result.item() == 4


def test_deliveries_of_different_years_may_have_different_columns(store: Path) -> None:
    later = pl.DataFrame({"product_id": ["acme:9"], "partner_id": ["acme"], "brand": ["Acme"], "delivery": ["003"]})
    write(store / "products/delivery=003/data.parquet", later)
    write_warehouse(store / "catalog.duckdb", str(store))
    result = query(store / "catalog.duckdb", "SELECT delivery, title, brand FROM products GROUP BY ALL ORDER BY ALL")
    assert result.rows() == [("001", "Shirt", None), ("002", "Shirt", None), ("003", None, "Acme")]


def test_a_query_cannot_change_anything(store: Path) -> None:
    write_warehouse(store / "catalog.duckdb", str(store))
    with pytest.raises(StatementRefusedError, match="read-only"):
        query(store / "catalog.duckdb", "DROP VIEW products")


def test_a_missing_warehouse_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="materialize the asset warehouse"):
        query(tmp_path / "catalog.duckdb", "SELECT 1")


def test_a_warehouse_that_fails_leaves_the_former_one_and_no_other_file(store: Path) -> None:
    database = store / "catalog.duckdb"
    write_warehouse(database, str(store))
    (store / "metrics/classifier=probe/data.parquet").write_bytes(b"no Parquet")
    with pytest.raises(duckdb.Error):
        write_warehouse(database, str(store))
    assert len(query(database, "FROM products")) == 8
    assert [path.name for path in store.iterdir() if path.is_file()] == ["catalog.duckdb"]


NUM_REWRITES = 12
READER = """
import sys
from pathlib import Path
import duckdb
from catalog.storage.read_only import query

database, stop = map(Path, sys.argv[1:])
kept = duckdb.connect(database, read_only=True)  # stays open, like a prompt
num_queries = 0
while not stop.exists() or num_queries < 20:
    distinct = "SELECT count(*), count(DISTINCT product_id) FROM products WHERE delivery = '001'"
    counts = query(database, distinct)
    assert counts.row(0) in [(20_000, 20_000), (15_000, 15_000)], counts
    assert len(query(database, "FROM outcomes_by_partner")) == 4
    assert kept.execute("SELECT count(*) FROM taxonomy").fetchall() == [(3,)]
    with duckdb.connect(database, read_only=True) as fresh:
        assert fresh.execute("SELECT count(*) FROM taxonomy").fetchall() == [(3,)]
    num_queries += 1
    if num_queries == 2:
        print("reading", flush=True)
print(num_queries, flush=True)
"""


def test_a_reader_is_never_locked_out_while_tables_and_views_are_rewritten(store: Path, tmp_path: Path) -> None:
    database, stop = store / "catalog.duckdb", tmp_path / "stop"
    path = store / "products/delivery=001/data.parquet"
    columns = {"partner_id": "acme", "title": "Shirt", "image_url": "http://x", "delivery": "001"}
    products = pl.DataFrame({"product_id": [f"acme:{number}" for number in range(20_000)]}).with_columns(
        pl.lit(value).alias(column) for column, value in columns.items()
    )
    write(path, products)
    write_warehouse(database, str(store))
    arguments = [sys.executable, "-c", READER, str(database), str(stop)]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) as reader:
        assert reader.stdout is not None
        assert reader.stdout.readline() == "reading\n"
        for number in range(NUM_REWRITES):
            write(path, products if number % 2 else products[:15_000])
            write_warehouse(database, str(store))
        stop.touch()
        output, _ = reader.communicate()
    assert reader.returncode == 0
    assert int(output) >= 20


def test_images_of_a_download_under_way_are_not_counted_twice(tmp_path: Path) -> None:
    for delivery in ("a.x", "b.x"):
        outcomes = {"product_id": ["p", "q"], "status": ["ok", "gone"], "shard": ["shard-00000-1", None]}
        write(tmp_path / f"outcomes/delivery={delivery}/shard-00000.parquet", pl.DataFrame(outcomes))
        for name in ("shard-00000-1", "shard-00000-2"):  # a new version, which no outcomes name yet
            images = pl.DataFrame({"product_id": ["p"], "sha256": [name]})
            write(tmp_path / f"images/delivery={delivery}/{name}.parquet", images)
    database = tmp_path / "catalog.duckdb"
    write_warehouse(database, str(tmp_path))
    rows = query(database, "SELECT * FROM images ORDER BY delivery").rows()
    assert rows == [("p", "shard-00000-1", "a.x"), ("p", "shard-00000-1", "b.x")]


def test_images_of_an_earlier_version_are_those_of_their_plain_names(tmp_path: Path) -> None:
    outcomes = {"product_id": ["p"], "status": ["ok"], "shard": ["shard-00000"]}
    write(tmp_path / "outcomes/delivery=a.x/shard-00000.parquet", pl.DataFrame(outcomes))
    write(tmp_path / "images/delivery=a.x/shard-00000.parquet", pl.DataFrame({"product_id": ["p"]}))
    database = tmp_path / "catalog.duckdb"
    write_warehouse(database, str(tmp_path))
    assert query(database, "SELECT product_id FROM images").rows() == [("p",)]
