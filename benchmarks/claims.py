"""Claims: what a benchmark says, against which bar, on which machine; the README's table is made of nothing else."""

import json
import os
import platform
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"


@dataclass(frozen=True, kw_only=True)
class Claim:
    """One measured figure. ``peer`` and ``ratio`` are for claims against another program in the same run.

    A figure without a bar is there to be known; there is nothing that it could miss.
    """

    claim: str
    ours: float
    unit: str
    bar: float | None
    holds: bool | None
    peer: float | None = None
    ratio: float | None = None


def at_most(claim: str, ours: float, bar: float, unit: str) -> Claim:
    """A claim that holds while the figure stays under its bar."""
    return Claim(claim=claim, ours=ours, unit=unit, bar=bar, holds=ours <= bar)


def at_least(claim: str, ours: float, bar: float, unit: str) -> Claim:
    """A claim that holds while the figure reaches its bar."""
    return Claim(claim=claim, ours=ours, unit=unit, bar=bar, holds=ours >= bar)


def at_least_times(claim: str, ours: float, peer: float, bar: float, unit: str) -> Claim:
    """A claim that holds if ours is at least ``bar`` times the peer's, both measured in the same run."""
    ratio = ours / peer
    return Claim(claim=claim, ours=ours, unit=unit, bar=bar, holds=ratio >= bar, peer=peer, ratio=ratio)


def at_most_times(claim: str, ours: float, peer: float, bar: float, unit: str) -> Claim:
    """A claim that holds if ours is at most ``bar`` times the peer's, both measured in the same run."""
    ratio = ours / peer
    return Claim(claim=claim, ours=ours, unit=unit, bar=bar, holds=ratio <= bar, peer=peer, ratio=ratio)


def beside(claim: str, ours: float, peer: float, unit: str) -> Claim:
    """A figure without a bar, beside the peer's of the same run."""
    return Claim(claim=claim, ours=ours, unit=unit, bar=None, holds=None, peer=peer, ratio=ours / peer)


def figure(claim: str, ours: float, unit: str) -> Claim:
    """A figure without a bar."""
    return Claim(claim=claim, ours=ours, unit=unit, bar=None, holds=None)


def machine() -> str:
    """Cores and processor, so that nobody compares seconds across machines unawares."""
    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        names = [line.partition(":")[2].strip() for line in cpuinfo.read_text().splitlines() if "model name" in line]
        model = names[0] if names else model
    return f"{len(os.sched_getaffinity(0))} cores, {model}"


def publish(name: str, claims: Iterable[Claim]) -> None:
    """Write ``results/NAME.json`` and print one JSON line a claim, last."""
    records = [{**asdict(claim), "machine": machine()} for claim in claims]
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{name}.json").write_text(json.dumps(records, indent=2, default=_plain) + "\n")
    for record in records:
        print(json.dumps(record, default=_plain))


def _plain(value: Any) -> Any:
    """A NumPy scalar as Python's own."""
    return value.item()
