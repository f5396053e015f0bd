"""The run launcher: Dagster's own, which can also tell that a run's process is gone, whatever has died with it.

A code server tells of its runs' processes as long as it lives. What dies with the whole machine nobody would tell of:
such a run would be under way for ever and keep its place on the device.
"""

import psutil
from dagster import DagsterEventType, DagsterRun, DefaultRunLauncher
from dagster._core.launcher import CheckRunHealthResult, WorkerStatus  # which Dagster does not export

PID = "pid"


class WatchedRunLauncher(DefaultRunLauncher):
    """Where daemon and code server share a machine: run monitoring looks for the run's process."""

    @property
    def supports_check_run_worker_health(self) -> bool:
        """So that run monitoring asks."""
        return True

    def check_run_worker_health(self, run: DagsterRun) -> CheckRunHealthResult:
        """Whether the process that said it had started for the run is still there, and no later one of its number."""
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
