"""A project's file: found from any folder of the project, read as settings, and explained where it is wrong."""

from pathlib import Path

import pytest

from resources.file_settings import PATHS, SettingsError, key_of
from resources.project_file import PROJECT_FILE, ProjectError, ProjectFile, find
from resources.settings import Settings, project_file, variable_of
from tests.resources.test_settings import VALUES


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file of an empty project, without any setting in the environment."""
    for field in Settings.model_fields:
        monkeypatch.delenv(variable_of(field), raising=False)
    path = tmp_path / "my-catalog" / PROJECT_FILE
    path.parent.mkdir()
    path.touch()
    monkeypatch.setenv("SHELFSIGHT_PROJECT", str(path.parent))
    return path


def toml(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key} = {toml(each)}" for key, each in value.items()) + "}"
    return f"'{value}'" if isinstance(value, (str, Path)) else repr(value)


@pytest.mark.parametrize("field", Settings.model_fields)
def test_every_setting_is_a_key_with_the_meaning_of_its_variable(field: str, project: Path) -> None:
    value = VALUES[field][1]
    project.write_text(f"{key_of(field)} = {toml(value)}\n")
    read = getattr(Settings.read(), field)
    if field in PATHS and "://" not in str(value):
        assert read == type(value)(project.parent / str(value))  # type: ignore[call-arg]
    else:
        assert read == value


def test_a_variable_counts_before_the_file_and_an_argument_before_both(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.write_text("timeout_s = 3\nranks = 2\n")
    monkeypatch.setenv("SHELFSIGHT_TIMEOUT_S", "4")
    monkeypatch.setenv("SHELFSIGHT_RANKS", "")  # unset
    read = Settings.read(contact="me@example.org")
    assert (read.timeout_s, read.ranks, read.contact) == (4, 2, "me@example.org")


def test_the_store_is_in_the_project_wherever_a_command_is_run(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert Settings.read().root == str(project.parent / "store")
    project.write_text("store = 'made'\n")
    assert Settings.read().root == str(project.parent / "made")
    project.write_text("store = 's3://bucket/store'\n")
    assert Settings.read().root == "s3://bucket/store"


def test_image_roots_are_a_table_whose_relative_folders_are_the_projects(project: Path) -> None:
    project.write_text('[image_roots]\nphotos = "photos"\nscans = "/data/scans"\nbucket = "s3://shop/images"\n')
    assert Settings.read().image_roots == {
        "photos": str(project.parent / "photos"),
        "scans": "/data/scans",
        "bucket": "s3://shop/images",
    }
    project.write_text('[image_roots]\nphotos = "../photos"\n')
    assert Settings.read().image_places == {"photos": str(project.parent.parent / "photos")}


def test_a_project_is_found_from_any_folder_in_it(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    inside = project.parent / "inbox" / "hansen"
    inside.mkdir(parents=True)
    monkeypatch.delenv("SHELFSIGHT_PROJECT")
    monkeypatch.chdir(inside)
    assert project_file().path == find(inside) == project
    monkeypatch.chdir(project.parent.parent)
    assert project_file() == ProjectFile()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (
            "timeout = 3",
            r"has the unknown key 'timeout'; did you mean timeout_s or feed_timeout_s or query_timeout_s\?",
        ),
        ("zzz = 3", r"has the unknown key 'zzz'; remove it"),
        ("timeout_s = '3'", r"has timeout_s = '3': input should be a valid number"),
        ("timeout_s = -1", r"has timeout_s = -1: input should be greater than 0 \(seconds that one image may take\)"),
        ("coverage = 0.5", r"has coverage = 0.5: choose one of 0.8, 0.9, 0.95"),
        ("allowed_networks = '10.0.0.0/99'", r"has allowed_networks = '10.0.0.0/99': .*write networks such as"),
        ("store = 3", r"has store = 3: input should be a valid string"),
        ("ranks = 2.5", r"has ranks = 2.5: input should be a valid integer"),
        ("honor_robots = 'yes'", r"has honor_robots = 'yes': input should be a valid boolean"),
    ],
)
def test_a_bad_setting_is_named_with_its_file_key_value_and_the_way_out(
    content: str, words: str, project: Path
) -> None:
    project.write_text(content)
    with pytest.raises(SettingsError, match=words) as raised:
        Settings.read()
    assert str(project) in str(raised.value)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("a = [", "is not TOML: .*end of document"),
        ("[encoders.a]\n[encoders.a]", r"is not TOML: .*\('encoders', 'a'\) twice"),
        ("encoders = 3", r"has encoders = 3; write a table, \[encoders\]"),
        ("plan = ['a']", r"has plan = \['a'\]; write a table, \[plan\]"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused(content: str, words: str, project: Path) -> None:
    project.write_text(content)
    with pytest.raises(ProjectError, match=words) as raised:
        project_file()
    assert str(project) in str(raised.value)


def test_bytes_that_are_not_text_are_refused(project: Path) -> None:
    project.write_bytes(b"contact = '\xff'")
    with pytest.raises(ProjectError, match="is not TOML: 'utf-8' codec"):
        project_file()


def test_a_missing_file_says_how_to_make_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHELFSIGHT_PROJECT", str(tmp_path / "gone" / PROJECT_FILE))
    with pytest.raises(ProjectError, match=r"there is no .*shelfsight\.toml; write one"):
        project_file()


def test_settings_of_a_table_are_its_keys_and_named_with_it(project: Path) -> None:
    project.write_text("[images]\nshort_side_px = 320\nquality = 85\n")
    read = Settings.read()
    assert (read.image_rules.short_side_px, read.image_rules.quality) == (320, 85)
    assert read.image_rules.max_pixels == 50_000_000
    for content, problem in {
        "images_quality = 85": "unknown key 'images_quality'; did you mean images.quality",
        "[images]\nshort_side = 320": "unknown key 'images.short_side'; did you mean images.short_side_px",
        "[images]\nshort_side_px = '320'": "images.short_side_px = '320'",
        "[images]\nquality = 101": "images.quality = 101: input should be less than or equal to 100",
        "images = 320": r"images = 320; write a table, \[images\]",
    }.items():
        project.write_text(content)
        with pytest.raises(SettingsError, match=problem):
            Settings.read()
