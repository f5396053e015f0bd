"""The wheel runs a project on its own: with no checkout near, from an empty folder."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from demo.partners import REFERENCE
from resources.instance import SHIPPED, WORKSPACE
from resources.settings import Settings, variable_of
from tests.conftest import REPOSITORY

FEED = "id,title,image_link,product_type\n1,Kleid,http://127.0.0.1:9/1.jpg,Kleider\n"


@pytest.fixture(scope="module")
def installed(module_folder: Path) -> Path:
    """The folder of packages into which the wheel is installed, as pip builds and installs it."""
    wheels, target = module_folder / "wheels", module_folder / "site-packages"
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    build = ["wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", wheels, REPOSITORY]
    subprocess.run([*pip, *build], check=True, cwd=module_folder)
    [wheel] = wheels.iterdir()
    subprocess.run([*pip, "install", "--no-deps", "--target", target, wheel], check=True, cwd=module_folder)
    return target


def shelfsight(installed: Path, folder: Path, *words: object) -> str:
    """The output of a command of the installed package, run in a folder."""
    unset = {"SHELFSIGHT_PROJECT", *map(variable_of, Settings.model_fields)}
    environment = {name: value for name, value in os.environ.items() if name not in unset}
    done = subprocess.run(
        [sys.executable, *map(str, words)],
        cwd=folder,
        env={**environment, "PYTHONPATH": str(installed)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_what_the_services_and_the_demo_read_travels_with_it(installed: Path) -> None:
    for file in (SHIPPED, WORKSPACE):
        assert (installed / "resources" / file.name).read_bytes() == file.read_bytes()
    assert (installed / "demo" / "reference" / "taxonomy.txt").is_file()
    assert not {path.name for path in installed.iterdir()} & {"tests", "benchmarks", "docs", "deploy"}


def test_a_project_is_made_checked_and_run_from_it(installed: Path, tmp_path: Path) -> None:
    code = "import catalog, resources.instance as made; print(catalog.__file__, made.WORKSPACE)"
    assert all(place.startswith(str(installed)) for place in shelfsight(installed, tmp_path, "-c", code).split())
    (tmp_path / "feed.csv").write_text(FEED)
    words = ("my-catalog", "--feed", "feed.csv", "--taxonomy", REFERENCE / "taxonomy.txt")
    shelfsight(installed, tmp_path, "-m", "shelfsight", "init", *words)
    project = tmp_path / "my-catalog"
    checked = json.loads(shelfsight(installed, project, "-m", "shelfsight", "check", "--json"))
    assert (checked["feeds"], checked["problems"]) == (["feed/feed.csv"], [])
    run = json.loads(shelfsight(installed, project, "-m", "shelfsight", "run", "--only", "prepare", "--json"))
    assert run == {"runs": 1, "failed deliveries": {}, "problems with feeds": []}
    assert list((project / "store" / "taxonomy").glob("*.parquet"))
    assert (project / "store" / "dagster" / "dagster.yaml").is_file()
