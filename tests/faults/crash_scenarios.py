"""The four things that write a store, each on a few products, and what is right at every moment of them.

They are called as the assets call them, without Dagster. Decoding runs in this process and shards are written one after
another, so that the writes of a run come in the same order each time.
"""

import asyncio
import hashlib
import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl
from upath import UPath

import catalog.download.downloader
import catalog.download.shard_writing
import resources.mlflow.serving
from catalog.download.delivery import DownloadOptions, download_delivery
from catalog.download.host_limiter import Politeness
from catalog.feeds.deliveries import Delivery
from catalog.images.decoding import decode
from catalog.images.shard_files import image_files_of
from catalog.images.statuses import Status
from catalog.images.stored_image import ImageRules, StoredImage
from catalog.products.delivery_parsing import DeliveryTask
from catalog.products.redelivery import merge_redelivery
from catalog_assets.evaluation.champion import FILE, name_champion
from catalog_assets.evaluation.champion_decisions import DecidingRun, decide_on_candidate
from catalog_assets.evaluation.decisions_table import read_decisions
from catalog_assets.evaluation.promoted import promoted_classifier
from catalog_assets.ingestion.inbox import arrivals, source_of
from catalog_assets.serving.pointer import put_in_use, read_pointer
from ml.deployment.deployment import METADATA_FILE, current_folder, read_metadata
from ml.file_digests import file_sha256
from resources.feed_parser import FeedParser
from resources.mlflow.registry import MODEL as CLASSIFIER
from resources.mlflow.serving import MODEL as DEPLOYMENT
from resources.mlflow.tracking import Tracking
from resources.store import Store
from tests.catalog.download.download_until_killed import SETTINGS

FEW = replace(SETTINGS, shard_rows=2, politeness=Politeness(max_connections=1), backoff_s=0.0, max_attempts=1)
VOLATILE = {
    "fetched_at",
    "duration_ms",
    "attempts",
    "decided_at",
    "promoted_at",
    "received_at",
    "arrived_at",
    "stamp",
    "version",
}
State = dict[str, Any]


@cache
def instance() -> dg.DagsterInstance:
    """An empty Dagster instance in memory."""
    return dg.DagsterInstance.ephemeral()


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """A run over a store; what holds of the store at every moment; and its state, but for times and names of runs."""

    run: Callable[[Path], None]
    check: Callable[[Path], None]
    state: Callable[[Path], State]


# -- ingest and refresh -----------------------------------------------------------------------------------------------


class _Decoders:
    """Decodes in this process."""

    def __init__(self, rules: ImageRules, *_rest: object) -> None:
        self._rules = rules
        self.ready = asyncio.Event()
        self.ready.set()

    async def decode(self, data: bytes) -> StoredImage | Status:
        return decode(data, self._rules)

    def close(self) -> None:
        """Nothing is open."""


class _Writers:
    """Writes each shard at once, in this thread."""

    def __init__(self, *_args: object, **_kwargs: object) -> None:
        """Starts no thread."""

    def submit(self, write: Callable[[], None]) -> "Future[None]":
        done: Future[None] = Future()
        write()
        done.set_result(None)
        return done

    def shutdown(self, **_kwargs: object) -> None:
        """Nothing runs."""


def ingest(root: Path) -> None:
    """Register the feeds of the inbox, parse each delivery and download its images."""
    store = Store(root=str(root))
    assert arrivals(store, instance(), {}).problems == []
    for key in store.delivery_keys():
        delivery, taxonomy = Delivery.load(store.delivery_records, key), store.taxonomy()
        task = DeliveryTask(
            delivery=delivery,
            source=source_of(store, delivery),
            partner=store.partner(delivery.partner_id),
            taxonomy=taxonomy,
            moves=store.taxonomy_moves(taxonomy),
        )
        parsed = FeedParser().parse(task)
        former = store.scan("products", [key]).collect() if store.holds("products", key) else None
        received_at = datetime.fromisoformat(delivery.received_at)
        store.write(merge_redelivery(former, parsed.products, removed_at=received_at), "products", key)
        store.write(parsed.rejected, "rejected", key)
        _download(store, key, DownloadOptions())


def refresh(root: Path) -> None:
    """Fetch the images of all deliveries again, where they have changed."""
    store = Store(root=str(root))
    for key in store.delivery_keys():
        _download(store, key, DownloadOptions(refresh=True))


def _download(store: Store, key: str, options: DownloadOptions) -> None:
    catalog.download.downloader.Decoders = _Decoders  # type: ignore[assignment, misc]
    catalog.download.shard_writing.ThreadPoolExecutor = _Writers  # type: ignore[assignment, misc]
    products = store.scan("products", [key]).select("product_id", "image_url").collect()
    download_delivery(
        products,
        images=store.folder("images", key),
        outcomes=store.folder("outcomes", key),
        settings=FEW,
        options=options,
    )


def check_images(root: Path) -> None:
    """Assert that every outcome that is ok has its image, and that it is the one of the outcome's hash."""
    _check_files(root)
    for path in root.glob("outcomes/*/*.parquet"):
        outcomes = pl.read_parquet(path).filter(status="ok")
        images = root / "images" / path.parent.name
        found = {
            row["product_id"]: hashlib.sha256(row["image"]["bytes"]).hexdigest()
            for name in image_files_of(outcomes)
            for row in pl.read_parquet(images / f"{name}.parquet").iter_rows(named=True)
        }
        for product_id, sha256 in outcomes.select("product_id", "sha256").iter_rows():
            assert found[product_id] == sha256, f"{product_id} has another image than its outcome says"


def files_state(root: Path) -> State:
    """The content of every file; of tables and records what does not change with the time or the run."""
    return {str(path.relative_to(root)): _content(path) for path in _files(root)}


def _files(root: Path) -> Iterator[Path]:
    """Yields the files of a store but for unfinished ones, which are hidden and removed after a day, and free locks."""
    for path in sorted(root.rglob("*")):
        if path.is_file() and path.suffix not in (".writing", ".lock") and path.relative_to(root).parts[0] != "mlflow":
            yield path


def _content(path: Path) -> Any:
    if path.suffix == ".parquet":
        table = pl.read_parquet(path)
        return repr(table.drop(VOLATILE & set(table.columns)).to_dict(as_series=False))
    if path.suffix == ".json":
        return {key: value for key, value in json.loads(path.read_text()).items() if key not in VOLATILE}
    return path.read_bytes().hex()


def _check_files(root: Path) -> None:
    """Assert that every table and record can be read."""
    for path in _files(root):
        if path.suffix in (".parquet", ".json"):
            _content(path)


# -- promotion --------------------------------------------------------------------------------------------------------


def tracking_of(root: Path) -> Tracking:
    """MLflow in a folder of the store."""
    return Tracking(uri=f"sqlite:///{root}/mlflow/mlflow.db", artifacts=str(root / "mlflow" / "artifacts"))


def open_tracking(root: Path) -> None:
    """Have MLflow check its database once for all children of this process, which open connections of their own."""
    client = tracking_of(root).client()
    client.search_experiments()
    client.search_registered_models()
    for store in (client._tracking_client.store, client._get_registry_client().store):
        store.engine.dispose()


def promote(root: Path) -> None:
    """Decide on the classifier that leads on validation, and name the champion."""
    store, tracking = Store(root=str(root)), tracking_of(root)
    run = DecidingRun(instance=instance(), run_id="run")
    decide_on_candidate(store.scan("comparison"), store, tracking, run)
    name_champion(store, tracking)


def check_champion(root: Path) -> None:
    """Assert that the champion of the decisions, of champion.json and of the alias each have their own files."""
    _check_files(root)
    store = Store(root=str(root))
    decision = read_decisions(store).last_promoted
    assert decision is not None
    record = store.read_json(*FILE)
    assert record is not None
    for sha256 in {decision["candidate_sha256"], record["sha256"], _aliases(root, CLASSIFIER)["champion"]["sha256"]}:
        promoted_classifier(store, sha256)


def champion_state(root: Path) -> State:
    """The files, and the classifier of each alias."""
    return {**files_state(root), "aliases": _aliases(root, CLASSIFIER)}


def _aliases(root: Path, model: str) -> dict[str, Mapping[str, str]]:
    """The tags of the version that each alias of a model names."""
    client = tracking_of(root).client()
    named = client.get_registered_model(model).aliases
    return {alias: dict(client.get_model_version(model, str(version)).tags) for alias, version in named.items()}


# -- deployment -------------------------------------------------------------------------------------------------------


def deploy(root: Path) -> None:
    """Put a deployment in use, as the asset does: its files are made in a folder of their own, and accepted."""
    resources.mlflow.serving.save_served = _save_served
    store, tracking = Store(root=str(root)), tracking_of(root)
    former = read_pointer(store)
    candidate = store.scratch / "cache" / "deployment" / f"new-{datetime.now(UTC).timestamp()}"
    candidate.mkdir(parents=True)
    facts = {"variant": "onnx", "classifier": "new", "classifier_sha256": "b" * 64, "files": {}}
    for name in ("network.onnx", "network.bin"):
        (candidate / name).write_bytes(name.encode() * 100)
        facts["files"][name] = file_sha256(candidate / name)  # type: ignore[index]
    (candidate / METADATA_FILE).write_text(json.dumps(facts))
    client = tracking.client()
    run_id = client.create_run(client.get_experiment_by_name("shelfsight").experiment_id).info.run_id
    put_in_use(store, tracking, run_id, candidate, facts, former)


def _save_served(deployment: Path, variant: str, path: Path) -> None:
    """As an MLflow model of one file: the real one takes seconds."""
    path.mkdir()
    shutil.copy(deployment / METADATA_FILE, path / "MLmodel")


def check_deployment(root: Path) -> None:
    """Assert that the deployment in use is whole, and that MLflow's current version exists."""
    folder = current_folder(UPath(root))
    for name, sha256 in read_metadata(folder)["files"].items():
        assert file_sha256(Path(folder.path) / name) == sha256
    assert _aliases(root, DEPLOYMENT)["current"]["classifier"] in ("old", "new")


def deployment_state(root: Path) -> State:
    """The metadata of the deployment in use, and the tags of the version that the pointer and the alias name."""
    pointer = read_pointer(Store(root=str(root))).record
    tags = tracking_of(root).client().get_model_version(DEPLOYMENT, pointer["version"]).tags
    return {"in use": read_metadata(current_folder(root)), "version": dict(tags), "aliases": _aliases(root, DEPLOYMENT)}


SCENARIOS = {
    "ingest": Scenario(run=ingest, check=check_images, state=files_state),
    "refresh": Scenario(run=refresh, check=check_images, state=files_state),
    "promotion": Scenario(run=promote, check=check_champion, state=champion_state),
    "deployment": Scenario(run=deploy, check=check_deployment, state=deployment_state),
}
