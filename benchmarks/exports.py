"""Exports: a catalog of a million products and a dataset of 200,000 images, compared with DuckDB and pandas.

make bench NAME=exports
"""

import argparse
import shutil
import statistics
import sys
from pathlib import Path

from benchmarks.claims import Claim, at_least_times, at_most, at_most_times, figure, publish
from benchmarks.exports_rows import write_catalog, write_dataset
from benchmarks.peers import BENCH
from benchmarks.processes import Measured, measure

NUM_RUNS = 3
FOLDER = BENCH / "exports"
# The same rows and columns; neither side of the peers chooses a product's current row or guards formulas.
COLUMNS = """
product_id, partner_id, item_id, title, image_url, category_id, path, depth, probability, leaf_id, leaf_path,
leaf_probability, to_json(alternatives) AS alternatives, partner_category_id, business_value, changed_at, classifier,
version, delivery
"""
TABLES = """
read_parquet('{store}/universal_catalog/*/*.parquet', hive_partitioning = true) AS predictions
JOIN read_parquet('{store}/products/*/*.parquet', hive_partitioning = true) AS products USING (product_id, delivery)
"""
DUCKDB = """
import sys, duckdb
store, target, columns, tables = sys.argv[1:]
duckdb.sql(f"COPY (SELECT {columns} FROM {tables.format(store=store)}) TO '{target}' (FORMAT csv)")
"""
PANDAS = """
import json, sys
from pathlib import Path
import pandas as pd
store, target = sys.argv[1:]
tables = [
    pd.concat([pd.read_parquet(path, partitioning=None).assign(delivery=path.parent.name) for path in sorted(files)])
    for files in (Path(store, name).glob("*/*.parquet") for name in ("universal_catalog", "products"))
]
rows = tables[0].merge(tables[1], on=["product_id", "delivery"]).drop(columns=["sha256", "classifier_sha256", "row"])
rows["alternatives"] = [json.dumps(list(each)) for each in rows["alternatives"]]
rows.to_csv(target, index=False)
"""


def main() -> None:
    """Measures, prints and publishes."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--images", type=int, default=200_000)
    options = parser.parse_args()
    publish("exports", [*_catalog_claims(options.rows), *_dataset_claims(options.images)])


def _catalog_claims(num_rows: int) -> list[Claim]:
    store, small = _store("catalog", num_rows), _store("catalog", num_rows // 5)
    name = f"{num_rows:,} products"
    runs = {"ours": [], "duckdb": [], "pandas": []}
    for _ in range(NUM_RUNS):
        runs["ours"].append(_ours("catalog", "catalog.csv", store))
        runs["duckdb"].append(_peer(DUCKDB, store, COLUMNS, TABLES))
        runs["pandas"].append(_peer(PANDAS, store))
    ours, duckdb, pandas = (_rate(num_rows, each) for each in runs.values())
    peaks = {side: max(each.peak_mib for each in measured) for side, measured in runs.items()}
    fifth = _ours("catalog", "catalog.csv", small).peak_mib
    claims = [
        at_least_times(f"{name} to CSV, against DuckDB's COPY of the joined tables", ours, duckdb, 0.5, "rows/s"),
        at_least_times(f"{name} to CSV, against pandas", ours, pandas, 2, "rows/s"),
        at_most_times(f"{name} to CSV: peak memory against pandas", peaks["ours"], peaks["pandas"], 0.5, "MiB"),
        at_most_times(f"{name} to CSV: peak memory against a fifth of the rows", peaks["ours"], fifth, 1.1, "MiB"),
        at_most(f"{name} to CSV: peak memory", peaks["ours"], 512, "MiB"),
    ]
    for label, arguments in {
        "JSON Lines": ("catalog.jsonl",),
        "Parquet": ("catalog.parquet",),
        "supplemental feeds": ("feeds", "--format", "merchant"),
    }.items():
        took = _ours("catalog", arguments[0], store, *arguments[1:])
        claims.append(figure(f"{name} to {label}", num_rows / took.wall_s, "rows/s"))
    return claims


def _dataset_claims(num_images: int) -> list[Claim]:
    store, small = _store("dataset", num_images), _store("dataset", num_images // 5)
    claims = []
    for dataset_format in ("huggingface", "webdataset", "tfrecord"):
        arguments = ("--format", dataset_format, "--shard-mb", "100")
        took = _ours("dataset", dataset_format, store, *arguments)
        fifth = _ours("dataset", dataset_format, small, *arguments)
        name = f"{num_images:,} images to {dataset_format}"
        claims.append(figure(name, num_images / took.wall_s, "images/s"))
        memory = (f"{name}: peak memory against a fifth of them", took.peak_mib, fifth.peak_mib)
        claims.append(at_most_times(*memory, 1.1, "MiB"))
    return claims


def _store(kind: str, num_rows: int) -> Path:
    store = FOLDER / f"{kind}-{num_rows}"
    if not store.exists():
        print(f"writing {store}", flush=True)
        unfinished = store.with_name(f"{store.name}.writing")
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(parents=True)
        write_catalog(unfinished, num_rows if kind == "catalog" else 1)
        if kind == "dataset":
            write_dataset(unfinished, num_rows)
        unfinished.rename(store)
    return store


def _ours(content: str, name: str, store: Path, *options: str) -> Measured:
    target = FOLDER / "out" / name
    command = [sys.executable, "-m", "benchmarks.exports_ours", content, str(target), "--store", str(store), *options]
    return _measured(command, target, "ours")


def _peer(program: str, store: Path, *arguments: str) -> Measured:
    target = FOLDER / "out" / "peer.csv"
    return _measured([sys.executable, "-c", program, str(store), str(target), *arguments], target, "peer")


def _measured(command: list[str], target: Path, side: str) -> Measured:
    """Measures one export, and removes what it wrote."""
    shutil.rmtree(FOLDER / "out", ignore_errors=True)
    (FOLDER / "out").mkdir(parents=True)
    took = measure(command, FOLDER / f"{side}.log")
    if not target.exists():
        raise RuntimeError(f"{target} was not written: {(FOLDER / f'{side}.log').read_text()}")
    print(f"{target.name}: {took}", flush=True)
    shutil.rmtree(FOLDER / "out")
    return took


def _rate(num_rows: int, runs: list[Measured]) -> float:
    return num_rows / statistics.median(each.wall_s for each in runs)


if __name__ == "__main__":
    main()
