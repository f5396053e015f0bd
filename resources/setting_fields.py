"""Setting fields: every setting with its type, default, limits and description, as the reference shows them."""

import ipaddress
import json
import re
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from catalog.products.feed_limits import GateLimits

PREFIX = "SHELFSIGHT_"
COVERAGES = (0.8, 0.9, 0.95)


def _from_json(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except json.JSONDecodeError as error:
        raise ValueError(f"it is not JSON ({error}); write an object such as {{}}") from None


Port = Annotated[int, Field(ge=1, le=65_535)]
Share = Annotated[float, Field(ge=0, le=1)]


class SettingFields(BaseSettings):
    """The fields of `resources.settings.Settings`. Defaults work on one machine without any service."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, frozen=True, extra="forbid", env_ignore_empty=True, populate_by_name=True
    )

    # -- store --
    store: str = Field(default="store", description="folder of everything made, or a URL such as `s3://bucket/store`")
    inbox: str = Field(default="", description="folder of feeds; empty: `inbox/` of the project, else of the store")
    reference: str = Field(
        default="", description="folder of taxonomy and partners; empty: `reference/` of the project, else of the store"
    )
    scratch: Path = Field(
        default_factory=lambda: Path.home() / ".cache" / "shelfsight",
        description="folder for local copies of a remote store, and for what only this machine needs",
    )
    mlflow_tracking_uri: str = Field(
        default="",
        validation_alias="MLFLOW_TRACKING_URI",
        description="where runs are logged; empty: SQLite in the store",
    )

    # -- feeds and downloads --
    on_arrival: Literal["ingest", "parse"] = Field(
        default="ingest", description="job that a new feed starts: `ingest`, or `parse`, which downloads nothing yet"
    )
    max_delivery_rows: Annotated[int, Field(gt=0)] = Field(
        default=100_000, description="rows of a delivery; a bigger feed becomes several deliveries"
    )
    feed_timeout_s: Annotated[float, Field(gt=0)] = Field(
        default=600.0, description="seconds that fetching one whole feed from its URL may take"
    )
    max_feed_age_days: Annotated[float, Field(gt=0)] = Field(
        default=2.0, description="days after which a partner's newer feed is missed, unless `partners.toml` has others"
    )
    allowed_networks: str = Field(
        default="",
        description="addresses that are not public and may be connected to, for feeds, images and the webhook, such as "
        "`10.0.0.0/8`, separated by commas",
    )
    image_roots: Annotated[dict[str, str], NoDecode, BeforeValidator(_from_json)] = Field(
        default_factory=dict,
        description="folders and URLs such as `s3://bucket/photos`, by name, from which images may be read besides "
        "http and https; a link is `NAME:PATH`",
    )
    contact: str = Field(default="", description="address that a shop can write to; sent with every request")
    connections_per_host: Annotated[int, Field(gt=0)] = Field(default=8, description="open connections to one host")
    requests_per_s_per_host: Annotated[float, Field(ge=0)] = Field(
        default=0.0, description="requests a second to one host; 0 for no limit"
    )
    honor_robots: bool = Field(default=False, description="obey robots.txt and X-Robots-Tag")
    timeout_s: Annotated[float, Field(gt=0)] = Field(default=20.0, description="seconds that one image may take")
    max_group_images: Annotated[int, Field(gt=0)] = Field(
        default=100, description="different images in one near-duplicate group; a larger group stops the dataset"
    )

    # -- the gate of redelivered feeds --
    gate_min_taken: Share = Field(
        default=GateLimits.min_taken, description="share of a feed's rows that have to become products"
    )
    gate_max_removed: Share = Field(
        default=GateLimits.max_removed,
        description="share of the served products that a new version of their feed may lack",
    )
    gate_max_new: Share = Field(
        default=GateLimits.max_new, description="share of a new version's products that may have new ids"
    )
    gate_max_labels_lost: Share = Field(
        default=GateLimits.max_labels_lost, description="share of the labeled products that may lose their label"
    )
    gate_max_labels_changed: Share = Field(
        default=GateLimits.max_labels_changed, description="share of the labeled products that may get another label"
    )
    gate_max_links_lost: Share = Field(
        default=GateLimits.max_links_lost,
        description="share of the products that may lose their image link, or share one with many others",
    )
    gate_max_links_changed: Share = Field(
        default=GateLimits.max_links_changed, description="share of the products that may get another image link"
    )
    gate_max_images_changed: Share = Field(
        default=GateLimits.max_images_changed,
        description="share of the refetched images that may have other bytes under the same link",
    )
    gate_min_products: Annotated[int, Field(ge=0)] = Field(
        default=GateLimits.min_products,
        description="products below which no share counts; a version that leaves nothing is still stopped",
    )
    gate_kept_versions: Annotated[int, Field(ge=0)] = Field(
        default=5, description="former versions of each feed that `shelfsight feed rollback` can restore"
    )

    # -- stored images --
    images_short_side_px: Annotated[int, Field(ge=32, le=4_096)] = Field(
        default=256,
        description="longest short side of stored images; larger ones are reduced to it. No encoder can have a higher "
        "resolution",
    )
    images_quality: Annotated[int, Field(ge=1, le=100)] = Field(
        default=90, description="JPEG quality of stored images that are reduced or converted"
    )
    images_max_pixels: Annotated[int, Field(gt=0)] = Field(
        default=50_000_000, description="pixels of an image, above which it is refused"
    )
    images_min_decoded_share: Annotated[float, Field(ge=0, le=1)] = Field(
        default=0.9,
        description="least share of the rows of an image that was cut off, with which it is accepted and cropped to "
        "these rows; with 1 none may be missing",
    )

    # -- engine --
    engine: Literal["local", "spark"] = Field(
        default="local", description="what parses feeds, downloads and predicts: `local`, this machine, or `spark`"
    )
    spark_master: str = Field(
        default="local[*]", description="the cluster: `local[*]`, `spark://host:7077`, `k8s://...`"
    )
    spark_environment: str = Field(default="", description="archive that brings this project to executors")
    executor: Literal["in_process", "kubernetes"] = Field(
        default="in_process", description="`in_process`: a run is one process; `kubernetes`: each step is a pod"
    )
    device_pod: Annotated[dict[str, Any], NoDecode, BeforeValidator(_from_json)] = Field(
        default_factory=dict,
        description="what pods of steps on the pool `device` get in addition, as JSON of `dagster-k8s/config`",
    )

    # -- training --
    device: str = Field(default="auto", description="`auto`, `cpu`, `cuda`, `mps`")
    ranks: Annotated[int, Field(gt=0)] = Field(default=1, description="processes that pretrain one encoder together")
    launcher: Literal["torchrun", "ray"] = Field(
        default="torchrun", description="what starts them: `torchrun` here, `ray` on the cluster of `RAY_ADDRESS`"
    )
    max_pixels_gib: Annotated[float, Field(gt=0)] = Field(
        default=64.0,
        description="GiB of disk for the decoded images of one resolution; more are decoded at every access",
    )
    coverage: float = Field(
        default=0.9, description="share of the universal catalog's predictions that have to be right"
    )
    min_labels: Annotated[int, Field(ge=1)] = Field(
        default=100, description="usable labels that start the training of a project's first champion"
    )
    retrain_min_new_labels: Annotated[int, Field(ge=0)] = Field(
        default=100, description="new usable labels that start a retraining"
    )
    retrain_seconds_a_day: Annotated[float, Field(ge=0)] = Field(
        default=14_400.0, description="seconds of retraining within 24 hours, after which the next one waits"
    )

    # -- queries --
    query_timeout_s: Annotated[float, Field(gt=0)] = Field(
        default=60.0, description="seconds that a query of `shelfsight query` may take"
    )
    query_memory_gib: Annotated[float, Field(ge=0.0625)] = Field(
        default=1.0, description="GiB of memory that a query may take, and again its result; nothing goes to disk"
    )
    query_threads: Annotated[int, Field(ge=0)] = Field(
        default=0, description="threads of a query; 0 for as many as there are cores"
    )

    # -- explorer --
    explorer_host: str = Field(
        default="127.0.0.1",
        description="address that the explorer listens on; any but loopback needs `explorer_token` or `explorer_users`",
    )
    explorer_port: Port = Field(default=3002, description="port of the explorer")
    explorer_hosts: str = Field(
        default="",
        description="names by which browsers reach the explorer when it is not on loopback, such as "
        "`catalog.example.org`, separated by commas",
    )
    explorer_token: str = Field(
        default="", description="secret that opens the explorer and its API to whoever has it; empty: none does"
    )
    explorer_users: str = Field(
        default="", description="file of the explorer's users, which `shelfsight explore-users` writes; empty: no login"
    )
    explorer_memory_gib: Annotated[float, Field(ge=0.0625)] = Field(
        default=0.5, description="GiB of memory that all queries of the explorer's pages may take together"
    )
    explorer_max_batch: Annotated[int, Field(gt=0)] = Field(
        default=64, description="images of one request to classify, and of one pass through the network"
    )
    explorer_max_upload_bytes: Annotated[int, Field(gt=0)] = Field(
        default=20_000_000, description="bytes of one request to the explorer, uploaded images included"
    )
    explorer_queue: Annotated[int, Field(gt=0)] = Field(
        default=256, description="images that wait to be classified, above which requests are refused with 503"
    )

    # -- services --
    webhook: str = Field(default="", description="URL that `alert_sensor` posts every failed run to, as JSON")
    dagster_home: Path | None = Field(
        default=None,
        validation_alias="DAGSTER_HOME",
        description="folder of Dagster's instance; without it `shelfsight status` looks into `dagster/` of the store",
    )
    dagster_port: Port = Field(default=3000, description="port of Dagster's web server, on loopback")
    mlflow_port: Port = Field(default=5000, description="port of MLflow's UI, on loopback")
    demo_shop_port: Port = Field(default=8765, description="port of the demo's shop, on loopback")
    demo_data: Path = Field(default=Path(".data"), description="folder of the demo's own data")

    @field_validator("coverage")
    @classmethod
    def _known_coverage(cls, value: float) -> float:
        if value not in COVERAGES:
            raise ValueError(f"choose one of {', '.join(map(str, COVERAGES))}")
        return value

    @field_validator("device")
    @classmethod
    def _known_device(cls, value: str) -> str:
        if not re.fullmatch(r"auto|cpu|mps|(cuda|xpu)(:\d+)?", value):
            raise ValueError("choose auto, cpu, cuda, cuda:1, mps or xpu")
        return value

    @field_validator("allowed_networks")
    @classmethod
    def _networks(cls, value: str) -> str:
        for part in filter(None, map(str.strip, value.split(","))):
            try:
                ipaddress.ip_network(part)
            except ValueError as error:
                raise ValueError(f"{error}; write networks such as 10.0.0.0/8, separated by commas") from None
        return value

    @field_validator("webhook")
    @classmethod
    def _web_address(cls, value: str) -> str:
        if value and not value.startswith(("http://", "https://")):
            raise ValueError("it is not a URL; write one of http or https")
        return value
