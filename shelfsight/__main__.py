"""``python -m shelfsight``, the same as the command."""

import sys

from shelfsight.command import main

sys.exit(main())
