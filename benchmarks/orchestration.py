"""Orchestration: the overhead of Dagster per delivery, in a backfill of a hundred small ones through a real daemon.

make bench NAME=orchestration

Three minutes on two cores. Work is the time of a plain process for the same deliveries after loading the network:
reading images, predicting, writing the tables. Everything else is overhead: the daemon's ticks, the start of processes,
imports, loading the network, events. The deliveries are generated; the daemon, its sensors and the store are real.
"""

import io
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from urllib.request import Request, urlopen

import dagster as dg
import numpy as np
import polars as pl
from PIL import Image

from benchmarks.claims import Claim, at_most, beside, figure, publish
from benchmarks.peers import BENCH
from catalog.storage.cores import num_cores
from catalog.taxonomy.tree import Taxonomy
from catalog_assets.idioms.history import IN_PROGRESS
from catalog_assets.partitions import deliveries
from catalog_assets.serving.universal_catalog import DELIVERIES_A_RUN, TABLE
from demo.partners import LEAVES, REFERENCE
from ml.classifiers.classifier import Classifier
from ml.classifiers.hierarchy import Hierarchy
from ml.classifiers.template import Template
from ml.deployment.deploy import DeploymentCriteria, Validation, deploy
from ml.deployment.deployment import POINTER
from ml.deployment.variants import Machine
from ml.encoders.encoder import build
from ml.recipes import RANDOM_MNV3
from resources.instance import SHIPPED, WORKSPACE
from resources.predictor import BATCH_SIZE, CatalogPredictor
from resources.store import Store

FOLDER = BENCH / "orchestration"
REPOSITORY = Path(__file__).parent.parent
NUM_DELIVERIES, NUM_IMAGES = 100, 40  # images of each
SIDE = 96  # pixels
MAX_OVERHEAD_S = 0.5  # a delivery
PORT = 3456
LAUNCH = """
mutation ($params: LaunchBackfillParams!) {
  launchPartitionBackfill(backfillParams: $params) {
    __typename ... on LaunchBackfillSuccess { backfillId } ... on PythonError { message }
  }
}
"""


def main() -> None:
    """Generates the deliveries, predicts them without and with Dagster, and publishes."""
    shutil.rmtree(FOLDER, ignore_errors=True)
    store = Store(root=str(FOLDER / "store"))
    keys = [f"partner{number % 10}.feed{number:03}" for number in range(NUM_DELIVERIES)]
    generate(store, keys)
    work_s = predict_directly(store, keys)
    home = store.local / "dagster"
    home.mkdir()
    shutil.copy(SHIPPED, home)
    os.environ["DAGSTER_HOME"] = str(home)
    with dg.DagsterInstance.get() as instance:
        instance.add_dynamic_partitions(str(deliveries.name), keys)
        with daemon(store):
            alone_s = backfill(instance, store, keys[:1])
            shutil.rmtree(store.local / TABLE)
            all_s = backfill(instance, store, keys)
    publish("orchestration", claims(work_s, alone_s, all_s))


def claims(work_s: float, alone_s: float, all_s: float) -> list[Claim]:
    """Returns claims from the seconds of work of all deliveries, of a backfill of one, and of a backfill of all."""
    subject = f"a backfill of {NUM_DELIVERIES} deliveries of {NUM_IMAGES} images, up to {DELIVERIES_A_RUN} a run"
    overhead_s = (all_s - work_s) / NUM_DELIVERIES
    return [
        at_most(f"{subject}: overhead per delivery", overhead_s, MAX_OVERHEAD_S, "s"),
        beside(
            f"{subject}: overhead in all, beside that of a backfill of one delivery",
            all_s - work_s,
            alone_s - work_s / NUM_DELIVERIES,
            "s",
        ),
        figure(f"{subject}: work per delivery, in a plain process", work_s / NUM_DELIVERIES, "s"),
    ]


def generate(store: Store, keys: Sequence[str]) -> None:
    """Writes a deployment with random weights, and downloaded deliveries."""
    shutil.copytree(REFERENCE, store.local / "reference")
    taxonomy = Taxonomy.read(store.reference / "taxonomy.txt")
    nodes = pl.DataFrame(
        [(node, taxonomy.path(node)) for leaf in LEAVES for node in taxonomy.levels(leaf) if node is not None],
        schema={"category_id": pl.Int64, "path": pl.String},
        orient="row",
    )
    store.write(nodes.unique("category_id"), "taxonomy")
    labels = np.array([taxonomy.levels(leaf) for leaf in LEAVES])
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (len(labels) * 8, 3, RANDOM_MNV3.resolution, RANDOM_MNV3.resolution), dtype=np.uint8)
    repeated = np.tile(labels, (8, 1))
    classifier = Classifier(build(RANDOM_MNV3), Hierarchy.of_labels(labels), Template(heads="flat")).eval()
    validation = Validation(pixels=pixels, labels=repeated, fits=np.arange(len(repeated)) % 2 == 0)
    machine = Machine(num_threads=num_cores(), batch_size=BATCH_SIZE)
    metadata = {"classifier": "drawn", "classifier_sha256": "0" * 64}
    deploy(
        classifier,
        store.local / "deployment" / "drawn",
        validation,
        machine,
        DeploymentCriteria(coverages=(0.9,)),
        metadata,
    )
    store.write_json({"folder": "drawn", "former": None}, *POINTER)
    for key in keys:
        _deliver(store, key, rng)


def _deliver(store: Store, key: str, rng: np.random.Generator) -> None:
    ids = [f"{key}:{number}" for number in range(NUM_IMAGES)]
    images = [_jpeg(rng) for _ in ids]
    shard = f"shard-{key.replace('.', '-')}"
    path = store.folder("images", key) / f"{shard}.parquet"
    path.parent.mkdir(parents=True)
    structs = [{"bytes": image, "path": f"{product_id}.jpg"} for product_id, image in zip(ids, images, strict=True)]
    pl.DataFrame({"product_id": ids, "image": structs}).write_parquet(str(path))
    hashes = [f"{number:064}" for number in range(NUM_IMAGES)]
    store.write(pl.DataFrame({"product_id": ids, "category_id": LEAVES[0], "removed_at": None}), "products", key)
    store.write(pl.DataFrame({"product_id": ids, "status": "ok", "sha256": hashes, "shard": shard}), "outcomes", key)


def _jpeg(rng: np.random.Generator) -> bytes:
    coarse = Image.fromarray(rng.integers(0, 256, (8, 8, 3), dtype=np.uint8))
    buffer = io.BytesIO()
    coarse.resize((SIDE, SIDE)).save(buffer, format="JPEG", quality=90)
    return buffer.getvalue()


def predict_directly(store: Store, keys: Sequence[str]) -> float:
    """Returns the seconds to predict all deliveries and write the tables, with the network loaded."""
    predict = CatalogPredictor().load(store.local / "deployment" / "drawn")
    wanted = {key: store.scan("outcomes", [key]).select("product_id", "shard").collect() for key in keys}
    predict(wanted[keys[0]], store.folder("images", keys[0]), lambda done, of: None)
    target = FOLDER / "predictions.parquet"
    started = time.perf_counter()
    for key in keys:
        predict(wanted[key], store.folder("images", key), lambda done, of: None).write_parquet(target)
    return time.perf_counter() - started


@contextmanager
def daemon(store: Store) -> Iterator[None]:
    """Runs web server, daemon and code server over the store, as `make ui` does."""
    log = FOLDER / "services.log"
    command = [str(Path(sys.executable).parent / "dagster"), "dev", "-w", str(WORKSPACE), "-p", str(PORT)]
    with log.open("wb") as output:
        services = subprocess.Popen(
            command,
            cwd=REPOSITORY,
            env={**os.environ, "SHELFSIGHT_STORE": store.root},
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        deadline = time.monotonic() + 180
        while not _is_up():
            if services.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"Dagster's services did not start; see {log}")
            time.sleep(0.5)
        time.sleep(30)  # until its daemons' first ticks have passed
        yield
    finally:
        services.send_signal(signal.SIGINT)
        services.wait(timeout=60)


def _is_up() -> bool:
    try:
        with urlopen(f"http://127.0.0.1:{PORT}/server_info", timeout=5) as response:
            return bool(response.status == 200)
    except OSError:
        return False


def backfill(instance: dg.DagsterInstance, store: Store, keys: Sequence[str]) -> float:
    """Returns the seconds from the launch of a backfill to the end of its last run."""
    parameters = {"assetSelection": [{"path": [TABLE]}], "partitionNames": list(keys)}
    body = json.dumps({"query": LAUNCH, "variables": {"params": parameters}}).encode()
    headers = {"Content-Type": "application/json"}
    started = time.time()
    with urlopen(Request(f"http://127.0.0.1:{PORT}/graphql", body, headers), timeout=60) as response:
        reply = json.loads(response.read())["data"]["launchPartitionBackfill"]
    if reply["__typename"] != "LaunchBackfillSuccess":
        raise RuntimeError(f"the backfill was not launched: {reply}")
    of_it = dg.RunsFilter(tags={"dagster/backfill": reply["backfillId"]})
    deadline = time.monotonic() + 600
    while True:
        records = instance.get_run_records(of_it)
        failed = [record.dagster_run.run_id for record in records if record.dagster_run.status.name == "FAILURE"]
        if failed or time.monotonic() > deadline:
            raise RuntimeError(f"the backfill's runs failed or did not end: {failed}; see {FOLDER / 'services.log'}")
        is_over = records and all(record.dagster_run.status not in IN_PROGRESS for record in records)
        if is_over and all(store.holds(TABLE, key) for key in keys):
            return max(record.end_time or 0.0 for record in records) - started
        time.sleep(0.25)


if __name__ == "__main__":
    main()
