"""Settings of every process of the tests: one thread each, short trainings, eager sensors."""

import os
import signal
import sys
from pathlib import Path

IN_EVERY_PROCESS = str(Path(__file__).parent / "in_every_process")

# Before anything is imported that reads them; tests run side by side, a core each.
for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "1")
# A thread that waits for others leaves its core to another process instead of spinning.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
# Java virtual machines compile their code once and quickly: they run for seconds.
os.environ.setdefault("JAVA_TOOL_OPTIONS", "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC")
# A shell that runs the tests in the background lets them ignore interrupts, and services would inherit that: Dagster's
# end neither by SIGINT nor, since they treat it alike, by SIGTERM.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
# For this process, and by its sitecustomize.py for every one that a test starts.
if IN_EVERY_PROCESS not in sys.path:
    sys.path.append(IN_EVERY_PROCESS)
    inherited = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = IN_EVERY_PROCESS if not inherited else f"{IN_EVERY_PROCESS}{os.pathsep}{inherited}"

import brevity  # noqa: E402

brevity.install()
