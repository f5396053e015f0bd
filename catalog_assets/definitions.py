"""Everything shelfsight consists of, wired. Run with ``dagster dev -w workspace.yaml``, or ``make ui``."""

import os
from typing import Any

import dagster as dg

from catalog.files import absolute
from catalog_assets import (
    attributes,
    catalogue,
    champion,
    checks,
    classifiers,
    confidence,
    dataset,
    deployment,
    download_report,
    drift,
    efficiency,
    embedding_drift,
    encoders,
    ensembles,
    evaluation,
    golden_score,
    images,
    label_noise,
    link_rot,
    multimodal,
    probe,
    products,
    quality,
    search,
    similarity,
    students,
    taxonomies,
    titles,
    warehouse,
)
from catalog_assets.alerting import failure_sensor
from catalog_assets.automation import (
    ArrivalPolicy,
    feed_sensor,
    relabelling_sensor,
)
from catalog_assets.checks import GroupingPolicy
from catalog_assets.confidence import COVERAGES
from catalog_assets.console import console
from catalog_assets.executors import executor
from catalog_assets.inbox import max_delivery_rows
from catalog_assets.jobs import JOBS
from catalog_assets.link_rot import recheck_schedule
from catalog_assets.retention import retain
from catalog_assets.retraining import RetrainingPolicy, retraining_sensor
from resources.alerts import Alerts
from resources.compute import Compute
from resources.feed_taker import FeedTaker, SparkFeedTaker
from resources.fetcher import Fetcher, SparkFetcher
from resources.io import TableIO
from resources.labeller import Labeller, SparkLabeller
from resources.pictures import Pictures
from resources.spark import Spark
from resources.store import Store
from resources.tracking import Tracking

ASSET_MODULES = [
    taxonomies,
    products,
    probe,
    images,
    download_report,
    dataset,
    encoders,
    quality,
    similarity,
    embedding_drift,
    label_noise,
    classifiers,
    search,
    students,
    ensembles,
    attributes,
    evaluation,
    confidence,
    efficiency,
    titles,
    multimodal,
    champion,
    deployment,
    catalogue,
    drift,
    golden_score,
    link_rot,
    warehouse,
]


def engine(reference: str) -> dict[str, object]:
    """What reads feeds, downloads and labels, on the engine that ``SHELFSIGHT_ENGINE`` names."""
    settings: dict[str, Any] = {
        "allowed_networks": os.environ.get("SHELFSIGHT_ALLOWED_NETWORKS", ""),
        "contact": os.environ.get("SHELFSIGHT_CONTACT", ""),
        "connections_per_host": int(os.environ.get("SHELFSIGHT_CONNECTIONS_PER_HOST", "8")),
        "timeout_s": float(os.environ.get("SHELFSIGHT_TIMEOUT_S", "20")),
        "requests_per_s_per_host": float(os.environ.get("SHELFSIGHT_REQUESTS_PER_S_PER_HOST", "0")),
        "reference": reference,
        "honour_robots": os.environ.get("SHELFSIGHT_HONOUR_ROBOTS", "") == "1",
    }
    name = os.environ.get("SHELFSIGHT_ENGINE", "local")
    if name == "local":
        return {"feed_taker": FeedTaker(), "fetcher": Fetcher(**settings), "labeller": Labeller(coverage=coverage())}
    if name == "spark":
        spark = Spark(
            master=os.environ.get("SHELFSIGHT_SPARK_MASTER", "local[*]"),
            environment=os.environ.get("SHELFSIGHT_SPARK_ENVIRONMENT", ""),
        )
        return {
            "feed_taker": SparkFeedTaker(spark=spark),
            "fetcher": SparkFetcher(spark=spark, **settings),
            "labeller": SparkLabeller(spark=spark, coverage=coverage()),
        }
    raise ValueError(f"unknown SHELFSIGHT_ENGINE {name!r}; it is local or spark")


def compute() -> Compute:
    """The device, and the processes that pretrain together on it, or on a cluster."""
    launcher = os.environ.get("SHELFSIGHT_LAUNCHER", "torchrun")
    if launcher not in ("torchrun", "ray"):
        raise ValueError(f"unknown SHELFSIGHT_LAUNCHER {launcher!r}; it is torchrun or ray")
    return Compute(
        device=os.environ.get("SHELFSIGHT_DEVICE", "auto"),
        num_ranks=int(os.environ.get("SHELFSIGHT_RANKS", "1")),
        launcher=launcher,
    )


def coverage() -> float:
    """How often the universal catalogue's answers have to be right."""
    asked = float(os.environ.get("SHELFSIGHT_COVERAGE", "0.9"))
    if asked not in COVERAGES:
        raise ValueError(f"SHELFSIGHT_COVERAGE is {asked:g}; it is one of {', '.join(map(str, COVERAGES))}")
    return asked


def resources(root: str) -> dict[str, object]:
    """The resources over one store; environment variables turn the knobs that differ between places."""
    store = Store(root=root)
    return {
        "store": store,
        "tables": TableIO(store=store),
        "pictures": Pictures(store=store, max_pixels_gib=float(os.environ.get("SHELFSIGHT_MAX_PIXELS_GIB", "64"))),
        **engine(str(store.reference)),
        "compute": compute(),
        "alerts": Alerts(webhook=secret("SHELFSIGHT_WEBHOOK", "")),
        "tracking": Tracking(
            uri=secret("MLFLOW_TRACKING_URI", f"sqlite:///{store.scratch / 'mlflow' / 'mlflow.db'}"),
            artifacts=str(store.path / "mlflow" / "artifacts"),
        ),
        "arrival_policy": ArrivalPolicy(
            job=os.environ.get("SHELFSIGHT_ON_ARRIVAL", "ingest"), max_delivery_rows=max_delivery_rows()
        ),
        "grouping_policy": GroupingPolicy(max_pictures=int(os.environ.get("SHELFSIGHT_MAX_GROUP_PICTURES", "100"))),
        "retraining_policy": RetrainingPolicy(
            min_new_labels=int(os.environ.get("SHELFSIGHT_RETRAIN_MIN_NEW_LABELS", "100")),
            max_seconds_a_day=float(os.environ.get("SHELFSIGHT_RETRAIN_SECONDS_A_DAY", "14400")),
        ),
    }


def secret(variable: str, default: str) -> str:
    """What a variable says, read where it is used: it may hold a password, and what is written here Dagster stores."""
    return dg.EnvVar(variable) if os.environ.get(variable) else default


def definitions(root: str) -> dg.Definitions:
    """All assets, checks, jobs, sensors and schedules over the store at ``root``."""
    assets = dg.load_assets_from_modules(ASSET_MODULES)
    return dg.Definitions(
        assets=assets,
        asset_checks=dg.load_asset_checks_from_modules([checks]),
        jobs=[*JOBS, retain],
        sensors=[
            feed_sensor,
            retraining_sensor,
            relabelling_sensor,
            failure_sensor,
            dg.AutomationConditionSensorDefinition(
                "automation",
                target=dg.AssetSelection.all(),
                default_status=dg.DefaultSensorStatus.RUNNING,
                minimum_interval_seconds=15,
            ),
        ],
        schedules=[recheck_schedule],
        resources=resources(root),
        loggers={"console": console},
        executor=executor(assets),
    )


defs = definitions(absolute(os.environ.get("SHELFSIGHT_STORE", "store")))
