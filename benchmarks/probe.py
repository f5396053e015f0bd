"""Probe: the accuracy of its forecast for the download that follows, and the cost of sampling 36 million links.

make bench NAME=probe
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path

import polars as pl
from upath import UPath

from benchmarks.claims import Claim, at_most, figure, publish
from benchmarks.download import PHOTOGRAPHS
from benchmarks.origin import serving
from benchmarks.processes import measure
from catalog.download.delivery import download_delivery
from catalog.download.fetching import FetchSettings
from catalog.download.host_limiter import Politeness
from catalog.probe.estimates import total
from catalog.probe.forecast import forecast
from catalog.probe.probing import probe
from catalog.probe.sampling import Sampling, draw, links_to_fetch
from catalog.storage.cores import num_cores

DELIVERY_ROWS = 100_000
NUM_PARTNERS, NUM_HOSTS = 40, 200


def main() -> None:
    """Measures, prints and publishes; with ``--draw`` only draws from the deliveries in a folder."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--links", type=int, default=20_000)
    parser.add_argument("--deliveries", type=int, default=360)
    parser.add_argument("--draw", type=Path)
    options = parser.parse_args()
    if options.draw:
        print(len(draw([links_to_fetch(pl.scan_parquet(file)) for file in options.draw.glob("*.parquet")], Sampling())))
        return
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        publish("probe", [*forecasts(options.links, scratch), *drawing(options.deliveries, scratch / "deliveries")])


def forecasts(num_links: int, scratch: Path) -> list[Claim]:
    """Probes a tenth of the links, then downloads all of them from 20 hosts: forecast against measurement."""
    settings = FetchSettings(allowed_networks=("127.0.0.0/8",), politeness=Politeness(max_connections=8))
    with serving(PHOTOGRAPHS, num_hosts=20) as origin:
        products = pl.DataFrame(
            {
                "product_id": [f"p:{number}" for number in range(num_links)],
                "partner_id": "p",
                "image_url": [origin.link(number) if number % 100 else "n/a" for number in range(num_links)],
                "delivery": "d",
            }
        )
        sample = draw([links_to_fetch(products.lazy())], Sampling(num_links=num_links // 10))
        probed = probe(sample, settings, num_cores=num_cores())
        expected, stored = forecast(probed, settings, num_cores()), total(probed.rows, "bytes_stored")
        started = time.perf_counter()
        outcomes = download_delivery(
            products.select("product_id", "image_url"),
            images=UPath(scratch / "images"),
            outcomes=UPath(scratch / "outcomes"),
            settings=settings,
        )
        took_s = time.perf_counter() - started
    num_bytes = outcomes.filter(status="ok")["bytes"].sum()
    print(f"expected {expected.seconds:.1f} s, bound by {expected.binding.words}; took {took_s:.1f} s", flush=True)
    print(f"expected {stored.low:,.0f} to {stored.high:,.0f} bytes; stored {num_bytes:,}", flush=True)
    off = max(expected.seconds / took_s, took_s / expected.seconds)
    subject = f"a probe of {num_links // 10:,} of {num_links:,} links on 20 hosts"
    return [
        at_most(f"{subject}: error factor of the estimated download time", off, 2.0, "times"),
        at_most(f"{subject}: error of the estimated stored bytes", 100 * abs(stored.value / num_bytes - 1), 5.0, "%"),
    ]


def drawing(num_deliveries: int, folder: Path) -> list[Claim]:
    """Draws 10,000 links from generated deliveries, in a separate process."""
    folder.mkdir()
    for number in range(num_deliveries):
        _deliver(number, folder / f"{number}.parquet")
    command = [sys.executable, "-m", "benchmarks.probe", "--draw", str(folder)]
    took = measure(command, folder.parent / "draw.log")
    subject = f"drawing 10,000 of {num_deliveries * DELIVERY_ROWS / 1e6:g} million links"
    return [
        figure(subject, took.wall_s, "s"),
        at_most(f"{subject}: peak memory", took.peak_mib / 1024, 1.0, "GiB"),
    ]


def _deliver(number: int, file: Path) -> None:
    """Writes one delivery of a partner with links to many hosts, a few of them large."""
    row = pl.col("row")
    host = (NUM_HOSTS * (row / DELIVERY_ROWS) ** 3).cast(pl.Int64)
    url = pl.format("https://cdn{}.images.example/media/catalog/product/{}/{}.jpg", host, pl.lit(number), row)
    partner = pl.lit(f"partner{number % NUM_PARTNERS}")
    pl.select(row=pl.int_range(DELIVERY_ROWS)).select(
        product_id=pl.format("{}:item-{}-{}", partner, pl.lit(number), row),
        partner_id=partner,
        image_url=pl.when(row % 100 == 7).then(pl.lit("n/a")).otherwise(url),
        delivery=pl.lit(f"delivery{number}"),
    ).write_parquet(file)


if __name__ == "__main__":
    main()
