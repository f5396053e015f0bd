"""Claims: measured figures with their bars and the machine that measured them.

`results/NAME.json` keeps the claims of `benchmarks/NAME.py`. `benchmarks.report` makes `docs/benchmarks.md` from them.
"""

import json
import os
import platform
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

RESULTS = Path(__file__).parent / "results"
CPU_INFO = Path("/proc/cpuinfo")
# Speeds in 8 and 16 bits differ by several times between processors with and without them.
INSTRUCTION_SETS = ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_bf16", "amx_int8")

Bound = Literal["at least", "at most"]


@dataclass(frozen=True, kw_only=True)
class Claim:
    """One measured figure; `peer` and `ratio` (ours / peer) are of another program in the same run.

    `bar` bounds the ratio where there is one, else the figure. A figure without a bar is for information only.
    """

    claim: str
    ours: float
    unit: str
    bar: float | None = None
    bound: Bound | None = None
    holds: bool | None = None
    peer: float | None = None
    ratio: float | None = None


def at_most(claim: str, ours: float, bar: float, unit: str) -> Claim:
    """A claim that holds if the figure is at most the bar."""
    return Claim(claim=claim, ours=ours, unit=unit, bar=bar, bound="at most", holds=ours <= bar)


def at_least(claim: str, ours: float, bar: float, unit: str) -> Claim:
    """A claim that holds if the figure is at least the bar."""
    return Claim(claim=claim, ours=ours, unit=unit, bar=bar, bound="at least", holds=ours >= bar)


def at_least_times(claim: str, ours: float, peer: float, bar: float, unit: str) -> Claim:
    """A claim that holds if ours is at least `bar` times the peer's figure of the same run."""
    ratio = ours / peer
    return Claim(
        claim=claim, ours=ours, unit=unit, bar=bar, bound="at least", holds=ratio >= bar, peer=peer, ratio=ratio
    )


def at_most_times(claim: str, ours: float, peer: float, bar: float, unit: str) -> Claim:
    """A claim that holds if ours is at most `bar` times the peer's figure of the same run."""
    ratio = ours / peer
    return Claim(
        claim=claim, ours=ours, unit=unit, bar=bar, bound="at most", holds=ratio <= bar, peer=peer, ratio=ratio
    )


def beside(claim: str, ours: float, peer: float, unit: str) -> Claim:
    """A figure beside the peer's of the same run, without a bar."""
    return Claim(claim=claim, ours=ours, unit=unit, peer=peer, ratio=ours / peer)


def figure(claim: str, ours: float, unit: str) -> Claim:
    """A figure without a bar."""
    return Claim(claim=claim, ours=ours, unit=unit)


def machine(cpu_info: Path = CPU_INFO) -> str:
    """The usable cores, the processor and those of its `INSTRUCTION_SETS`, as "2 cores, AMD EPYC (avx2)"."""
    model, sets = platform.processor() or platform.machine(), "instruction sets unknown"
    if cpu_info.exists():
        first = cpu_info.read_text().split("\n\n")[0]
        fields = {
            name.strip(): value.strip() for name, _, value in (line.partition(":") for line in first.splitlines())
        }
        model, flags = fields.get("model name", model), fields.get("flags", "").split()
        sets = ", ".join(name for name in INSTRUCTION_SETS if name in flags) or f"no {', '.join(INSTRUCTION_SETS)}"
    return f"{len(os.sched_getaffinity(0))} cores, {model} ({sets})"


def publish(name: str, claims: Iterable[Claim]) -> None:
    """Writes `results/NAME.json` and prints one JSON line per claim."""
    records = [{**asdict(claim), "machine": machine()} for claim in claims]
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{name}.json").write_text(json.dumps(records, indent=2, default=_plain) + "\n")
    for record in records:
        print(json.dumps(record, default=_plain))


def _plain(value: Any) -> Any:
    """A NumPy scalar as a Python number."""
    return value.item()
