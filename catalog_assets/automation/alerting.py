"""Alerting: posts every failed run, with its cause, to a webhook."""

import dagster as dg

from resources.alerts import Alerts

MAX_CAUSE = 500  # characters


@dg.run_failure_sensor(default_status=dg.DefaultSensorStatus.RUNNING, minimum_interval_seconds=15)
def failure_sensor(context: dg.RunFailureSensorContext, alerts: Alerts) -> dg.SkipReason | None:
    """Posts every failed run to the webhook: its job, partition, step and error message."""
    run = context.dagster_run
    cause, step = context.failure_event.message, ""
    for event in context.get_step_failure_events():
        error = event.step_failure_data.error
        while error is not None and error.cause is not None:
            error = error.cause
        step, cause = event.step_key or "", error.message if error is not None else cause
    partition = run.tags.get("dagster/partition", "")
    subject = f"{run.job_name}[{partition}]" if partition else run.job_name
    if not alerts.webhook:
        return dg.SkipReason(f"{subject} failed, and SHELFSIGHT_WEBHOOK is not set")
    cause = " ".join((cause or "no cause was recorded").split())[:MAX_CAUSE]
    details = {"job": run.job_name, "partition": partition, "step": step, "run_id": run.run_id, "cause": cause}
    alerts.post(f"{subject} failed: {cause}", details)
    return None
