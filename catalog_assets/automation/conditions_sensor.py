"""The sensor that evaluates the automation conditions of all assets."""

import dagster as dg

from catalog_assets.idioms.priorities import REFRESH

automation_sensor = dg.AutomationConditionSensorDefinition(
    "automation",
    target=dg.AssetSelection.all(),
    default_status=dg.DefaultSensorStatus.RUNNING,
    minimum_interval_seconds=15,
    run_tags=REFRESH,
)
