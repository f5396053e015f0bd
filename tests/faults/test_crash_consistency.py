"""Kills at every write of an ingest, a refresh, a promotion and a deployment: the next run ends as if none had been."""

import hashlib
import json
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from resources.store import Store
from tests.catalog.download.raw_server import RawServer
from tests.catalog.download.test_cached_images import Shop
from tests.catalog.images.sample_images import jpeg
from tests.catalog_assets.delivering import drop, write_settings
from tests.faults.crash_scenarios import tracking_of
from tests.fork_server import start
from tests.patience import PATIENCE_S

ENUMERATE = "tests.faults.crash_enumeration:enumerate_kills"


@pytest.fixture
def base(memory_dir: Path) -> Iterator[Path]:
    """The folder of a store, in memory, where no write waits for a disk."""
    with tempfile.TemporaryDirectory(dir=memory_dir) as folder:  # MLflow knows a database by its path
        (Path(folder) / "store").mkdir()
        yield Path(folder) / "store"


@pytest.fixture
def shop() -> Iterator[Shop]:
    shop = Shop()
    with RawServer(shop.reply) as shop.server:
        yield shop


def run_once(name: str, base: Path) -> None:
    """A run of a scenario that nothing interrupts, in a process of its own."""
    finish("tests.faults.crash_enumeration:run_scenario", [name, str(base)], base.with_name("once.log"))


def finish(function: str, arguments: list[str], log: Path) -> None:
    child = start(function, arguments, log)
    code = child.poll(PATIENCE_S)
    assert code == 0, child.output


def assert_each_kill_is_harmless(name: str, base: Path, *operations: str) -> None:
    """Enumerate the kills, and assert that each of these operations was among them."""
    report = base.with_name("report.json")
    finish(ENUMERATE, [name, str(base), str(report)], base.with_name("enumeration.log"))
    found = json.loads(report.read_text())
    counts = Counter(operation for operation, _ in found["writes"])
    print(f"{name}: killed at {len(found['writes'])} writes: {dict(counts.most_common())}")  # noqa: T201 the count
    log = base.with_name("enumeration.log").read_text()
    assert not found["failures"], "\n".join([*found["failures"][:5], log[-3_000:]])
    assert set(operations) <= set(counts)


def write_feed(shop: Shop, base: Path) -> None:
    """A feed of four products, of which one has a dead link."""
    store = Store(root=str(base))
    write_settings(store)
    drop(store, "0129", images=shop.server.url)


def test_an_ingest_killed_at_any_write_ends_like_an_unbroken_one(shop: Shop, base: Path) -> None:
    write_feed(shop, base)
    assert_each_kill_is_harmless("ingest", base, "open", "write", "fsync", "replace", "unlink", "mkdir")


def test_a_refresh_killed_at_any_write_ends_like_an_unbroken_one(shop: Shop, base: Path) -> None:
    write_feed(shop, base)
    run_once("ingest", base)
    shop.images["/0.jpg"] = jpeg(40, 30, seed=77)  # one changes, one does not, one goes and one comes
    shop.images["/9.jpg"] = jpeg(40, 30, seed=78)
    del shop.images["/2.jpg"]
    assert_each_kill_is_harmless("refresh", base, "open", "write", "fsync", "replace", "unlink")


def write_classifier(base: Path, name: str, value: float, share: float) -> None:
    """A classifier of a few bytes that has led on validation by `value`, and is right on a share of golden images."""
    store, tracking = Store(root=str(base)), tracking_of(base)
    weights = f"weights of {name}".encode()
    sha256 = hashlib.sha256(weights).hexdigest()
    client = tracking.client()
    experiment = client.get_experiment_by_name("shelfsight")
    known = experiment.experiment_id if experiment else None
    experiment_id = known or client.create_experiment("shelfsight", tracking.artifacts)
    run_id = client.create_run(experiment_id).info.run_id
    record = {"sha256": sha256, "trainable_labels": 600, "ms_per_image": 1.0, "mlflow_run_id": run_id}
    store.write_json(record, "classifiers", name, "classifier.json")
    (base / "classifiers" / name / "weights.safetensors").write_bytes(weights)
    true = np.resize([2, 3], 100)
    best = np.where(np.arange(100) < 100 * share, true, 5 - true)
    golden = {
        "product_id": [f"golden:{number}" for number in range(100)],
        "split": ["golden"] * 100,
        "true_4": true,
        "top_4": best[:, None].tolist(),
        "probability_4": [[0.9]] * 100,
    }
    store.write(pl.DataFrame(golden), "predictions", name, "golden")
    scored = {"classifier": name, "split": "val", "level": 4, "metric": "value_weighted_accuracy", "value": value}
    store.write(pl.DataFrame([scored]), "metrics", name)
    names = store.partitions("metrics")
    store.write(pl.DataFrame({"classifier": names, "kind": "classifier"}), "comparison")


OLD, NEW = "imagenet-lite0-probe", "simclr-mnv3-finetune"


@pytest.mark.parametrize("share", [0.9, 0.5], ids=["promoted", "refused"])
def test_a_decision_killed_at_any_write_ends_like_an_unbroken_one(base: Path, share: float) -> None:
    reference = base / "reference"
    reference.mkdir()
    (reference / "taxonomy.txt").write_text(
        "# Google_Product_Taxonomy_Version: 2021-09-21\n1 - Clothing\n2 - Clothing > Hats\n3 - Clothing > Scarves\n"
    )
    (reference / "business_value.csv").write_text("leaf,units_sold\n2,100\n3,300\n")
    write_classifier(base, OLD, 0.7, 0.6)
    run_once("promotion", base)
    write_classifier(base, NEW, 0.8, share)
    assert_each_kill_is_harmless("promotion", base, "open", "write", "fsync", "replace", "commit")


def test_a_deployment_killed_at_any_write_ends_like_an_unbroken_one(base: Path) -> None:
    client = tracking_of(base).client()
    client.create_experiment("shelfsight", tracking_of(base).artifacts)
    run_once("deployment", base)
    assert_each_kill_is_harmless("deployment", base, "open", "write", "fsync", "replace", "mkdir", "rmdir", "commit")
