"""Secrets in settings, addresses and the environment: no error, check, log or repr shows one."""

import json
import logging
import os
from pathlib import Path

import pytest
from upath import UPath

from catalog.escaping.secrets import is_secret_name, redact, without_path
from catalog.feeds.sources import InboxError, public_url, wrap_source_errors
from catalog.products.partners import read_partners
from catalog_assets.idioms import console
from resources.configured import configured
from resources.file_settings import SettingsError
from resources.settings import Settings, redacted, variable_of
from shelfsight.cli.failures import report
from tests.faults.test_hostile_commands import run

SECRET = "hunter22-S3cr3t"  # noqa: S105 of this test
ADDRESSES = [
    f"https://user:{SECRET}@shop.example/feed.tsv",
    f"https://{SECRET}@shop.example/feed.tsv",
    f"user:{SECRET}@shop.example/feed.tsv",
    f"https://user:{SECRET}/more@shop.example/feed.tsv",
    f"https://user:{SECRET}?more@shop.example/feed.tsv",
    f"https://user:{SECRET}#more@shop.example/feed.tsv",
    f"https://user:a@{SECRET}@shop.example/feed.tsv",
    f"postgresql+psycopg2://shelfsight:{SECRET}@postgres:5432/dagster",
    f"sftp://user:{SECRET}@[::1]:22/feed.tsv",
    f"https://shop.example/feed.tsv?token={SECRET}",
    f"https://shop.example/feed.tsv?a=1&API_KEY={SECRET}&b=2",
    f"https://shop.example/feed.tsv?X-Amz-Signature={SECRET}",
    f"https://shop.example/feed.tsv?sv=2024&sig={SECRET}",
    f"https://shop.example/feed.tsv;password={SECRET}",
    f"https://hooks.slack.example/services/T000/B000/{SECRET}",
    f"hooks.slack.example/services/T000/B000/{SECRET}",
    f"https://discord.example/api/webhooks/1/{SECRET}",
    f"https://teams.example/webhookb2/{SECRET}",
    f"host=db password={SECRET} dbname=x",
    f"password = '{SECRET}'",
    f'{{"password": "{SECRET}", "user": "x"}}',
    f"PGPASSWORD={SECRET}",
    f"AWS_SECRET_ACCESS_KEY={SECRET}",
    f"Authorization: Bearer {SECRET}",
    f"authorization: basic {SECRET}",
]
EVERY_ADDRESS = pytest.mark.parametrize("text", ADDRESSES)
PLAIN = [
    "https://shop.example/w_400,h_400/7.jpg?width=400&height=400",
    "https://shop.example:8080/a@2x.jpg",
    "hansen:4711 in hansen.spring",
    "there is no feed 'x'; the key 'store' is unknown; write [encoders.NAME]",
    "category 5 was 'Boots' and is 'Cars'",
    "mail me@shop.example",
    "max_tokens: 12, tokenizers 0.23.3, author: me",
]


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for field in Settings.model_fields:
        monkeypatch.delenv(variable_of(field), raising=False)
    monkeypatch.chdir(tmp_path)


@EVERY_ADDRESS
def test_an_error_a_log_and_a_message_hide_it(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert SECRET not in redact(f"cannot reach {text!r}; correct it")
    report("shelfsight check", ValueError(f"cannot reach {text}"), as_json=True)
    shown = capsys.readouterr()
    assert SECRET not in shown.out + shown.err
    record = logging.LogRecord("x", logging.ERROR, "x.py", 1, text, None, None)
    assert SECRET not in console._PlainFormatter().format(record)


@pytest.mark.parametrize("text", PLAIN)
def test_what_is_no_secret_is_shown(text: str) -> None:
    assert redact(text) == text


@pytest.mark.parametrize("part", ["?token", "!a:", "hooks.", "password", "//", "/hook", ";key=", "a:b@", "bearer "])
def test_a_long_hostile_text_is_searched_in_time_that_grows_with_its_length(part: str) -> None:
    assert redact(part * (300_000 // len(part)))


@pytest.mark.parametrize(
    "name",
    [
        "PGPASSWORD",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
        "MLFLOW_TRACKING_TOKEN",
        "SHELFSIGHT_WEBHOOK",
        "API_KEY",
    ],
)
def test_a_secret_of_the_environment_is_hidden_wherever_it_stands(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, SECRET)
    assert is_secret_name(name)
    assert redacted(f"the server said: {SECRET} is wrong") == "the server said: *** is wrong"


@pytest.mark.parametrize(
    "value",
    [
        f"hooks.slack.example/services/{SECRET}",
        SECRET,
        f"ftp://x/{SECRET}",
        f" https://x/{SECRET}",
        f"https//x/{SECRET}",
    ],
)
def test_a_webhook_that_is_refused_is_not_shown(value: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "shelfsight.toml").write_text(f"webhook = {json.dumps(value)}\n")
    with pytest.raises(SettingsError) as of_file:
        Settings.read()
    (tmp_path / "shelfsight.toml").write_text("")
    monkeypatch.setenv("SHELFSIGHT_WEBHOOK", value)
    with pytest.raises(SettingsError) as of_variable:
        Settings.read()
    for refused in (of_file, of_variable):
        assert SECRET not in str(refused.value)
        assert "write one of http or https" in str(refused.value)
    for words in (["check"], ["status"], ["check", "--json"]):
        code, out, err = run(*words)
        assert code == 1
        assert SECRET not in out + err


@pytest.mark.parametrize(
    "name", ["SHELFSIGHT_WEBHOK", "SHELFSIGHT_WEB_HOOK", "SHELFSIGHT_TOKEN", "SHELFSIGHT_DB_PASSWORD"]
)
def test_a_misspelled_variable_or_key_shows_no_value(
    name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv(name, f"https://hooks.example/{SECRET}")
    with pytest.raises(SettingsError) as refused:
        Settings.read()
    assert name in str(refused.value)
    assert SECRET not in str(refused.value)
    monkeypatch.delenv(name)
    key = name.removeprefix("SHELFSIGHT_").lower()
    (tmp_path / "shelfsight.toml").write_text(f'{key} = "{SECRET}"\n')
    with pytest.raises(SettingsError) as refused:
        Settings.read()
    assert SECRET not in str(refused.value)


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("SHELFSIGHT_WEBHOOK", f"https://hooks.example/{SECRET}"),
        ("MLFLOW_TRACKING_URI", f"postgresql://mlflow:{SECRET}@db/mlflow"),
        ("SHELFSIGHT_STORE", f"sftp://user:{SECRET}@host/store"),
        ("SHELFSIGHT_DEVICE_POD", json.dumps({"env": {"API_TOKEN": SECRET}})),
        ("SHELFSIGHT_IMAGE_ROOTS", json.dumps({"photos": f"ftp://user:{SECRET}@host/photos"})),
    ],
)
def test_repr_of_settings_and_resources_has_none(
    variable: str, value: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv(variable, value)
    settings = Settings.read()
    assert SECRET not in repr(settings) + str(settings)
    if variable != "SHELFSIGHT_STORE":
        shown = configured(Settings.read(store=str(tmp_path)))
        assert SECRET not in repr(shown["alerts"]) + repr(shown["tracking"])


@pytest.mark.parametrize(
    ("key", "resource", "field"), [("webhook", "alerts", "webhook"), ("mlflow_tracking_uri", "tracking", "uri")]
)
def test_a_secret_of_the_project_s_file_is_no_configuration_that_dagster_stores(
    key: str, resource: str, field: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "shelfsight.toml").write_text(f'{key} = "https://user:{SECRET}@hooks.example/{SECRET}"\n')
    monkeypatch.setenv(variable_of(key), "")  # as if unset; the test's end restores it
    made = configured(Settings.read())[resource]
    assert SECRET not in repr(made)
    assert getattr(made, field).env_var_name == variable_of(key)  # the name of the variable, and not its value
    assert os.environ[variable_of(key)].endswith(SECRET)


@pytest.mark.parametrize(
    "feeds",
    [
        f"['user:{SECRET}@shop.example/feed.tsv']",
        f"['https://user:{SECRET}/x@shop.example/feed.tsv']",
        f"['https://user:{SECRET}#x@shop.example/feed.tsv']",
        f"'https://user:{SECRET}@shop.example/feed.tsv'",
        f"['shop.example/feed.tsv?token={SECRET}']",
        f"[1, 'https://user:{SECRET}@shop.example/feed.tsv']",
    ],
)
def test_a_feed_s_address_that_is_refused_shows_no_password(feeds: str, tmp_path: Path) -> None:
    (tmp_path / "partners.toml").write_text(f"[partners.hansen]\nfeeds = {feeds}\n")
    with pytest.raises(ValueError, match="hansen") as refused:
        read_partners(UPath(tmp_path))
    assert SECRET not in str(refused.value)


@EVERY_ADDRESS
def test_an_error_of_a_file_system_that_quotes_it_is_shown_without_it(text: str) -> None:
    with pytest.raises(InboxError) as refused, wrap_source_errors("https://shop.example/feed.tsv"):
        raise OSError(f"Cannot connect to {text}")
    assert SECRET not in str(refused.value)


@pytest.mark.parametrize("address", [each for each in ADDRESSES if each.startswith("https://shop")])
def test_the_name_of_a_feed_has_no_query(address: str) -> None:
    assert SECRET not in public_url(address) or ";" in address


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        (f"https://hooks.example/services/{SECRET}", "https://hooks.example/***"),
        (f"https://user:{SECRET}@hooks.example:8443/x", "https://hooks.example/***"),
        (f"hooks.example/{SECRET}", "***"),
        (f"https://[{SECRET}", "***"),
        ("", "***"),
    ],
)
def test_of_a_webhook_only_its_host_is_shown(url: str, shown: str) -> None:
    assert without_path(url) == shown
