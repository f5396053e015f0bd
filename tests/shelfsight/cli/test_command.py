"""The command as typed: output, errors and exit codes."""

import io
import json
import shutil
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from resources.images import StoredImages
from resources.store import Store
from shelfsight.cli.command import COMMANDS, main
from tests.conftest import TinyCatalog


@dataclass(frozen=True)
class Result:
    """Exit code and output of a command."""

    returncode: int
    stdout: str
    stderr: str


def run(*arguments: object, store: Path, **environment: str) -> Result:
    """Runs the command in this process, without the settings of the environment but those given."""
    stdout, stderr = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(stdout), redirect_stderr(stderr):
        for name in ("DAGSTER_HOME", "SHELFSIGHT_ALLOWED_NETWORKS"):  # the default instance is the store's
            patch.delenv(name, raising=False)
        for name, value in {"SHELFSIGHT_STORE": str(store), **environment}.items():
            patch.setenv(name, value)
        returncode = main([str(each) for each in arguments])
    return Result(returncode, stdout.getvalue(), stderr.getvalue())


def run_json(*arguments: object, store: Path, **environment: str) -> Any:
    """Runs the command and returns its JSON output."""
    result = run(*arguments, "--json", store=store, **environment)
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


@pytest.fixture(scope="module")
def image(tiny_catalog: TinyCatalog, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An image that the catalog has a category for."""
    store = Store(root=str(tiny_catalog.root))
    named = store.scan("universal_catalog").filter(pl.col("category_id").is_not_null()).sort("product_id").head(1)
    rows = store.scan("dataset").join(named.select("product_id"), on="product_id").collect()
    path = tmp_path_factory.mktemp("images") / f"{rows['product_id'][0].replace(':', '-')}.jpg"
    path.write_bytes(StoredImages(store=store).read(rows)[0])
    return path


def test_classify_agrees_with_the_universal_catalog(tiny_catalog: TinyCatalog, image: Path) -> None:
    [result] = run_json("classify", image, store=tiny_catalog.root)
    product = image.stem.replace("-", ":", 1)
    [row] = Store(root=str(tiny_catalog.root)).scan("universal_catalog").filter(product_id=product).collect().to_dicts()
    assert (result["category_id"], result["path"], result["depth"]) == (row["category_id"], row["path"], row["depth"])
    assert result["probability"] == pytest.approx(row["probability"], abs=0.02)
    assert result["leaves"][0]["path"] == row["leaf_path"]
    assert len(result["leaves"]) == 4


def test_a_link_is_fetched_under_the_guards_of_a_download(tiny_catalog: TinyCatalog) -> None:
    outcomes = Store(root=str(tiny_catalog.root)).scan("outcomes").filter(status="ok").collect()
    url = outcomes["image_url"][0]
    refused = run("classify", url, store=tiny_catalog.root)
    assert refused.returncode == 1
    assert "blocked_address; SHELFSIGHT_ALLOWED_NETWORKS lists" in refused.stderr
    [result] = run_json("classify", url, store=tiny_catalog.root, SHELFSIGHT_ALLOWED_NETWORKS="127.0.0.1/32")
    assert result["path"]


def test_a_file_that_is_not_an_image_is_an_error(tiny_catalog: TinyCatalog, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("no image")
    result = run("classify", tmp_path / "notes.txt", store=tiny_catalog.root)
    assert (result.returncode, result.stdout) == (1, "")
    assert "notes.txt' is not an image to classify: not_an_image; pass a JPEG" in result.stderr
    assert "No such file" in run("classify", tmp_path / "nowhere.jpg", store=tiny_catalog.root).stderr


def test_an_unknown_coverage_lists_the_known(tiny_catalog: TinyCatalog, image: Path) -> None:
    result = run("classify", image, "--coverage", "0.5", store=tiny_catalog.root)
    assert "no threshold for a coverage of 0.5; known are 0.8, 0.9, 0.95" in result.stderr


def test_without_a_deployment_the_error_names_the_job(image: Path, tmp_path: Path) -> None:
    result = run("classify", image, store=tmp_path)
    assert result.returncode == 1
    assert "nothing is deployed" in result.stderr
    assert "job 'deploy'" in result.stderr


def test_similar_products_of_a_product_and_of_an_image(tiny_catalog: TinyCatalog, image: Path) -> None:
    product = image.stem.replace("-", ":", 1)
    by_product = run_json("similar", product, "-k", 3, store=tiny_catalog.root)
    assert [each["rank"] for each in by_product] == [1, 2, 3]
    assert product not in {each["product_id"] for each in by_product}
    by_image = run_json("similar", image, "-k", 3, store=tiny_catalog.root)
    assert by_image[0]["similarity"] == pytest.approx(1, abs=0.01)
    unknown = run("similar", "hansen:nothing", store=tiny_catalog.root)
    assert (unknown.returncode, "has no embedding" in unknown.stderr) == (1, True)


def test_a_query_is_read_only(tiny_catalog: TinyCatalog) -> None:
    [result] = run_json("query", "SELECT count(*) AS num FROM universal_catalog", store=tiny_catalog.root)
    assert result["num"] > 500
    table = run("query", "SELECT partner, depth, num FROM catalog_coverage", store=tiny_catalog.root)
    assert table.stdout.splitlines()[0].split() == ["partner", "depth", "num"]
    written = run("query", "CREATE TABLE mine AS SELECT 1", store=tiny_catalog.root)
    assert (written.returncode, "read-only" in written.stderr) == (1, True)
    mistyped = run("query", "SELECT nothing FROM nowhere", store=tiny_catalog.root)
    assert (mistyped.returncode, "nowhere" in mistyped.stderr) == (1, True)


def test_feed_add_copies_the_file_into_the_inbox(tiny_catalog: TinyCatalog, tmp_path: Path) -> None:
    root = tmp_path / "store"
    shutil.copytree(tiny_catalog.root / "reference", root / "reference")
    feed = tmp_path / "spring.tsv"
    feed.write_text("id\ttitle\n1\tshoe\n")
    result = run_json("feed", "add", feed, "--partner", "northloom", store=root)
    target = root / "inbox" / "northloom" / "spring.tsv"
    assert (result["feed"], result["replaces"]) == (str(target), None)
    assert target.read_text() == feed.read_text()
    assert run_json("feed", "add", feed, "--partner", "northloom", store=root)["replaces"]
    assert [file.name for file in target.parent.iterdir()] == ["spring.tsv"]
    unknown = run("feed", "add", feed, "--partner", "northlom", store=root)
    assert (unknown.returncode, "northloom" in unknown.stderr) == (1, True)
    assert "no feed file" in run("feed", "add", tmp_path / "none.tsv", store=root).stderr


def test_status_reports_deliveries_champion_and_deployment(tiny_catalog: TinyCatalog) -> None:
    result = run_json("status", store=tiny_catalog.root)
    store = Store(root=str(tiny_catalog.root))
    assert result["deliveries"] == result["classified"] == 10
    assert result["waiting"] == []
    assert result["products"] == len(store.scan("products").collect())
    champion = store.read_json("champion", "champion.json")
    assert champion is not None
    assert result["champion"].startswith(champion["classifier"])
    assert " as " in result["deployed"]
    assert result["sensors"] == []  # no daemon ever ran on this instance
    for_people = run("status", store=tiny_catalog.root)
    assert champion["classifier"] in for_people.stdout


def test_status_without_a_dagster_instance_names_the_folder(tmp_path: Path) -> None:
    result = run_json("status", store=tmp_path)
    assert result["sensors"] == [f"there is no Dagster instance in {tmp_path / 'dagster'}; set DAGSTER_HOME to another"]


def test_a_missing_store_is_named(tmp_path: Path) -> None:
    result = run("status", store=tmp_path / "nowhere")
    assert (result.returncode, "no store at" in result.stderr) == (1, True)


def test_the_module_runs_the_command_and_returns_its_exit_code(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "shelfsight", "query", "SELECT 1", "--store", str(tmp_path)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr.startswith("shelfsight query: no warehouse at")


@pytest.mark.parametrize("arguments", [[], ["classify"], ["feed"], ["feed", "add"], ["paint", "x"]])
def test_a_malformed_command_exits_with_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 2
    assert "Usage: shelfsight" in capsys.readouterr().err


def test_help_lists_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    shown = capsys.readouterr().out
    for command in COMMANDS:
        assert command in shown
