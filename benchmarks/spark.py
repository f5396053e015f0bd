"""Spark: one delivery on both engines, the gain of a second worker, and the cost of deliveries of any size.

make bench NAME=spark
"""

import argparse
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path

import numpy as np
import polars as pl
from PIL import Image
from upath import UPath

from benchmarks.claims import Claim, at_most, figure, publish
from benchmarks.download import PHOTOGRAPHS, write_links
from benchmarks.origin import serving
from benchmarks.processes import Measured, measure
from benchmarks.spark_cluster import running
from catalog.download.delivery import DownloadOptions, download_delivery
from catalog.download.host_limiter import Politeness
from catalog.download.settings import FetchSettings
from resources.spark.download import SparkEngine
from resources.spark.session import Spark

NUM_HOSTS = 200
SIZES = (1_000, 3_000, 10_000, 30_000, 100_000)
PLOT = Path(__file__).parent.parent / "docs" / "images" / "download-scaling.png"
VOLATILE = ["duration_ms", "fetched_at", "attempts"]
SETTINGS = FetchSettings(
    allowed_networks=("127.0.0.0/8",), idle_timeout_s=5.0, politeness=Politeness(max_connections=8)
)


def main() -> None:
    """Measures, prints, draws and publishes."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--links", type=int, default=20_000)
    parser.add_argument("--sizes", type=int, nargs="*", default=SIZES)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        claims = both_engines(options.links, scratch)
        claims += any_size(options.sizes, scratch)
    publish("spark", claims)


def both_engines(num_links: int, scratch: Path) -> list[Claim]:
    """Downloads one delivery on this machine, on one worker and on two: compares files and seconds."""
    with serving(PHOTOGRAPHS, num_hosts=NUM_HOSTS) as origin, running(scratch / "cluster", num_workers=1) as cluster:
        wanted = pl.read_parquet(write_links(origin, num_links, scratch / "links.parquet"))
        here = download_delivery(wanted, **folders(scratch / "here"), settings=SETTINGS)
        spark = Spark(master=cluster.master, config={"spark.executor.memory": "512m"})
        took = {}
        for num_workers in (1, 2):
            while len(cluster.workers) < num_workers:
                cluster.start_worker()
            cluster.wait_for(spark.session)
            options = DownloadOptions(engine=SparkEngine(session=spark.session, num_tasks=num_workers))
            warm = folders(scratch / f"warm-{num_workers}")
            download_delivery(wanted.head(500), **warm, settings=SETTINGS, options=options)
            started = time.perf_counter()
            tables = folders(scratch / f"there-{num_workers}")
            there = download_delivery(wanted, **tables, settings=SETTINGS, options=options)
            took[num_workers] = time.perf_counter() - started
            print(f"{num_workers} workers: {took[num_workers]:.1f} s", flush=True)
        spark.stop()
    pairs = [(path, scratch / "there-2" / "images" / path.name) for path in (scratch / "here" / "images").iterdir()]
    num_other = sum(not other.exists() or path.read_bytes() != other.read_bytes() for path, other in pairs)
    stable = [column for column in here.columns if column not in VOLATILE]
    num_outcomes = here.join(there, on=stable, how="anti", nulls_equal=True).height
    print(here["status"].value_counts(sort=True), there["status"].value_counts(sort=True), flush=True)
    subject = f"{num_links:,} links, {NUM_HOSTS} hosts, 13 % faults, on Spark and on one machine"
    rates = {num_workers: num_links / seconds for num_workers, seconds in took.items()}
    return [
        at_most(f"{subject}: image shards of {len(pairs)} that are not byte-identical", num_other, 0, "shards"),
        at_most(f"{subject}: outcomes that differ", num_outcomes, 0, "outcomes"),
        Claim(
            claim="Spark with 2 workers against 1, a core each, the origin on the same 2 cores",
            ours=rates[2],
            peer=rates[1],
            ratio=rates[2] / rates[1],
            unit="links/s",
            bar=None,
            holds=None,
        ),
    ]


def any_size(sizes: Sequence[int], scratch: Path) -> list[Claim]:
    """Measures seconds and memory of whole deliveries of small images."""
    tiny_images(scratch / "tiny" / "images")
    costs: dict[int, Measured] = {}
    with serving(scratch / "tiny", num_hosts=NUM_HOSTS) as origin:
        for num_rows in sizes:
            links, out = write_links(origin, num_rows, scratch / "links.parquet"), scratch / "out"
            command = [sys.executable, "-m", "benchmarks.download_ours", str(links), str(out), "8"]
            costs[num_rows] = measure(command, scratch / "ours.log")
            shutil.rmtree(out)
            print(f"{num_rows:,} rows: {costs[num_rows]}", flush=True)
    draw(costs)
    small, large = costs[min(sizes)], costs[max(sizes)]
    return [
        figure(f"a delivery of {min(sizes):,} small images, start-up included", small.wall_s, "s"),
        figure(f"a delivery of {max(sizes):,} small images", large.wall_s, "s"),
        Claim(
            claim=f"peak memory of {max(sizes):,} rows against {min(sizes):,}",
            ours=large.peak_mib,
            peer=small.peak_mib,
            ratio=large.peak_mib / small.peak_mib,
            unit="MiB",
            bar=None,
            holds=None,
        ),
    ]


def draw(costs: dict[int, Measured]) -> None:
    """Draws seconds and memory over rows, on logarithmic scales except for the memory."""
    from matplotlib.figure import Figure

    rows = list(costs)
    drawing = Figure(figsize=(8, 3.2), layout="constrained")
    seconds, memory = drawing.subplots(1, 2)
    seconds.loglog(rows, [cost.wall_s for cost in costs.values()], "o-")
    rate = max(rows) / costs[max(rows)].wall_s
    seconds.loglog(rows, [num / rate for num in rows], "--", color="gray", label=f"{rate:,.0f} links/s")
    seconds.set(xlabel="rows of a delivery", ylabel="seconds, start-up included")
    seconds.legend()
    memory.semilogx(rows, [cost.peak_mib for cost in costs.values()], "o-")
    memory.set(xlabel="rows of a delivery", ylabel="MiB of all processes at their peak")
    memory.set_ylim(bottom=0)
    for axes in (seconds, memory):
        axes.grid(visible=True, alpha=0.3)
    drawing.savefig(PLOT, dpi=100)


def tiny_images(folder: Path, num_images: int = 500) -> None:
    """Writes different images of 48 pixels."""
    folder.mkdir(parents=True)
    random = np.random.default_rng(7)
    for number in range(num_images):
        encoded = BytesIO()
        Image.fromarray(random.integers(0, 256, (48, 48, 3), np.uint8)).save(encoded, "JPEG")
        (folder / f"{number}.jpg").write_bytes(encoded.getvalue())


def folders(scratch: Path) -> dict[str, UPath]:
    """Returns the folders of a delivery's two tables."""
    return {"images": UPath(scratch / "images"), "outcomes": UPath(scratch / "outcomes")}


if __name__ == "__main__":
    main()
