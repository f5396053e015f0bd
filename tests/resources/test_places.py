"""The places of feeds and reference data: beside a project's file, and otherwise in the store."""

from pathlib import Path

import pytest

from resources.places import inbox_root, reference_root
from resources.settings import Settings, variable_of
from resources.store import Store


@pytest.fixture(autouse=True)
def nothing_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for field in Settings.model_fields:
        monkeypatch.delenv(variable_of(field), raising=False)
    monkeypatch.delenv("SHELFSIGHT_PROJECT", raising=False)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """The file of an empty project, in the working directory."""
    path = tmp_path / "shelfsight.toml"
    path.touch()
    return path


def places(settings: Settings) -> tuple[str, str]:
    return inbox_root(settings), reference_root(settings)


def test_without_a_project_they_are_in_the_store(tmp_path: Path) -> None:
    assert places(Settings.read()) == (f"{tmp_path}/store/inbox", f"{tmp_path}/store/reference")
    store = Store(root=str(tmp_path / "store"))
    assert (str(store.inbox), str(store.reference)) == places(Settings.read())


def test_in_a_project_they_are_beside_its_file_wherever_its_store_is(project: Path, tmp_path: Path) -> None:
    expected = (str(tmp_path / "inbox"), str(tmp_path / "reference"))
    assert places(Settings.read()) == expected
    project.write_text("store = '/fast/disk'\n")
    assert places(Settings.read()) == expected


def test_with_a_remote_store_they_are_in_it_for_all_machines(project: Path) -> None:
    project.write_text("store = 's3://bucket/store'\n")
    assert places(Settings.read()) == ("s3://bucket/store/inbox", "s3://bucket/store/reference")


def test_each_may_be_put_elsewhere(project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project.write_text("store = 's3://bucket/store'\ninbox = 's3://partners/feeds'\nreference = 'data'\n")
    assert places(Settings.read()) == ("s3://partners/feeds", str(tmp_path / "data"))
    monkeypatch.setenv("SHELFSIGHT_REFERENCE", "/data/reference")
    assert reference_root(Settings.read()) == "/data/reference"


def test_the_store_of_settings_has_their_places(project: Path, tmp_path: Path) -> None:
    store = Store.of(Settings.read())
    assert (str(store.path), str(store.inbox)) == (str(tmp_path / "store"), str(tmp_path / "inbox"))
    assert str(store.reference) == str(tmp_path / "reference")
