"""Downloads a delivery in a process whose files may not grow beyond so many bytes, as on a full disk.

Usage: python -m tests.faults.download_on_small_disk PRODUCTS.parquet FOLDER MAX_FILE_BYTES
"""

import resource
import signal
import sys

import polars as pl
from upath import UPath

from tests.catalog.download.download_until_killed import download

if __name__ == "__main__":
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # then writing fails with an error, as where no space is left
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[3]), resource.RLIM_INFINITY))
    download(pl.read_parquet(sys.argv[1]), UPath(sys.argv[2]))
