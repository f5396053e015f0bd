"""Downloads a delivery in a process of its own and prints the memory of it and of its decoders.

Usage: python -m tests.faults.weigh_download PRODUCTS.parquet FOLDER
Prints one line of JSON: peak resident bytes of the process itself and of the largest of its children, and the number of
images that were downloaded.
"""

import json
import re
import resource
import sys
from dataclasses import replace
from pathlib import Path

import polars as pl
from upath import UPath

from tests.catalog.download.download_until_killed import download
from tests.faults.test_hostile_delivery import SETTINGS


def peak_of_this_process() -> int:
    """From its own memory alone: `getrusage` of a process counts its parent's, from before the fork."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert found
    return int(found[1]) * 1024


if __name__ == "__main__":
    # What never ends fills no more memory the longer it is waited for.
    settings = replace(SETTINGS, idle_timeout_s=3.0, timeout_s=5.0, decode_timeout_s=20.0)
    outcomes = download(pl.read_parquet(sys.argv[1]), UPath(sys.argv[2]), settings)
    peaks = {
        "itself": peak_of_this_process(),
        "largest_decoder": resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024,
        "num_ok": outcomes.filter(status="ok").height,
    }
    print(json.dumps(peaks))  # noqa: T201 that is what it is for
