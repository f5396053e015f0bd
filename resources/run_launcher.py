"""The run launcher: Dagster's own, which also notices that a run's process is gone.

A code server reports on its runs' processes as long as it lives. After a restart of the whole machine nothing would
report on them: such runs would stay in progress for ever and keep their slot of the device.
"""

from collections.abc import Iterator

import psutil
from dagster import DagsterEventType, DagsterRun, DefaultRunLauncher

from resources.dagster_internals import CheckRunHealthResult, WorkerStatus

PID = "pid"


class WatchedRunLauncher(DefaultRunLauncher):
    """Lets run monitoring look for a run's process, where daemon and code server share a machine."""

    @property
    def supports_check_run_worker_health(self) -> bool:
        """Makes run monitoring call `check_run_worker_health`."""
        return True

    def check_run_worker_health(self, run: DagsterRun) -> CheckRunHealthResult:
        """Reports NOT_FOUND where every process that was started for the run is gone.

        Two daemons may start a run twice. The second process ends at once, and the run goes on in the first.
        """
        started = dict(self._processes(run))
        if started and not any(_is_alive(pid, since) for pid, since in started.items()):
            names = ", ".join(map(str, started))
            return CheckRunHealthResult(WorkerStatus.NOT_FOUND, f"process {names} of the run is gone")
        return CheckRunHealthResult(WorkerStatus.RUNNING)

    def _processes(self, run: DagsterRun) -> Iterator[tuple[int, float]]:
        """Yields the id and the start (Unix seconds, at the latest) of each process of a run."""
        for record in self._instance.all_logs(run.run_id, of_type=DagsterEventType.ENGINE_EVENT):
            pid = record.get_dagster_event().engine_event_data.metadata.get(PID)
            if pid is not None:
                yield int(str(pid.value)), record.timestamp


def _is_alive(pid: int, since: float) -> bool:
    """Returns False also where another process has the id by now."""
    try:
        process = psutil.Process(pid)
        return bool(process.create_time() <= since and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False
