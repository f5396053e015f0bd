"""The health of a run's process, as run monitoring sees it."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import dagster as dg
import pytest

from resources.dagster_internals import WorkerStatus
from resources.instance import SHIPPED
from tests.dagster_internals import EngineEventData


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    (tmp_path / "dagster.yaml").write_text(SHIPPED.read_text())
    with dg.DagsterInstance.from_config(str(tmp_path)) as instance:
        yield instance


def gone() -> int:
    """The id of a process that has ended."""
    process = subprocess.Popen([sys.executable, "-S", "-c", ""])
    process.wait()
    return process.pid


@pytest.mark.parametrize(
    ("pids", "status"),
    [
        (lambda: [], WorkerStatus.RUNNING),  # not started yet
        (lambda: [os.getpid()], WorkerStatus.RUNNING),
        (lambda: [gone()], WorkerStatus.NOT_FOUND),
        (lambda: [os.getpid(), gone()], WorkerStatus.RUNNING),  # a second daemon started it, too
        (lambda: [gone(), gone()], WorkerStatus.NOT_FOUND),
    ],
    ids=["none", "alive", "gone", "started twice", "both gone"],
)
def test_a_run_has_lost_its_process_where_none_of_those_started_for_it_is_left(
    instance: dg.DagsterInstance, pids: Callable[[], list[int]], status: WorkerStatus
) -> None:
    @dg.job
    def nothing() -> None: ...

    run = instance.create_run_for_job(nothing)
    for pid in pids():
        data = EngineEventData({"pid": dg.MetadataValue.text(str(pid))})
        instance.report_engine_event("Started process for run", run, data)
    assert instance.run_launcher.check_run_worker_health(run).status == status
