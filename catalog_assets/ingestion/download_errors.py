"""Download errors: the check of a delivery's unforeseen errors, and the alert where they are too many.

Such an error ends one link, which the next download fetches again, so nothing else shows that this program or a
library has a fault.
"""

import logging

import dagster as dg
import polars as pl

from catalog.images.statuses import Status
from catalog_assets.idioms.partitioned_checks import partitioned_check
from catalog_assets.partitions import deliveries
from resources.alerts import AlertNotPostedError, Alerts

MAX_SHARE_INTERNAL = 0.01

# Not blocking: the other links of the delivery have their images.
DOWNLOAD_ERRORS = partitioned_check(
    "download_errors",
    asset="outcomes",
    partitions_def=deliveries,
    description=f"At most {MAX_SHARE_INTERNAL:.0%} of a delivery's links ended in an error that nobody foresaw.",
)


def check_errors(delivery: str, outcomes: pl.DataFrame, alerts: Alerts, log: logging.Logger) -> dg.AssetCheckResult:
    """Returns the result of `download_errors`; one that does not pass becomes an alert, if there is a webhook.

    An alert that can be neither kept nor posted is logged: it fails no delivery.
    """
    num_errors = outcomes.filter(status=Status.INTERNAL_ERROR).height
    share = num_errors / max(1, len(outcomes))
    words = (
        f"{share:.1%} of the links of {delivery!r} ended in internal_error; at most {MAX_SHARE_INTERNAL:.0%} may. The "
        "log of the step `download` names their causes; the next download fetches them again"
    )
    passed = share <= MAX_SHARE_INTERNAL
    if not passed and alerts.webhook:
        try:
            details = {"job": "download", "partition": delivery}
            alerts.queue(f"download-errors-{delivery}", f"download[{delivery}]: {words}", details)
        except AlertNotPostedError as error:
            log.warning(f"the alert of {delivery!r} was neither kept nor posted: {error}")
    return dg.AssetCheckResult(
        asset_key="outcomes",
        check_name="download_errors",
        passed=passed,
        severity=dg.AssetCheckSeverity.WARN,
        description=words,
        metadata={"share_internal_error": share, "internal_error": num_errors, "links": len(outcomes)},
    )
