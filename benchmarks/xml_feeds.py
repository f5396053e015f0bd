"""XML feeds: the recovering reader on whole and broken feeds, compared with the strict one that it replaced.

make bench NAME=xml_feeds
"""

import argparse
import json
import statistics
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

from benchmarks.claims import at_least_times, at_most, at_most_times, figure, publish
from benchmarks.peers import BENCH
from benchmarks.processes import measure
from benchmarks.product_feeds import HEADER, part

NUM_RUNS = 3
BROKEN_EVERY = 100
FOLDER = BENCH / "xml_feeds"
OPEN = '<?xml version="1.0" encoding="utf-8"?>\n<rss version="2.0" xmlns:g="http://base.google.com/ns/1.0"><channel>\n'
SHIPPING = "<g:shipping><g:country>DE</g:country><g:price>4.00 EUR</g:price></g:shipping>"


def main() -> None:
    """Measures, prints and publishes."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=100_000)
    num_rows = parser.parse_args().rows
    small, whole, dirty = written(num_rows // 10), written(num_rows), written(num_rows, is_broken=True)
    runs = [(run("ours", whole), run("strict", whole), run("ours", dirty), run("ours", small)) for _ in range(NUM_RUNS)]
    ours, strict, ours_broken, ours_small = ([each[side] for each in runs] for side in range(4))
    name = f"{num_rows:,} products of RSS"
    rates = [num_rows / statistics.median(each["cpu_s"] for each in side) for side in (ours, strict, ours_broken)]
    peak, smaller = (max(each["peak_mib"] for each in side) for side in (ours, ours_small))
    num_broken = len(range(0, num_rows, BROKEN_EVERY))
    publish(
        "xml_feeds",
        [
            at_least_times(f"{name} read, a core, against the strict reader", rates[0], rates[1], 0.7, "rows/s"),
            figure(f"{name}, of which 1 % are broken in ten ways", rates[2], "rows/s"),
            at_most(
                f"{name}, of which {num_broken:,} are broken: products lost",
                num_rows - min(each["rows"] for each in ours_broken),
                num_broken,
                "products",
            ),
            at_most_times(f"{name}: peak memory against a tenth of the products", peak, smaller, 1.1, "MiB"),
        ],
    )


def run(side: str, feed: Path) -> dict[str, Any]:
    """Measures one reading in a new process."""
    log = FOLDER / f"{side}.log"
    measured = measure([sys.executable, "-m", "benchmarks.xml_feeds_side", side, str(feed)], log)
    result: dict[str, Any] = json.loads(log.read_text())
    print(f"{feed.name}, {side}: {result}, {measured.peak_mib:.0f} MiB", flush=True)
    return result | {"peak_mib": measured.peak_mib}


def written(num_rows: int, *, is_broken: bool = False) -> Path:
    """Writes a feed unless it is there."""
    path = FOLDER / f"feed-{num_rows}{'-broken' if is_broken else ''}.xml"
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        with path.open("wb") as file:
            file.write(OPEN.encode())
            for number, content in enumerate(products(num_rows)):
                is_hit = is_broken and number % BROKEN_EVERY == 0
                file.write(broken(content, number // BROKEN_EVERY) if is_hit else content)
            file.write(b"</channel></rss>\n")
    return path


def products(num_rows: int) -> Iterator[bytes]:
    """Yields products as shops write them: the description in CDATA, shipping nested."""
    for row in part(0, num_rows).iter_rows():
        attributes = dict(zip(HEADER, row, strict=True))
        lines = [f"<g:{name}>{escape(text)}</g:{name}>" for name, text in attributes.items() if name != "description"]
        lines.append(f"<g:description><![CDATA[<p>{attributes['description']}</p>]]></g:description>{SHIPPING}")
        yield ("<item>\n" + "\n".join(lines) + "\n</item>\n").encode()


def broken(content: bytes, kind: int) -> bytes:
    """Returns a product that is lost, or that loses an attribute: there is one rejected row for it."""
    ways = (
        content.replace(b"</item>\n", b""),
        content.replace(b"</g:shipping>", b""),
        content.replace(b"</g:id>", b""),
        content.replace(b"<g:shipping>", b""),
        content.replace(b"]]>", b""),
        content[: len(content) // 2] + b"\n",
        content.replace(b"<g:id>", b"<g:id>\x02"),
        content.replace(b"</g:title>", b"</g:name>"),
        content.replace(b"<g:title>", b"<g:title>\xff"),
        content.replace(b"<g:image_link>", b"<g:image_link>\x02"),
    )
    return ways[kind % len(ways)]


if __name__ == "__main__":
    main()
