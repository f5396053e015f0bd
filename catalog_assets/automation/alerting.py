"""Alerting: every failed run, with its cause, is posted to a webhook; what cannot be posted is kept and retried."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime

import dagster as dg

from catalog.products.feed_verdicts import FeedVerdict
from catalog_assets.ingestion.products import STOPPED_VERSION
from resources.alerts import Alerts
from resources.store import Store

MAX_CAUSE = 500  # characters


@dg.run_failure_sensor(default_status=dg.DefaultSensorStatus.RUNNING, minimum_interval_seconds=15)
def failure_sensor(context: dg.RunFailureSensorContext, alerts: Alerts, store: Store) -> dg.SkipReason | None:
    """Keeps an alert of every failed run: its job, partition, step and error message. `alert_sensor` posts it."""
    run = context.dagster_run
    cause, step, stopped = context.failure_event.message, "", None
    for event in context.get_step_failure_events():
        error = event.step_failure_data.error
        while error is not None and error.cause is not None:
            error = error.cause
        own = event.step_failure_data.user_failure_data
        stopped = _stopped(store, own.metadata) if own is not None else None
        described = own.description if own is not None else None
        step, cause = event.step_key or "", described or (error.message if error is not None else cause)
    partition = run.tags.get("dagster/partition", "")
    subject = f"{run.job_name}[{partition}]" if partition else run.job_name
    if not alerts.webhook:
        return dg.SkipReason(f"{subject} failed, and SHELFSIGHT_WEBHOOK is not set")
    if stopped is not None and stopped.alerted_at:  # by the run of another part of the feed
        return dg.SkipReason(f"version {stopped.version} of {stopped.feed_key} is reported already")
    cause = " ".join((cause or "no cause was recorded").split())[:MAX_CAUSE]
    details = {"job": run.job_name, "partition": partition, "step": step, "run_id": run.run_id, "cause": cause}
    alerts.queue(run.run_id, f"{subject} failed: {cause}", details)
    if stopped is not None:
        store.feed_versions(stopped.feed_key).save(replace(stopped, alerted_at=datetime.now(UTC).isoformat()))
    return None


def _stopped(store: Store, metadata: Mapping[str, dg.MetadataValue]) -> FeedVerdict | None:
    """Returns the verdict by which a version of a feed is stopped, if that is why a run failed."""
    if STOPPED_VERSION not in metadata:
        return None
    versions = store.feed_versions(str(metadata["delivery"].value))
    return versions.verdict(str(metadata[STOPPED_VERSION].value))


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
