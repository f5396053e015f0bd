"""``python -m shelfsight`` runs the command `shelfsight`."""

import sys

from shelfsight.cli.command import main

sys.exit(main())
