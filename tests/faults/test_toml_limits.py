"""TOML files of a project: deep, huge and impossible values are messages that name the file and the way out."""

from pathlib import Path

import pytest
from upath import UPath

from catalog.download.host_limiter import Politeness
from catalog.download.host_limits import read_host_limits
from catalog.products.partners import read_partners
from catalog.storage.toml_files import MAX_BYTES, TomlError, parse_toml
from resources.project_file import ProjectError, ProjectFile

HOSTILE = {
    "arrays within each other": ("a = " + "[" * 100_000 + "]" * 100_000, "nested more than 32 deep"),
    "arrays that end nowhere": ("a = " + "[" * 100_000, "nested more than 32 deep"),
    "forty arrays within each other": ("a = " + "[" * 40 + "]" * 40, "nested more than 32 deep"),
    "tables within each other": ("a = " + "{a = " * 50_000 + "1" + "}" * 50_000, "nested more than 32 deep"),
    "a key of a million parts": ("a." * 1_000_000 + "b = 1", "nested more than 32 deep"),
    "a table of a hundred thousand parts": ("[" + "a." * 100_000 + "b]\nc = 1", "nested more than 32 deep"),
    "a quoted key of forty parts": ('"a"' + '."a"' * 40 + " = 1", "nested more than 32 deep"),
    "an array of tables of forty parts": ("[[" + "a." * 40 + "b]]", "nested more than 32 deep"),
    "a megabyte too much": ("# " + "x" * (MAX_BYTES + 1_000_000), "longer than 4,000,000 bytes"),
    "a number of a hundred thousand digits": ("timeout_s = " + "9" * 100_000, "thousands of digits"),
    "a hexadecimal number of a thousand digits": (
        "timeout_s = 0x" + "f" * 1_000,
        "timeout_s is a number beyond 64 bits, of 4000",
    ),
    "a hexadecimal number of a megabyte": ("timeout_s = 0x" + "f" * 1_000_000, "timeout_s is a number beyond 64 bits"),
    "a binary number of a thousand digits": ("timeout_s = 0b" + "1" * 1_000, "timeout_s is a number beyond 64 bits"),
    "a number beyond 64 bits": ("shards = 9223372036854775808", "shards is a number beyond 64 bits, of 64"),
    "a negative number beyond 64 bits": ("shards = -9223372036854775809", "shards is a number beyond 64 bits, of 64"),
    "a number in a table beyond 64 bits": (
        f"[images]\nquality = {10**30}",
        "images.quality is a number beyond 64 bits, of 100",
    ),
    "infinity": ("timeout_s = inf", "timeout_s = inf is not a finite number"),
    "a float that is infinite": ("timeout_s = 1e999", "timeout_s = inf is not a finite number"),
    "no number": ("timeout_s = [1.0, nan]", "timeout_s = nan is not a finite number"),
    "a day that no calendar has": ("a = 2024-02-31", "[Ii]nvalid date"),
    "text without end": ('a = "' + "x" * 100_000, "Illegal character|Unterminated string|Expected"),
    "bytes of nothing": ("\0" * 1_000, "Invalid"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_is_refused_with_its_problem(name: str) -> None:
    text, problem = HOSTILE[name]
    with pytest.raises(TomlError, match=problem):
        parse_toml(text)


@pytest.mark.parametrize("name", ["arrays within each other", "a megabyte too much", "a number beyond 64 bits"])
@pytest.mark.parametrize("file", ["shelfsight.toml", "partners.toml", "hosts.toml"])
def test_every_file_of_a_project_names_itself(tmp_path: Path, name: str, file: str) -> None:
    text, problem = HOSTILE[name]
    (tmp_path / file).write_text(text)
    with pytest.raises((ProjectError, ValueError), match=rf"{file}.*{problem}"):
        if file == "shelfsight.toml":
            ProjectFile.read(tmp_path / file)
        elif file == "partners.toml":
            read_partners(UPath(tmp_path))
        else:
            read_host_limits(UPath(tmp_path), Politeness())


def test_an_endless_project_file_is_not_read_to_its_end(tmp_path: Path) -> None:
    (tmp_path / "shelfsight.toml").symlink_to("/dev/zero")
    with pytest.raises(ProjectError, match="longer than 4,000,000 bytes"):
        ProjectFile.read(tmp_path / "shelfsight.toml")


def test_what_projects_write_is_read() -> None:
    nested = "a = " + "[" * 30 + "1" + "]" * 30
    assert parse_toml(f"{nested}\n[x.y.z]\nbig = {2**63 - 1}\nsmall = {-(2**63)}\nwords = 'a.b.c.d'")["x"]["y"][
        "z"
    ] == {
        "big": 2**63 - 1,
        "small": -(2**63),
        "words": "a.b.c.d",
    }
