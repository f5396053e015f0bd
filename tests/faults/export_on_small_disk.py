"""Exports the dataset or the catalog in a process whose files may not grow beyond so many bytes, as on a full disk.

Usage: python -m tests.faults.export_on_small_disk MAX_FILE_BYTES ARGUMENTS OF shelfsight export
"""

import resource
import signal
import sys

from shelfsight.cli.command import main

if __name__ == "__main__":
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # then writing fails with an error, as where no space is left
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]), resource.RLIM_INFINITY))
    sys.exit(main(["export", *sys.argv[2:]]))
