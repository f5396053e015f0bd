"""Status: the deliveries and how far each is, the champion, its deployment, and what the sensors did last."""

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl

from catalog.files import absolute
from ml.deployment.deployment import POINTER, current_folder, facts_of
from resources.store import Store

STAGES = ("products", "outcomes", "universal_catalogue")


def status(root: str) -> dict[str, Any]:
    """How things stand in a store, and in its Dagster instance, or that of DAGSTER_HOME, where there is one.

    Raises:
        FileNotFoundError: there is no store.
    """
    store = Store(root=absolute(root))
    if not store.path.is_dir():
        raise FileNotFoundError(f"there is no store at {root!r}; --store or SHELFSIGHT_STORE names it")
    deliveries = sorted(path.stem for path in store.delivery_records.glob("*.json"))
    made = {stage: [key for key in deliveries if store.holds(stage, key)] for stage in STAGES}
    champion = store.read_json("champion", "champion.json")
    facts = facts_of(current_folder(store.path)) if store.path.joinpath(*POINTER).exists() else None
    return {
        "deliveries": len(deliveries),
        "taken in": len(made["products"]),
        "downloaded": len(made["outcomes"]),
        "labelled": len(made["universal_catalogue"]),
        "waiting": [key for key in deliveries if key not in made["universal_catalogue"]],
        "products": _count(store, "products"),
        "with a category": _count(store, "universal_catalogue", pl.col("category_id").is_not_null()),
        "newest label": _newest(store, made["universal_catalogue"]),
        "champion": champion and f"{champion['classifier']}, {champion['metric']} {champion['value']:.3f}",
        "why": champion and champion["reason"],
        "deployed": facts and f"{facts['classifier']} as {facts['variant']}, {_speed(facts):,.0f} pictures/s",
        "sensors": _sensors(store.scratch),
    }


def _count(store: Store, table: str, wanted: pl.Expr | bool = True) -> int:
    if not any(store.path.glob(f"{table}/*/*.parquet")):
        return 0
    return int(store.scan(table).filter(wanted).select(pl.len()).collect().item())


def _newest(store: Store, labelled: list[str]) -> str | None:
    times = [(store.folder("universal_catalogue", key) / "data.parquet").stat().st_mtime for key in labelled]
    return datetime.fromtimestamp(max(times), UTC).isoformat(sep=" ", timespec="seconds") if times else None


def _speed(facts: dict[str, Any]) -> float:
    [form] = [each for each in facts["forms"] if each["variant"] == facts["variant"]]
    return float(form["pictures_per_s"])


def _sensors(root: Path) -> list[str]:
    """Each sensor, whether it runs, and what its last tick said, in DAGSTER_HOME or where `make` puts the instance."""
    home = Path(os.environ.get("DAGSTER_HOME", root / "dagster"))
    if not (home / "dagster.yaml").is_file():
        return [f"there is no Dagster instance in {home}; DAGSTER_HOME names another"]
    told = []
    with dg.DagsterInstance.from_config(str(home)) as instance:
        for state in sorted(instance.all_instigator_state(), key=lambda each: each.instigator_name):
            ticks = instance.get_ticks(state.instigator_origin_id, state.selector_id, limit=1)
            last = "no tick yet"
            if ticks:
                when = datetime.fromtimestamp(ticks[0].timestamp, UTC).isoformat(sep=" ", timespec="seconds")
                reason = ticks[0].skip_reason or (ticks[0].error and ticks[0].error.message.splitlines()[0]) or ""
                runs = f"{len(ticks[0].run_ids)} runs" if ticks[0].run_ids else ""
                last = ", ".join(each for each in (ticks[0].status.value.lower(), runs, reason, when) if each)
            told.append(f"{state.instigator_name}: {state.status.value.lower()}; {last}")
    return told
