"""The resources of a project, built from its settings."""

from typing import Any

import dagster as dg

from catalog.feeds.deliveries import PARTS
from resources.alerts import ALERTS, Alerts
from resources.compute import Compute
from resources.downloader import ImageDownloader, SparkImageDownloader
from resources.feed_parser import FeedParser, SparkFeedParser
from resources.images import StoredImages
from resources.mlflow.tracking import Tracking
from resources.policies import (
    ArrivalPolicy,
    FirstChampionPolicy,
    FreshnessPolicy,
    GatePolicy,
    GroupingPolicy,
    RetrainingPolicy,
)
from resources.predictor import CatalogPredictor, SparkCatalogPredictor
from resources.recipes import planned
from resources.settings import Settings, project_file, set_default, variable_of
from resources.spark.session import Spark
from resources.store import Store
from resources.tables import TableIO


def configured(settings: Settings) -> dict[str, object]:
    """All resources over the store that the settings name."""
    store = Store.of(settings)
    return {
        "store": store,
        "tables": TableIO(store=store),
        "stored_images": StoredImages(
            store=store,
            max_pixels_gib=settings.max_pixels_gib,
            short_side_px=settings.images_short_side_px,
            quality=settings.images_quality,
            max_pixels=settings.images_max_pixels,
        ),
        **engine(settings, str(store.reference), str(store.delivery_records / PARTS)),
        "compute": Compute(device=settings.device, num_ranks=settings.ranks, launcher=settings.launcher),
        "alerts": Alerts(
            webhook=_secret(settings, "webhook", ""),
            allowed_networks=settings.allowed_networks,
            folder=str(store.path / ALERTS),
        ),
        "tracking": Tracking(
            uri=_secret(settings, "mlflow_tracking_uri", f"sqlite:///{store.scratch / 'mlflow' / 'mlflow.db'}"),
            artifacts=str(store.path / "mlflow" / "artifacts"),
        ),
        "arrival_policy": arrival_policy(settings),
        "gate_policy": gate_policy(settings),
        "freshness_policy": FreshnessPolicy(max_feed_age_days=settings.max_feed_age_days),
        "grouping_policy": GroupingPolicy(max_images=settings.max_group_images),
        "first_champion_policy": FirstChampionPolicy(
            classifiers=list(planned(project_file()).get("classifiers", ())), min_labels=settings.min_labels
        ),
        "retraining_policy": RetrainingPolicy(
            min_new_labels=settings.retrain_min_new_labels, max_seconds_a_day=settings.retrain_seconds_a_day
        ),
    }


def arrival_policy(settings: Settings) -> ArrivalPolicy:
    """The policy for new feeds."""
    return ArrivalPolicy(
        job=settings.on_arrival,
        max_delivery_rows=settings.max_delivery_rows,
        allowed_networks=settings.allowed_networks,
        feed_timeout_s=settings.feed_timeout_s,
    )


def gate_policy(settings: Settings) -> GatePolicy:
    """The limits of change of redelivered feeds, and the number of kept versions."""
    limits = {name: getattr(settings, f"gate_{name}") for name in GatePolicy.model_fields if name != "kept_versions"}
    return GatePolicy(**limits, kept_versions=settings.gate_kept_versions)


def engine(settings: Settings, reference: str, parts: str = "") -> dict[str, object]:
    """The resources that parse feeds, download images and predict categories, on the engine that the settings name."""
    download = download_settings(settings, reference) | {"parts": parts}
    if settings.engine == "local":
        return {
            "feed_parser": FeedParser(),
            "image_downloader": ImageDownloader(**download),
            "catalog_predictor": CatalogPredictor(coverage=settings.coverage),
        }
    spark = Spark(master=settings.spark_master, environment=settings.spark_environment)
    return {
        "feed_parser": SparkFeedParser(spark=spark),
        "image_downloader": SparkImageDownloader(spark=spark, **download),
        "catalog_predictor": SparkCatalogPredictor(spark=spark, coverage=settings.coverage),
    }


def download_settings(settings: Settings, reference: str) -> dict[str, Any]:
    """The fields of an `ImageDownloader`."""
    return {
        "allowed_networks": settings.allowed_networks,
        "contact": settings.contact,
        "connections_per_host": settings.connections_per_host,
        "timeout_s": settings.timeout_s,
        "requests_per_s_per_host": settings.requests_per_s_per_host,
        "reference": reference,
        "image_roots": settings.image_places,
        "honor_robots": settings.honor_robots,
        "short_side_px": settings.images_short_side_px,
        "quality": settings.images_quality,
        "max_pixels": settings.images_max_pixels,
    }


def _secret(settings: Settings, field: str, default: str) -> str:
    """The environment variable of a field that may hold a password, read at launch, as Dagster stores plain values.

    A value of the project's file becomes one of this process and its children.
    """
    value = getattr(settings, field)
    if not value:
        return default
    set_default(variable_of(field), value)
    return dg.EnvVar(variable_of(field))
