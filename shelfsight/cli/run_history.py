"""Runs of deliveries in Dagster's instance: the newest one that makes a table, and the cause of its failure."""

import dagster as dg

JOBS = {"products": ("ingest", "parse"), "outcomes": ("ingest",), "universal_catalog": ("categorize",)}
PARTITION_TAG = "dagster/partition"
MAX_RUNS = 50  # of one delivery that are looked through
MAX_CAUSE = 500  # characters


def newest_run(instance: dg.DagsterInstance, delivery: str, table: str) -> dg.DagsterRun | None:
    """Returns the newest run that made a table of a delivery, or tried to."""
    runs = instance.get_runs(dg.RunsFilter(tags={PARTITION_TAG: delivery}), limit=MAX_RUNS)
    return next((run for run in runs if _makes(run, table)), None)


def cause_of(instance: dg.DagsterInstance, run: dg.DagsterRun) -> str:
    """Returns the cause of a failed run: its failed blocking checks, the error of its step, or of the run itself."""
    return "; ".join(_failed_checks(instance, run)) or _error(instance, run)


def _makes(run: dg.DagsterRun, table: str) -> bool:
    if run.asset_selection:  # empty or None: all of the job
        return dg.AssetKey(table) in run.asset_selection
    return run.job_name in JOBS[table]


def _failed_checks(instance: dg.DagsterInstance, run: dg.DagsterRun) -> list[str]:
    """Describes the failed checks of a run that stop what follows."""
    described = []
    for entry in instance.all_logs(run.run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION):
        assert entry.dagster_event is not None  # noqa: S101 for the type checker: a typed query
        check = entry.dagster_event.asset_check_evaluation_data
        if not check.passed and check.severity == dg.AssetCheckSeverity.ERROR:
            described.append(f"check {check.check_name} failed: {check.description or 'without a description'}")
    return described


def _error(instance: dg.DagsterInstance, run: dg.DagsterRun) -> str:
    """Returns the innermost error of the failed step; without one, as of a killed process, the failure of the run."""
    message = ""
    kinds = {dg.DagsterEventType.STEP_FAILURE, dg.DagsterEventType.RUN_FAILURE}
    for entry in instance.all_logs(run.run_id, of_type=kinds):
        event = entry.dagster_event
        assert event is not None  # noqa: S101 for the type checker: a typed query
        if event.is_step_failure:
            error = event.step_failure_data.error
            while error is not None and error.cause is not None:
                error = error.cause
            description = event.step_failure_data.user_failure_data
            message = (description.description if description else None) or (error.message if error else "") or message
        else:
            message = message or entry.user_message or event.message or ""
    return " ".join(message.split())[:MAX_CAUSE] or "no cause was recorded"
