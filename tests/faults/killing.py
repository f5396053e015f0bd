"""Runs of assets in processes of their own that are killed by SIGKILL at a moment, with all that they started."""

import os
import signal
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import dagster as dg

from tests.fork_server import start
from tests.patience import PATIENCE_S, until


@dataclass(frozen=True)
class Moment:
    """Before or after the n-th call of a function, `module:name` or `module:class.name`."""

    when: str
    function: str
    num_calls: int = 1


def killed(root: Path, assets: str, moment: Moment, partition: str = "") -> None:
    """Materialize assets of a store until the moment, at which the process dies, and all that it started with it.

    Then do what a code server and a daemon do of such a run: it has failed, and its pool slots are free.
    """
    arguments = [str(root), assets, partition, moment.function, moment.when, str(moment.num_calls)]
    with tempfile.NamedTemporaryFile() as output:
        process = start("tests.faults.preloaded_run:run_until", arguments, Path(output.name))
        try:
            returncode = process.poll(PATIENCE_S)
            assert returncode == -signal.SIGKILL, f"{moment} never came:\n{process.output}"
            until(lambda: not living(process.pid), "the end of what the process had started")
        finally:
            for pid in living(process.pid):
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
    with dg.DagsterInstance.from_config(str(root / "dagster")) as instance:
        for run in instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTED])):
            instance.report_run_failed(run)
            instance.event_log_storage.free_concurrency_slots_for_run(run.run_id)


def living(session: int) -> list[int]:
    """The processes of a session that go on; those that wait to be buried do not."""
    found = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, _, its_session = status.read_text().rpartition(")")[2].split()[:4]
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(its_session) == session and state != "Z":
            found.append(int(status.parent.name))
    return found
