"""The run launcher: Dagster's own, which also notices that a run's process is gone.

A code server reports on its runs' processes as long as it lives. After a restart of the whole machine nothing would
report on them: such runs would stay in progress for ever and keep their slot of the device.
"""

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
        """Reports NOT_FOUND where the process that started the run is gone, or another process has its id by now."""
        for record in self._instance.all_logs(run.run_id, of_type=DagsterEventType.ENGINE_EVENT):
            event = record.get_dagster_event()
            pid = event.engine_event_data.metadata.get(PID)
            if pid is not None and not _is_alive(int(str(pid.value)), record.timestamp):
                return CheckRunHealthResult(WorkerStatus.NOT_FOUND, f"process {pid.value} of the run is gone")
        return CheckRunHealthResult(WorkerStatus.RUNNING)


def _is_alive(pid: int, since: float) -> bool:
    try:
        process = psutil.Process(pid)
        return bool(process.create_time() <= since and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False
