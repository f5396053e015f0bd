"""Dirty feeds: one feed of 100,000 rows in five dirty variants through the running daemon; no row is lost.

make bench NAME=dirty_feeds

Some four minutes on two cores. `shelfsight up` runs over a new project; each variant is dropped into the inbox, and
what its run leaves in the store is counted.
"""

import argparse
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dagster as dg
import polars as pl

from benchmarks.claims import Claim, at_least, at_most, figure, publish
from benchmarks.dirty_variants import VARIANTS, rows_of
from benchmarks.peers import BENCH
from resources.store import Store

FOLDER = BENCH / "dirty_feeds"
SETTINGS = 'on_arrival = "parse"\n'
PARTNERS = "[partners.north]\n[partners.south]\n[partners.west]\n"
MAX_WAIT_S = 600.0
STOPPED = "redelivered with a broken header"


def main() -> None:
    """Delivers the variants, prints and publishes."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=100_000)
    options = parser.parse_args()
    shutil.rmtree(FOLDER, ignore_errors=True)
    (FOLDER / "reference").mkdir(parents=True)
    (FOLDER / "shelfsight.toml").write_text(SETTINGS)
    (FOLDER / "reference" / "partners.toml").write_text(PARTNERS)
    categories = [f"{number} - Category {number}" for number in range(1, 12)]
    (FOLDER / "reference" / "taxonomy.txt").write_text("\n".join(categories))
    rows = rows_of(options.rows)
    store = Store(root=str(FOLDER / "store"))
    claims: list[Claim] = []
    with serving(), dg.DagsterInstance.from_config(str(FOLDER / "store" / "dagster")) as instance:
        for name, (partner, file, content) in VARIANTS.items():
            inbox = store_inbox() / partner
            inbox.mkdir(parents=True, exist_ok=True)
            key = f"{partner}.feed"
            known = {run.run_id for run in runs_of(instance, key)}
            started = time.monotonic()
            (inbox / f".{file}").write_bytes(content(rows))
            (inbox / f".{file}").replace(inbox / file)
            run = ended_run(instance, key, known)
            print(f"{name}: run {run.status.value} after {time.monotonic() - started:.1f} s", flush=True)
            claims += counted(name, store, key, len(rows), is_success=run.is_success)
    publish("dirty_feeds", claims)


def counted(name: str, store: Store, key: str, num_rows: int, *, is_success: bool) -> list[Claim]:
    """Counts what a variant left: products, rejected rows, removed products, and labels."""
    products, rejected = (store.scan(table, [key]).collect() for table in ("products", "rejected"))
    removed = products["removed_at"].count()
    refused = rejected.filter(~pl.col("row").is_in(products["row"].implode()))
    accounted = len(products) - removed + len(refused)
    subject = f"{num_rows:,} rows, {name}"
    print(f"{name}: {len(products):,} products, {dict(rejected['reason'].value_counts().iter_rows())}", flush=True)
    expected = "stopped" if name == STOPPED else "taken"
    return [
        at_least(f"{subject}: {expected} as expected (1 is yes)", float(is_success == (name != STOPPED)), 1.0, ""),
        at_least(f"{subject}: rows that are products or rejected with a reason", accounted, num_rows, "rows"),
        at_most(f"{subject}: products removed by mistake", removed, 0, "products"),
        figure(f"{subject}: products", len(products) - removed, "products"),
        figure(f"{subject}: products with a category", products["category_id"].count(), "products"),
    ]


def store_inbox() -> Path:
    """The inbox of the project."""
    return FOLDER / "inbox"


def runs_of(instance: dg.DagsterInstance, key: str) -> list[dg.DagsterRun]:
    """Returns the runs of a delivery."""
    return list(instance.get_runs(dg.RunsFilter(tags={"dagster/partition": key})))


def ended_run(instance: dg.DagsterInstance, key: str, known: set[str]) -> dg.DagsterRun:
    """Waits for the next run of a delivery to end."""
    deadline = time.monotonic() + MAX_WAIT_S
    while time.monotonic() < deadline:
        new = [run for run in runs_of(instance, key) if run.run_id not in known and run.is_finished]
        if new:
            return new[0]
        time.sleep(0.5)
    raise RuntimeError(f"no run of {key} ended within {MAX_WAIT_S:.0f} s; see {FOLDER / 'services.log'}")


@contextmanager
def serving() -> Iterator[None]:
    """Runs `shelfsight up` over the project, until the block ends."""
    ports = {"SHELFSIGHT_DAGSTER_PORT": free_port(), "SHELFSIGHT_MLFLOW_PORT": free_port()}
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SHELFSIGHT_")}
    environment.pop("DAGSTER_HOME", None)
    with (FOLDER / "services.log").open("wb") as log:
        services = subprocess.Popen(
            [sys.executable, "-m", "shelfsight", "up"],
            cwd=FOLDER,
            env=environment | ports,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:
        while not (FOLDER / "store" / "dagster" / "dagster.yaml").exists():
            if services.poll() is not None:
                raise RuntimeError(f"`shelfsight up` ended; see {FOLDER / 'services.log'}")
            time.sleep(0.2)
        yield
    finally:
        services.send_signal(signal.SIGINT)
        services.wait(timeout=60)


def free_port() -> str:
    """Returns a port of loopback that nobody listens on."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return str(found.getsockname()[1])


if __name__ == "__main__":
    main()
