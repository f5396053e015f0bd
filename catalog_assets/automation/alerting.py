"""Alerting: every failed run, with its cause, is posted to a webhook; what cannot be posted is kept and retried."""

import dagster as dg

from resources.alerts import Alerts

MAX_CAUSE = 500  # characters


@dg.run_failure_sensor(default_status=dg.DefaultSensorStatus.RUNNING, minimum_interval_seconds=15)
def failure_sensor(context: dg.RunFailureSensorContext, alerts: Alerts) -> dg.SkipReason | None:
    """Keeps an alert of every failed run: its job, partition, step and error message. `alert_sensor` posts it."""
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
    alerts.queue(run.run_id, f"{subject} failed: {cause}", details)
    return None


@dg.sensor(default_status=dg.DefaultSensorStatus.RUNNING, minimum_interval_seconds=15)
def alert_sensor(alerts: Alerts) -> dg.SkipReason:
    """Posts the alerts that wait, and retries those that could not be posted after 30 s, a minute, ... an hour."""
    num_waiting = len(alerts.pending.waiting())
    if not num_waiting:
        return dg.SkipReason("no alert waits")
    if not alerts.webhook:
        return dg.SkipReason(f"{num_waiting:,} alerts wait in {alerts.folder}, and SHELFSIGHT_WEBHOOK is not set")
    sent = alerts.deliver()
    problem = f"; {sent.problem}, and it is retried" if sent.problem else ""
    return dg.SkipReason(f"{sent.num_sent:,} alerts posted, {sent.num_waiting:,} wait in {alerts.folder}{problem}")
