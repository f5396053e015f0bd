"""The definitions of automation."""

import dagster as dg

from catalog_assets.automation.alerting import alert_sensor, failure_sensor
from catalog_assets.automation.conditions_sensor import automation_sensor
from catalog_assets.automation.drift import drift
from catalog_assets.automation.embedding_drift import embedding_drift
from catalog_assets.automation.feed_freshness import feed_freshness, freshness_schedule
from catalog_assets.automation.first_champion import first_champion_sensor
from catalog_assets.automation.golden_score import golden_score
from catalog_assets.automation.jobs import JOBS
from catalog_assets.automation.link_rot import link_rot, recheck_schedule
from catalog_assets.automation.retention import retain
from catalog_assets.automation.retraining import retraining_sensor
from catalog_assets.automation.warehouse import warehouse

defs = dg.Definitions(
    assets=[
        drift,
        embedding_drift,
        feed_freshness,
        golden_score,
        link_rot,
        warehouse,
    ],
    jobs=[*JOBS, retain],
    sensors=[first_champion_sensor, retraining_sensor, failure_sensor, alert_sensor, automation_sensor],
    schedules=[recheck_schedule, freshness_schedule],
)
