"""Downloads a delivery in a process of its own and says how much memory that took, in it and in its decoders.

Usage: python -m tests.faults.weigh_download PRODUCTS.parquet FOLDER
Prints one line of JSON: peak resident bytes of the process itself and of the largest of its children.
"""

import json
import re
import resource
import sys
from pathlib import Path

import polars as pl
from upath import UPath

from tests.catalog.images.download_until_killed import download
from tests.faults.test_hostile_delivery import SETTINGS


def peak_of_this_process() -> int:
    """From its own memory alone: what `getrusage` says of a process counts its parent's, from before it was itself."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert found
    return int(found[1]) * 1024


if __name__ == "__main__":
    download(pl.read_parquet(sys.argv[1]), UPath(sys.argv[2]), SETTINGS)
    peaks = {
        "itself": peak_of_this_process(),
        "largest_decoder": resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024,
    }
    print(json.dumps(peaks))  # noqa: T201 that is what it is for
