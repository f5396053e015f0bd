"""One side of the benchmark of XML feeds: reads a feed and prints its rows, rejected rows and CPU seconds as JSON.

python -m benchmarks.xml_feeds_side ours|strict FEED
"""

import json
import sys
import time
from pathlib import Path

from benchmarks.strict_xml import read_strictly
from catalog.feeds.google_xml import read_google_xml


def main() -> None:
    """Reads the feed, and nothing else, within the measured time."""
    read = {"ours": read_google_xml, "strict": read_strictly}[sys.argv[1]]
    num_rows = num_rejected = 0
    with Path(sys.argv[2]).open("rb") as file:
        started = time.process_time()
        for batch in read(file, sys.argv[2]):
            num_rows += batch.rows.height
            num_rejected += batch.rejected.height
        cpu_s = time.process_time() - started
    print(json.dumps({"rows": num_rows, "rejected": num_rejected, "cpu_s": cpu_s}))


if __name__ == "__main__":
    main()
