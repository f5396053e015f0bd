"""`shelfsight status`: progress of the deliveries, champion, deployment, and the sensors' last ticks."""

from datetime import UTC, datetime
from typing import Any

import dagster as dg
import polars as pl

from catalog.storage.files import absolute
from ml.deployment.deployment import POINTER, current_folder, read_metadata
from resources.instance import home_of
from resources.settings import Settings
from resources.store import Store

STAGES = ("products", "outcomes", "universal_catalog")


def status(root: str) -> dict[str, Any]:
    """Returns the status of a store, and of the sensors of its Dagster instance or that of DAGSTER_HOME.

    Raises:
        FileNotFoundError: there is no store.
    """
    store = Store(root=absolute(root))
    if not store.path.is_dir():
        raise FileNotFoundError(f"there is no store at {root!r}; set --store or SHELFSIGHT_STORE")
    deliveries = store.delivery_keys()
    completed = {stage: [key for key in deliveries if store.holds(stage, key)] for stage in STAGES}
    champion = store.read_json("champion", "champion.json")
    facts = read_metadata(current_folder(store.path)) if store.path.joinpath(*POINTER).exists() else None
    return {
        "deliveries": len(deliveries),
        "parsed": len(completed["products"]),
        "downloaded": len(completed["outcomes"]),
        "classified": len(completed["universal_catalog"]),
        "pending": [key for key in deliveries if key not in completed["universal_catalog"]],
        "products": _count(store, "products"),
        "with a category": _count(store, "universal_catalog", pl.col("category_id").is_not_null()),
        "latest prediction": _latest(store, completed["universal_catalog"]),
        "champion": champion and f"{champion['classifier']}, {champion['metric']} {champion['value']:.3f}",
        "reason": champion and champion["reason"],
        "deployed": facts and f"{facts['classifier']} as {facts['variant']}, {_speed(facts):,.0f} images/s",
        "sensors": _sensors(store),
    }


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


def _sensors(store: Store) -> list[str]:
    """Describes each sensor's state and last tick, in the instance of DAGSTER_HOME or of the store."""
    home = home_of(Settings.read(), store)
    if not (home / "dagster.yaml").is_file():
        return [f"there is no Dagster instance in {home}; set DAGSTER_HOME to another"]
    lines = []
    with dg.DagsterInstance.from_config(str(home)) as instance:
        for state in sorted(instance.all_instigator_state(), key=lambda each: each.instigator_name):
            ticks = instance.get_ticks(state.instigator_origin_id, state.selector_id, limit=1)
            last = "no tick yet"
            if ticks:
                when = datetime.fromtimestamp(ticks[0].timestamp, UTC).isoformat(sep=" ", timespec="seconds")
                reason = ticks[0].skip_reason or (ticks[0].error and ticks[0].error.message.splitlines()[0]) or ""
                runs = f"{len(ticks[0].run_ids)} runs" if ticks[0].run_ids else ""
                last = ", ".join(each for each in (ticks[0].status.value.lower(), runs, reason, when) if each)
            lines.append(f"{state.instigator_name}: {state.status.value.lower()}; {last}")
    return lines
