"""Policies: the decisions that a project makes once, as resources that sensors and checks read."""

from dataclasses import fields

import dagster as dg
from pydantic import Field

from catalog.feeds.deliveries import MAX_DELIVERY_ROWS
from catalog.feeds.feed_access import DEFAULT_ACCESS, FeedAccess
from catalog.products.feed_limits import GateLimits


class ArrivalPolicy(dg.ConfigurableResource):  # type: ignore[type-arg]
    """The job that a new feed starts: `ingest`, or `parse` where the download waits for a person.

    A feed of more than `max_delivery_rows` rows becomes several deliveries. A feed at a URL is fetched within
    `feed_timeout_s`, from public addresses and those of `allowed_networks`, which commas separate.
    """

    job: str = "ingest"
    max_delivery_rows: int = MAX_DELIVERY_ROWS
    allowed_networks: str = ""
    feed_timeout_s: float = DEFAULT_ACCESS.timeout_s

    @property
    def access(self) -> FeedAccess:
        """The limits within which a feed at a URL is fetched."""
        networks = tuple(filter(None, map(str.strip, self.allowed_networks.split(","))))
        return FeedAccess(allowed_networks=networks, timeout_s=self.feed_timeout_s)


class GatePolicy(dg.ConfigurableResource):  # type: ignore[type-arg]
    """The difference beyond which a new version of a feed waits for a person, in shares; see `GateLimits`.

    A partner's own limits replace these. `kept_versions` former versions of each feed are kept for a rollback.
    """

    min_taken: float = GateLimits.min_taken
    max_removed: float = GateLimits.max_removed
    max_new: float = GateLimits.max_new
    max_labels_lost: float = GateLimits.max_labels_lost
    max_labels_changed: float = GateLimits.max_labels_changed
    max_links_lost: float = GateLimits.max_links_lost
    max_links_changed: float = GateLimits.max_links_changed
    max_images_changed: float = GateLimits.max_images_changed
    min_products: int = GateLimits.min_products
    kept_versions: int = 5

    @property
    def limits(self) -> GateLimits:
        """The project's limits."""
        return GateLimits(**{each.name: getattr(self, each.name) for each in fields(GateLimits)})


class FreshnessPolicy(dg.ConfigurableResource):  # type: ignore[type-arg]
    """The days after which a partner's newer feed is missed, unless the partner's own settings say otherwise."""

    max_feed_age_days: float = 2.0


class GroupingPolicy(dg.ConfigurableResource):  # type: ignore[type-arg]
    """The number of different images that may form one near-duplicate group.

    Copies of an image that shops recompress or resize come by the dozen; a larger group is a chain of look-alikes.
    """

    max_images: int = 100


class FirstChampionPolicy(dg.ConfigurableResource):  # type: ignore[type-arg]
    """The classifiers that are trained first, and the number of usable labels that start it."""

    classifiers: list[str] = Field(default_factory=list)
    min_labels: int = 100


class RetrainingPolicy(dg.ConfigurableResource):  # type: ignore[type-arg]
    """The number of new labels that justify a training run, and the seconds of runs allowed within 24 hours."""

    min_new_labels: int = 100
    max_seconds_a_day: float = 4 * 3600.0
