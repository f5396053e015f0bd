"""Products: parsing feeds of one and ten million rows, compared with Polars alone that scans and writes the file.

make bench NAME=products
"""

import argparse
import shutil
import statistics
import sys
from collections.abc import Callable
from pathlib import Path

import polars as pl

from benchmarks.claims import Claim, at_least_times, at_most, at_most_times, publish
from benchmarks.peers import BENCH
from benchmarks.processes import Measured, measure
from benchmarks.product_feeds import write_parquet, write_tsv

NUM_RUNS = 3
PEER = """
import sys, polars as pl
source, target = sys.argv[1:]
options = dict(separator="\\t", quote_char=None, infer_schema=False, truncate_ragged_lines=True, encoding="utf8-lossy")
scanned = pl.scan_csv(source, **options) if source.endswith(".tsv") else pl.scan_parquet(source)
scanned.sink_parquet(target, compression="zstd")
"""
WRITERS: dict[str, Callable[[Path, int], None]] = {"tsv": write_tsv, "parquet": write_parquet}


def main() -> None:
    """Measures, prints and publishes."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=10_000_000)
    options = parser.parse_args()
    claims: list[Claim] = []
    for suffix in WRITERS:
        small, _ = compared(suffix, options.rows // 10)
        ours, polars = compared(suffix, options.rows)
        name = f"{options.rows:,} rows of {suffix.upper() if suffix == 'tsv' else 'Parquet'}"
        rates = [options.rows / statistics.median(each.wall_s for each in side) for side in (ours, polars)]
        claims.append(at_least_times(f"{name} parsed into products, against Polars alone", *rates, 1 / 3, "rows/s"))
        peak = max(each.peak_mib for each in ours)
        claims.append(at_most(f"{name}: peak memory", peak / 1024, 3.0, "GiB"))
        smaller = max(each.peak_mib for each in small)
        claims.append(at_most_times(f"{name}: peak memory against a tenth of the rows", peak, smaller, 1.1, "MiB"))
    publish("products", claims)


def compared(suffix: str, num_rows: int) -> tuple[list[Measured], list[Measured]]:
    """Measures both sides in turn on one feed, each in new processes."""
    feed = BENCH / "products" / "acme" / f"feed-{num_rows}.{suffix}"
    if not feed.exists():
        print(f"writing {feed}", flush=True)
        feed.parent.mkdir(parents=True, exist_ok=True)
        WRITERS[suffix](feed, num_rows)
    runs = [(_ours(feed, num_rows), _polars(feed)) for _ in range(NUM_RUNS)]
    for mine, other in runs:
        print(f"{feed.name}: {mine} against {other}", flush=True)
    return [mine for mine, _ in runs], [other for _, other in runs]


def _ours(feed: Path, num_rows: int) -> Measured:
    out = BENCH / "products" / "out"
    shutil.rmtree(out, ignore_errors=True)
    took = measure(
        [sys.executable, "-m", "benchmarks.products_ours", str(feed), str(out)], BENCH / "products" / "ours.log"
    )
    num_products = pl.scan_parquet(out / "products" / "*" / "*.parquet").select(pl.len()).collect().item()
    if not 0.98 * num_rows < num_products < num_rows:
        raise RuntimeError(f"{num_products:,} products of {num_rows:,} rows, of which one in a hundred is faulty")
    return took


def _polars(feed: Path) -> Measured:
    command = [sys.executable, "-c", PEER, str(feed), str(BENCH / "products" / "polars.parquet")]
    return measure(command, BENCH / "products" / "polars.log")


if __name__ == "__main__":
    main()
