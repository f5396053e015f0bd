"""Exports in a process that kills itself by SIGKILL before the n-th call of a function, `module:name`.

Usage: python -m tests.faults.export_until_killed FUNCTION NUM_CALLS ARGUMENTS OF shelfsight export
"""

import sys

from shelfsight.cli.command import main
from tests.faults.kill_at import kill_at

if __name__ == "__main__":
    kill_at(sys.argv[1], "before", int(sys.argv[2]))
    sys.exit(main(["export", *sys.argv[3:]]))
