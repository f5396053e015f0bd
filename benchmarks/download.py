"""Download: pictures a second and memory beside img2dataset, and what a polite wait for one host costs the others.

make bench NAME=download
"""

import argparse
import os
import shutil
import statistics
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import polars as pl

from benchmarks.claims import Claim, at_least_times, at_most, at_most_times, publish
from benchmarks.origin import Origin, serving
from benchmarks.peers import environment
from benchmarks.processes import Measured, measure

REPOSITORY = Path(__file__).parent.parent
PHOTOGRAPHS = Path(os.environ.get("SHELFSIGHT_PHOTOGRAPHS", str(REPOSITORY.parent / "shared" / "data" / "clothing")))
PEER = ("img2dataset==1.47.0", "setuptools<81")
NUM_RUNS = 3
CHOICES = (32, 64, 128)  # threads of the peer's each process, connections of ours: the best of each is taken
TIMEOUT_S = 5.0
INVALID_SHARE = 0.01


def main() -> None:
    """Measure, print, publish."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--links", type=int, default=20_000)
    options = parser.parse_args()
    img2dataset = environment("img2dataset", *PEER) / "img2dataset"
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        claims = against_peer("400 px", options.links, 0, 1.6, place, img2dataset)
        claims += against_peer("1,600 px", options.links, 1_600, 2.5, place, img2dataset)
        claims.append(politeness(place))
    publish("download", claims)


def against_peer(what: str, num_links: int, side_px: int, bar: float, place: Path, peer: Path) -> list[Claim]:
    """Pictures a second of wall time and peak memory of both, run in turn against one origin."""
    with serving(PHOTOGRAPHS, side_px=side_px) as origin:
        links, sample = write_links(origin, num_links, place / "links.parquet"), place / "sample.parquet"
        pl.read_parquet(links).head(num_links // 5).write_parquet(sample)
        connections = best(lambda choice: ours(sample, place, choice), f"ours, {what}, connections")
        threads = best(lambda choice: theirs(sample, place, choice, peer), f"img2dataset, {what}, threads a process")
        runs = [(ours(links, place, connections), theirs(links, place, threads, peer)) for _ in range(NUM_RUNS)]
    for mine, other in runs:
        print(f"{what}: {mine} against {other}", flush=True)
    our_rate, their_rate = (statistics.median(rate for rate, _ in side) for side in zip(*runs, strict=True))
    our_peak, their_peak = (statistics.median(took.peak_mib for _, took in side) for side in zip(*runs, strict=True))
    name = f"{num_links:,} links, 13 % faults, photographs of {what}, against img2dataset"
    return [
        at_least_times(name, our_rate, their_rate, bar, "pictures/s"),
        at_most_times(f"{name}: peak memory of all processes", our_peak, their_peak, 1.0, "MiB"),
    ]


def best(run: Callable[[int], tuple[float, Measured]], name: str) -> int:
    """The choice with the highest rate."""
    rates = {choice: run(choice)[0] for choice in CHOICES}
    print(f"{name}: {rates}", flush=True)
    return max(rates, key=lambda choice: rates[choice])


def write_links(origin: Origin, num_links: int, path: Path) -> Path:
    """Links to as many pictures, every hundredth of them no link at all."""
    urls = [origin.link(number) if number % round(1 / INVALID_SHARE) else "n/a" for number in range(num_links)]
    pl.DataFrame({"product_id": [f"p:{number}" for number in range(num_links)], "image_url": urls}).write_parquet(path)
    return path


def ours(links: Path, place: Path, connections: int, *words: str) -> tuple[float, Measured]:
    """Stored pictures a second of a whole process, start-up included."""
    out = place / "ours"
    shutil.rmtree(out, ignore_errors=True)
    command = [sys.executable, "-m", "benchmarks.download_ours", str(links), str(out), str(connections), *words]
    took = measure(command, place / "ours.log")
    stored = pl.scan_parquet(out / "images" / "*.parquet").select(pl.len()).collect().item()
    return stored / took.wall_s, took


def theirs(links: Path, place: Path, threads: int, peer: Path) -> tuple[float, Measured]:
    """The same of img2dataset: a process a core, its own defaults but for what ours does as well."""
    out = place / "theirs"
    shutil.rmtree(out, ignore_errors=True)
    options = {
        "url_list": links,
        "input_format": "parquet",
        "url_col": "image_url",
        "save_additional_columns": '["product_id"]',
        "output_folder": out,
        "output_format": "parquet",
        "processes_count": len(os.sched_getaffinity(0)),
        "thread_count": threads,
        "image_size": 256,
        "resize_mode": "keep_ratio",
        "resize_only_if_bigger": True,
        "encode_quality": 90,
        "number_sample_per_shard": 1_000,
        "timeout": round(TIMEOUT_S),
        "enable_wandb": False,
    }
    command = [str(peer), *(f"--{name}={value}" for name, value in options.items())]
    took = measure(command, place / "theirs.log", {"NO_ALBUMENTATIONS_UPDATE": "1"})
    stored = pl.scan_parquet(out / "*.parquet").filter(pl.col("status") == "success").select(pl.len()).collect().item()
    return stored / took.wall_s, took


def politeness(place: Path, num_hosts: int = 200, links_a_host: int = 60) -> Claim:
    """How much longer 199 hosts take because the other one of 200 may only be asked twice a second."""
    ratios = []
    with serving(PHOTOGRAPHS, num_hosts=num_hosts) as origin:
        links = write_links(origin, num_hosts * links_a_host, place / "links.parquet")
        slow = origin.hosts[1]
        for _ in range(NUM_RUNS):
            free, polite = (_others_s(links, place, slow, *words) for words in ((), ("--slow-host", slow)))
            print(f"{num_hosts - 1} hosts: {polite:.2f} s beside a slow one, {free:.2f} s without it", flush=True)
            ratios.append(polite / free)
    slower = 100 * (statistics.median(ratios) - 1)
    return at_most(f"one host of {num_hosts} limited to 2 requests/s slows the others by", slower, 5.0, "%")


def _others_s(links: Path, place: Path, slow: str, *words: str) -> float:
    """Seconds from the first to the last picture of all hosts but one."""
    ours(links, place, 8, *words)
    outcomes = pl.read_parquet(place / "ours" / "outcomes" / "*.parquet")
    others = outcomes.filter(pl.col("attempts") > 0, ~pl.col("image_url").str.contains(slow, literal=True))
    ended = others["fetched_at"]
    return float((ended.max() - ended.min()).total_seconds())  # type: ignore[operator, union-attr]


if __name__ == "__main__":
    main()
