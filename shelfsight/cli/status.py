"""`shelfsight status`: progress of the deliveries, why some wait, champion, deployment, and the sensors' last ticks."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

import dagster as dg
import polars as pl

from catalog.feeds.deliveries import feed_key
from ml.deployment.deployment import POINTER, current_folder, read_metadata
from resources.alerts import ALERTS
from resources.instance import home_of
from resources.pending_alerts import PendingAlerts
from resources.settings import Settings
from resources.store import Store
from shelfsight.cli.automation_state import Automation, automation_of
from shelfsight.cli.stopped_feeds import stopped_feeds
from shelfsight.cli.waiting import Explainer, Waiting
from shelfsight.cli.waiting_feeds import waiting_feeds

STAGES = ("products", "outcomes", "universal_catalog")


def status(root: str) -> dict[str, Any]:
    """Returns the status of a store, and of the sensors of its Dagster instance or that of DAGSTER_HOME.

    Raises:
        FileNotFoundError: there is no store.
    """
    settings = Settings.read(store=root)
    store = Store.of(settings)
    if not store.path.is_dir():
        raise FileNotFoundError(f"there is no store at {root!r}; set --store or SHELFSIGHT_STORE")
    deliveries = store.delivery_keys()
    completed = {stage: [key for key in deliveries if store.holds(stage, key)] for stage in STAGES}
    with _instance(settings, store) as instance:
        automation = Automation() if instance is None else automation_of(instance)
        explainer = Explainer(store=store, settings=settings, instance=instance, automation=automation)
        stopped = list(stopped_feeds(store, deliveries))
        keys = {each.delivery for each in stopped}
        others = [key for key in deliveries if feed_key(key) not in keys or store.holds("products", key)]
        waiting = [*waiting_feeds(store, automation), *stopped, *explainer.waiting(others)]
    champion = store.read_json("champion", "champion.json")
    facts = read_metadata(current_folder(store.path)) if store.path.joinpath(*POINTER).exists() else None
    return {
        "deliveries": len(deliveries),
        "parsed": len(completed["products"]),
        "downloaded": len(completed["outcomes"]),
        "classified": len(completed["universal_catalog"]),
        "waiting": [asdict(each) for each in waiting],
        "products": _count(store, "products"),
        "with a category": _count(store, "universal_catalog", pl.col("category_id").is_not_null()),
        "latest prediction": _latest(store, completed["universal_catalog"]),
        "champion": champion and f"{champion['classifier']}, {champion['metric']} {champion['value']:.3f}",
        "reason": champion and champion["reason"],
        "deployed": facts and f"{facts['classifier']} as {facts['variant']}, {_speed(facts):,.0f} images/s",
        "alerts not posted": len(PendingAlerts(store.path / ALERTS).waiting()),
        "daemon": "running" if automation.is_daemon_running else "not running",
        "sensors": list(map(str, automation.sensors.values())) if instance else _no_instance(settings, store),
    }


def sentences(waiting: Sequence[Mapping[str, str]]) -> list[str]:
    """Returns what waits as people read it."""
    return [str(Waiting(**each)) for each in waiting]


def _count(store: Store, table: str, wanted: pl.Expr | bool = True) -> int:
    if not any(store.path.glob(f"{table}/*/*.parquet")):
        return 0
    return int(store.scan(table).filter(wanted).select(pl.len()).collect().item())


def _latest(store: Store, classified: list[str]) -> str | None:
    times = [(store.folder("universal_catalog", key) / "data.parquet").stat().st_mtime for key in classified]
    return datetime.fromtimestamp(max(times), UTC).isoformat(sep=" ", timespec="seconds") if times else None


def _speed(facts: dict[str, Any]) -> float:
    [deployed] = [each for each in facts["variants"] if each["variant"] == facts["variant"]]
    return float(deployed["images_per_s"])


def _no_instance(settings: Settings, store: Store) -> list[str]:
    return [f"there is no Dagster instance in {home_of(settings, store)}; set DAGSTER_HOME to another"]


@contextmanager
def _instance(settings: Settings, store: Store) -> Iterator[dg.DagsterInstance | None]:
    """The instance of DAGSTER_HOME or of the store; None where there is none."""
    home = home_of(settings, store)
    if not (home / "dagster.yaml").is_file():
        yield None
        return
    with dg.DagsterInstance.from_config(str(home)) as instance:
        yield instance
