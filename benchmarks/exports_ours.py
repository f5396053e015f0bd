"""Our side of the exports benchmark: `shelfsight export`, as it is typed.

python -m benchmarks.exports_ours catalog FILE --store STORE
"""

import sys

from shelfsight.cli.command import main

if __name__ == "__main__":
    sys.exit(main(["export", *sys.argv[1:]]))
