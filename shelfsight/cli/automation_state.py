"""State of the automation: the daemon, the sensors and their last ticks, as Dagster's instance has them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import dagster as dg

FEEDS, CATEGORIES, FIRST_CHAMPION = "feed_sensor", "automation", "first_champion_sensor"
START = "start the daemon with `shelfsight up`, or use `shelfsight run`"


@dataclass(frozen=True, kw_only=True)
class SensorState:
    """A sensor and its last tick."""

    name: str
    status: str
    tick: str = "no tick yet"
    skip_reason: str = ""
    error: str = ""

    @property
    def is_off(self) -> bool:
        """True if somebody turned it off."""
        return self.status == "stopped"

    def __str__(self) -> str:
        return f"{self.name}: {self.status}; {self.tick}"


@dataclass(frozen=True, kw_only=True)
class Automation:
    """The daemon and the sensors by name; a sensor that has never been evaluated is missing."""

    is_daemon_running: bool = False
    sensors: Mapping[str, SensorState] = field(default_factory=dict)

    def blocker(self, sensor: str) -> tuple[str, str] | None:
        """Returns why a sensor requests nothing, and what to do; None where nothing keeps it from it."""
        state = self.sensors.get(sensor)
        if not self.is_daemon_running:
            return "no daemon is running", START
        if state is not None and state.is_off:
            return f"{sensor} is off", f"turn {sensor} on under Automation in Dagster's UI, or use `shelfsight run`"
        if state is not None and state.error:
            return f"the last tick of {sensor} failed: {state.error}", "correct that; the next tick tries again"
        return None


def automation_of(instance: dg.DagsterInstance) -> Automation:
    """Reads the state of the daemon and of every sensor from an instance."""
    daemon = instance.get_daemon_statuses(["SENSOR"])["SENSOR"]
    states = sorted(instance.all_instigator_state(), key=lambda each: each.instigator_name)
    sensors = (_sensor(instance, each) for each in states)
    return Automation(is_daemon_running=bool(daemon.healthy), sensors={each.name: each for each in sensors})


def _sensor(instance: dg.DagsterInstance, state: Any) -> SensorState:
    name, status = state.instigator_name, state.status.value.lower()
    ticks = instance.get_ticks(state.instigator_origin_id, state.selector_id, limit=1)
    if not ticks:
        return SensorState(name=name, status=status)
    [tick] = ticks
    when = datetime.fromtimestamp(tick.timestamp, UTC).isoformat(sep=" ", timespec="seconds")
    error = tick.error.message.splitlines()[0] if tick.error else ""
    runs = f"{len(tick.run_ids)} runs" if tick.run_ids else ""
    described = (tick.status.value.lower(), runs, tick.skip_reason or error, when)
    return SensorState(
        name=name,
        status=status,
        tick=", ".join(each for each in described if each),
        skip_reason=tick.skip_reason or "",
        error=error,
    )
