"""Imported by Python at the start of every process whose PYTHONPATH has this folder, as those that tests start have."""

import brevity

brevity.install()
