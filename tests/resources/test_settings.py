"""Settings: every field has its variable, a bad value is explained, and nothing else reads the environment."""

import ast
import json
import os
import re
from pathlib import Path

import pytest

from catalog.feeds.deliveries import MAX_DELIVERY_ROWS
from resources.setting_fields import COVERAGES, PREFIX
from resources.settings import (
    OTHER_VARIABLES,
    Settings,
    SettingsError,
    key_of,
    refuse_unknown,
    variable_of,
)
from resources.settings_page import settings_markdown
from tests.conftest import REPOSITORY

# One value of each field that is not its default, as the environment has it and as it is read.
VALUES: dict[str, tuple[str, object]] = {
    "store": ("s3://bucket/store", "s3://bucket/store"),
    "inbox": ("s3://bucket/inbox", "s3://bucket/inbox"),
    "reference": ("/data/reference", "/data/reference"),
    "scratch": ("/fast/disk", Path("/fast/disk")),
    "mlflow_tracking_uri": ("http://mlflow:5000", "http://mlflow:5000"),
    "on_arrival": ("parse", "parse"),
    "max_delivery_rows": ("7", 7),
    "feed_timeout_s": ("900", 900.0),
    "max_feed_age_days": ("7.5", 7.5),
    "allowed_networks": ("10.0.0.0/8, fd00::/8", "10.0.0.0/8, fd00::/8"),
    "contact": ("images@example.org", "images@example.org"),
    "connections_per_host": ("3", 3),
    "requests_per_s_per_host": ("0.5", 0.5),
    "honor_robots": ("1", True),
    "timeout_s": ("1.5", 1.5),
    "max_group_images": ("12", 12),
    "gate_min_taken": ("0.9", 0.9),
    "gate_max_removed": ("0.1", 0.1),
    "gate_max_new": ("0.4", 0.4),
    "gate_max_labels_lost": ("0.05", 0.05),
    "gate_max_labels_changed": ("0.1", 0.1),
    "gate_max_links_lost": ("0.05", 0.05),
    "gate_max_links_changed": ("1", 1.0),
    "gate_max_images_changed": ("0.1", 0.1),
    "gate_min_products": ("100", 100),
    "gate_kept_versions": ("2", 2),
    "query_timeout_s": ("5", 5.0),
    "query_memory_gib": ("0.5", 0.5),
    "query_threads": ("1", 1),
    "images_short_side_px": ("320", 320),
    "images_quality": ("85", 85),
    "images_max_pixels": ("1000000", 1_000_000),
    "images_min_decoded_share": ("0.5", 0.5),
    "engine": ("spark", "spark"),
    "spark_master": ("spark://host:7077", "spark://host:7077"),
    "spark_environment": ("environment.tar.gz", "environment.tar.gz"),
    "executor": ("kubernetes", "kubernetes"),
    "image_roots": ('{"photos": "/data/photos"}', {"photos": "/data/photos"}),
    "device_pod": ('{"container_config": {}}', {"container_config": {}}),
    "device": ("cuda:1", "cuda:1"),
    "ranks": ("2", 2),
    "launcher": ("ray", "ray"),
    "max_pixels_gib": ("0.5", 0.5),
    "coverage": ("0.95", 0.95),
    "min_labels": ("20", 20),
    "retrain_min_new_labels": ("0", 0),
    "retrain_seconds_a_day": ("60", 60.0),
    "explorer_host": ("192.0.2.1", "192.0.2.1"),
    "explorer_port": ("3003", 3003),
    "explorer_hosts": ("catalog.example.org", "catalog.example.org"),
    "explorer_token": ("a-long-secret-text", "a-long-secret-text"),
    "explorer_users": ("users.json", "users.json"),
    "explorer_memory_gib": ("0.25", 0.25),
    "explorer_max_batch": ("8", 8),
    "explorer_max_upload_bytes": ("1000", 1_000),
    "explorer_queue": ("10", 10),
    "webhook": ("https://hooks.example/1", "https://hooks.example/1"),
    "dagster_home": ("/opt/dagster", Path("/opt/dagster")),
    "dagster_port": ("3001", 3001),
    "mlflow_port": ("5001", 5001),
    "demo_shop_port": ("8766", 8766),
    "demo_data": ("/data", Path("/data")),
}
BAD = [
    ("ranks", "two", "valid integer", "processes that pretrain one encoder"),
    ("ranks", "0", "greater than 0", "processes"),
    ("timeout_s", "0", "greater than 0", "seconds that one image may take"),
    ("honor_robots", "maybe", "valid boolean", "robots.txt"),
    ("engine", "sparc", "'local' or 'spark'", "this machine"),
    ("on_arrival", "take", "'ingest' or 'parse'", "new feed"),
    ("coverage", "0.7", "choose one of 0.8, 0.9, 0.95", "predictions"),
    ("device", "gpu", "choose auto, cpu, cuda", "cuda"),
    ("device_pod", "{", "not JSON", "{}"),
    ("device_pod", "[1]", "valid dictionary", "JSON"),
    ("allowed_networks", "10.0.0.1/8", "host bits set", "10.0.0.0/8"),
    ("webhook", "hooks.example", "not a URL", "http or https"),
    ("images_short_side_px", "16", "greater than or equal to 32", "short side of stored images"),
    ("images_quality", "101", "less than or equal to 100", "JPEG quality"),
    ("mlflow_port", "65536", "less than or equal to 65535", "port of MLflow"),
]
READS_ELSEWHERE = {  # they pass the whole environment on, look for variables they may set, or read one of Python
    "catalog/images/worker_processes.py",
    "catalog/storage/bounded_query.py",
    "catalog/feeds/parquet_footer.py",
    "catalog/feeds/spreadsheets.py",
    "catalog/storage/cores.py",
    "ml/search/ray_local.py",
}


@pytest.fixture(autouse=True)
def _empty_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith(PREFIX) or name in map(variable_of, Settings.model_fields):
            monkeypatch.delenv(name)


@pytest.mark.parametrize("field", Settings.model_fields)
def test_every_setting_is_read_from_its_variable(field: str, monkeypatch: pytest.MonkeyPatch) -> None:
    written, read = VALUES[field]
    assert getattr(Settings.read(), field) != read
    monkeypatch.setenv(variable_of(field), written)
    assert getattr(Settings.read(), field) == read


def test_variables_are_the_prefix_and_the_field_but_for_two_that_others_define() -> None:
    others = {
        field: variable_of(field) for field in Settings.model_fields if variable_of(field) != PREFIX + field.upper()
    }
    assert others == {"mlflow_tracking_uri": "MLFLOW_TRACKING_URI", "dagster_home": "DAGSTER_HOME"}


def test_arguments_take_precedence_and_empty_variables_are_unset(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHELFSIGHT_STORE", "from-the-environment")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://from-the-environment")
    monkeypatch.setenv("SHELFSIGHT_RANKS", "")
    settings = Settings.read(store="argument", mlflow_tracking_uri="http://argument")
    assert (settings.store, settings.mlflow_tracking_uri, settings.ranks) == ("argument", "http://argument", 1)


@pytest.mark.parametrize(("field", "value", "problem", "way_out"), BAD)
def test_a_bad_value_is_named_with_its_variable_and_the_way_out(
    field: str, value: str, problem: str, way_out: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable_of(field), value)
    with pytest.raises(SettingsError) as refused:
        Settings.read()
    shown = "***" if field == "webhook" else json.loads(value) if value == "[1]" else value
    assert str(refused.value).startswith(f"{variable_of(field)} is {shown!r}: ")
    assert problem in str(refused.value)
    assert way_out in str(refused.value)


def test_all_bad_values_are_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHELFSIGHT_RANKS", "two")
    monkeypatch.setenv("SHELFSIGHT_ENGINE", "sparc")
    with pytest.raises(SettingsError, match=r"SHELFSIGHT_ENGINE is 'sparc'.*; SHELFSIGHT_RANKS is 'two'"):
        Settings.read()


def test_a_misspelled_variable_is_refused_with_near_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHELFSIGHT_CONNECTION_PER_HOST", "3")
    with pytest.raises(
        SettingsError,
        match=r"^SHELFSIGHT_CONNECTION_PER_HOST is '3', but there is no such setting; did you"
        r" mean SHELFSIGHT_CONNECTIONS_PER_HOST\b",
    ):
        Settings.read()
    with pytest.raises(SettingsError, match="SHELFSIGHT_QQQ is '1', but there is no such setting; unset it"):
        refuse_unknown({"SHELFSIGHT_QQQ": "1"})


def test_a_misspelled_argument_is_refused_with_near_names() -> None:
    with pytest.raises(SettingsError, match="there is no setting 'stor'; did you mean store"):
        Settings.read(stor="here")


def test_variables_of_other_tools_are_listed_with_the_files_that_read_them() -> None:
    refuse_unknown(dict.fromkeys(OTHER_VARIABLES, "any"))
    assert OTHER_VARIABLES.keys().isdisjoint(map(variable_of, Settings.model_fields))
    for variable, reader in OTHER_VARIABLES.items():
        path = REPOSITORY / reader
        files = [path] if path.is_file() else sorted(path.rglob("*.py"))
        assert any(variable in file.read_text() for file in files), variable


def test_what_kubernetes_sets_for_a_service_of_the_project_s_name_is_let_through() -> None:
    refuse_unknown(
        {
            "SHELFSIGHT_SERVICE_HOST": "10.96.0.7",
            "SHELFSIGHT_SERVICE_PORT": "4000",
            "SHELFSIGHT_SERVICE_PORT_GRPC": "4000",
            "SHELFSIGHT_PORT": "tcp://10.96.0.7:4000",
            "SHELFSIGHT_PORT_4000_TCP": "tcp://10.96.0.7:4000",
            "SHELFSIGHT_PORT_4000_TCP_PROTO": "tcp",
            "SHELFSIGHT_PORT_4000_TCP_PORT": "4000",
            "SHELFSIGHT_PORT_4000_TCP_ADDR": "10.96.0.7",
            "SHELFSIGHT_DAGSTER_WEBSERVER_PORT": "tcp://10.96.0.8:80",
        }
    )
    with pytest.raises(SettingsError, match="did you mean SHELFSIGHT_DAGSTER_PORT"):
        refuse_unknown({"SHELFSIGHT_DAGSTR_PORT": "3000"})


def test_the_limit_of_a_delivery_is_the_catalog_s() -> None:
    assert Settings.read().max_delivery_rows == MAX_DELIVERY_ROWS


def test_the_page_shows_every_setting_with_variable_type_default_and_description() -> None:
    head, _, *rows = settings_markdown().splitlines()
    assert head == "| name | variable | type | default | description |"
    cells = [re.split(r"(?<!\\) ?\| ?", row)[1:-1] for row in rows]
    assert [(row[0], row[1]) for row in cells] == [
        (f"`{key_of(each)}`", f"`{variable_of(each)}`") for each in Settings.model_fields
    ]
    assert all(all(row) for row in cells)
    shown = {row[0].strip("`"): (row[2], row[3]) for row in cells}
    assert shown["engine"] == ("`local`, `spark`", "`local`")
    assert shown["ranks"] == ("whole number above 0", "`1`")
    assert shown["requests_per_s_per_host"] == ("number, at least 0", "`0.0`")
    assert shown["dagster_port"] == ("whole number, 1 to 65535", "`3000`")
    assert shown["scratch"] == ("path", "`~/.cache/shelfsight`")
    assert shown["honor_robots"] == ("`true` or `false`", "`false`")
    assert shown["coverage"] == (", ".join(f"`{each:g}`" for each in COVERAGES), "`0.9`")
    assert shown["webhook"] == ("text", "none")
    assert shown["device_pod"] == ("JSON object", "`{}`")


def test_nothing_else_reads_the_environment() -> None:
    packages = ("catalog", "ml", "resources", "catalog_assets", "shelfsight", "demo")
    sources = [path for package in packages for path in (REPOSITORY / package).rglob("*.py")]
    reading = {path.relative_to(REPOSITORY).as_posix() for path in sources if reads_environment(path.read_text())}
    assert reading == {"resources/settings.py", *READS_ELSEWHERE}


@pytest.mark.parametrize(
    ("source", "is_reading"),
    [
        ("os.environ['A']", True),
        ("os.environ.get('A')", True),
        ("{**os.environ}", True),
        ("os.getenv('A')", True),
        ("from os import environ", True),
        ("os.environ['A'] = 'b'", False),
        ("os.environ.setdefault('A', 'b')", False),
        ("del os.environ['A']", False),
    ],
)
def test_reading_the_environment_is_distinguished_from_setting_it(source: str, is_reading: bool) -> None:
    assert reads_environment(source) is is_reading


def reads_environment(source: str) -> bool:
    """Returns True if a module uses os.environ or os.getenv other than to set or remove a variable."""
    tree = ast.parse(source)
    setting = [
        node.value
        for node in ast.walk(tree)
        if (isinstance(node, ast.Subscript) and not isinstance(node.ctx, ast.Load))
        or (isinstance(node, ast.Attribute) and node.attr in ("setdefault", "update"))
    ]
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.ImportFrom)
            and node.module == "os"
            and {"environ", "getenv"} & {n.name for n in node.names}
        ):
            return True
        is_os = isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "os"
        if is_os and node.attr in ("environ", "getenv") and node not in setting:  # type: ignore[attr-defined]
            return True
    return False
