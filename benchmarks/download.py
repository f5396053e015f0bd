"""Download: images per second and memory compared with img2dataset, and the cost of one slow host for the others.

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
CHOICES = (32, 64, 128)  # threads per process of the peer, connections of ours: the best of each is used
TIMEOUT_S = 5.0
INVALID_SHARE = 0.01


def main() -> None:
    """Measures, prints and publishes."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--links", type=int, default=20_000)
    options = parser.parse_args()
    img2dataset = environment("img2dataset", *PEER) / "img2dataset"
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        claims = against_peer("400 px", options.links, 0, 1.6, scratch, img2dataset)
        claims += against_peer("1,600 px", options.links, 1_600, 2.5, scratch, img2dataset)
        claims.append(politeness(scratch))
    publish("download", claims)


def against_peer(subject: str, num_links: int, side_px: int, bar: float, scratch: Path, peer: Path) -> list[Claim]:
    """Measures images per second of wall time and peak memory of both, in turn against one origin."""
    with serving(PHOTOGRAPHS, side_px=side_px) as origin:
        links, sample = write_links(origin, num_links, scratch / "links.parquet"), scratch / "sample.parquet"
        pl.read_parquet(links).head(num_links // 5).write_parquet(sample)
        connections = best(lambda choice: ours(sample, scratch, choice), f"ours, {subject}, connections")
        threads = best(
            lambda choice: theirs(sample, scratch, choice, peer), f"img2dataset, {subject}, threads per process"
        )
        runs = [(ours(links, scratch, connections), theirs(links, scratch, threads, peer)) for _ in range(NUM_RUNS)]
    for mine, other in runs:
        print(f"{subject}: {mine} against {other}", flush=True)
    our_rate, their_rate = (statistics.median(rate for rate, _ in side) for side in zip(*runs, strict=True))
    our_peak, their_peak = (statistics.median(took.peak_mib for _, took in side) for side in zip(*runs, strict=True))
    name = f"{num_links:,} links, 13 % faults, photographs of {subject}, against img2dataset"
    return [
        at_least_times(name, our_rate, their_rate, bar, "images/s"),
        at_most_times(f"{name}: peak memory of all processes", our_peak, their_peak, 1.0, "MiB"),
    ]


def best(run: Callable[[int], tuple[float, Measured]], name: str) -> int:
    """Returns the choice with the highest rate."""
    rates = {choice: run(choice)[0] for choice in CHOICES}
    print(f"{name}: {rates}", flush=True)
    return max(rates, key=lambda choice: rates[choice])


def write_links(origin: Origin, num_links: int, path: Path) -> Path:
    """Writes links to `num_links` images, every hundredth of them invalid."""
    urls = [origin.link(number) if number % round(1 / INVALID_SHARE) else "n/a" for number in range(num_links)]
    pl.DataFrame({"product_id": [f"p:{number}" for number in range(num_links)], "image_url": urls}).write_parquet(path)
    return path


def ours(links: Path, scratch: Path, connections: int, *words: str) -> tuple[float, Measured]:
    """Measures stored images per second of a whole process, start-up included."""
    out = scratch / "ours"
    shutil.rmtree(out, ignore_errors=True)
    command = [sys.executable, "-m", "benchmarks.download_ours", str(links), str(out), str(connections), *words]
    took = measure(command, scratch / "ours.log")
    stored = pl.scan_parquet(out / "images" / "*.parquet").select(pl.len()).collect().item()
    return stored / took.wall_s, took


def theirs(links: Path, scratch: Path, threads: int, peer: Path) -> tuple[float, Measured]:
    """Measures img2dataset likewise: a process per core, its defaults except for what ours does, too."""
    out = scratch / "theirs"
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
    took = measure(command, scratch / "theirs.log", {"NO_ALBUMENTATIONS_UPDATE": "1"})
    stored = pl.scan_parquet(out / "*.parquet").filter(pl.col("status") == "success").select(pl.len()).collect().item()
    return stored / took.wall_s, took


def politeness(scratch: Path, num_hosts: int = 200, links_a_host: int = 60) -> Claim:
    """Measures how much longer 199 hosts take when the other one of 200 is limited to two requests per second."""
    ratios = []
    with serving(PHOTOGRAPHS, num_hosts=num_hosts) as origin:
        links = write_links(origin, num_hosts * links_a_host, scratch / "links.parquet")
        slow = origin.hosts[1]
        for _ in range(NUM_RUNS):
            free, polite = (_others_s(links, scratch, slow, *words) for words in ((), ("--slow-host", slow)))
            print(f"{num_hosts - 1} hosts: {polite:.2f} s beside a slow one, {free:.2f} s without it", flush=True)
            ratios.append(polite / free)
    slower = 100 * (statistics.median(ratios) - 1)
    return at_most(f"slowdown of the others when one host of {num_hosts} is limited to 2 requests/s", slower, 5.0, "%")


def _others_s(links: Path, scratch: Path, slow: str, *words: str) -> float:
    """Measures the seconds from the first to the last image of all hosts but one."""
    ours(links, scratch, 8, *words)
    outcomes = pl.read_parquet(scratch / "ours" / "outcomes" / "*.parquet")
    others = outcomes.filter(pl.col("attempts") > 0, ~pl.col("image_url").str.contains(slow, literal=True))
    ended = others["fetched_at"]
    return float((ended.max() - ended.min()).total_seconds())  # type: ignore[operator, union-attr]


if __name__ == "__main__":
    main()
