"""The command, as somebody types it: what it answers, what it refuses, and with which exit code."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

from resources.pictures import Pictures
from resources.store import Store
from shelfsight.command import parser
from tests.conftest import TinyCatalogue


def ask(*words: object, store: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    told = {**os.environ, "SHELFSIGHT_STORE": str(store), **environment}
    told.pop("DAGSTER_HOME", None)  # as in a terminal of its own: it is where `make` puts it
    told.pop("SHELFSIGHT_ALLOWED_NETWORKS", None) if "SHELFSIGHT_ALLOWED_NETWORKS" not in environment else None
    command = [sys.executable, "-m", "shelfsight", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, env=told, timeout=120, check=False)


def answer(*words: object, store: Path, **environment: str) -> object:
    """What is told in JSON."""
    told = ask(*words, "--json", store=store, **environment)
    assert told.returncode == 0, told.stderr
    return json.loads(told.stdout)


@pytest.fixture(scope="module")
def picture(tiny_catalogue: TinyCatalogue, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One that the catalogue has a category for."""
    store = Store(root=str(tiny_catalogue.root))
    named = store.scan("universal_catalogue").filter(pl.col("category_id").is_not_null()).sort("product_id").head(1)
    rows = store.scan("dataset").join(named.select("product_id"), on="product_id").collect()
    path = tmp_path_factory.mktemp("pictures") / f"{rows['product_id'][0].replace(':', '-')}.jpg"
    path.write_bytes(Pictures(store=store).read(rows)[0])
    return path


def test_a_picture_gets_the_category_that_the_catalogue_has(tiny_catalogue: TinyCatalogue, picture: Path) -> None:
    [told] = answer("classify", picture, store=tiny_catalogue.root)
    product = picture.stem.replace("-", ":", 1)
    [row] = (
        Store(root=str(tiny_catalogue.root)).scan("universal_catalogue").filter(product_id=product).collect().to_dicts()
    )
    assert (told["category_id"], told["path"], told["depth"]) == (row["category_id"], row["path"], row["depth"])
    assert told["probability"] == pytest.approx(row["probability"], abs=0.02)
    assert told["leaves"][0]["path"] == row["leaf_path"]
    assert len(told["leaves"]) == 4


def test_a_link_is_fetched_under_the_guards_of_a_download(tiny_catalogue: TinyCatalogue) -> None:
    outcomes = Store(root=str(tiny_catalogue.root)).scan("outcomes").filter(status="ok").collect()
    url = outcomes["image_url"][0]
    refused = ask("classify", url, store=tiny_catalogue.root)
    assert refused.returncode == 1
    assert "blocked_address; SHELFSIGHT_ALLOWED_NETWORKS names" in refused.stderr
    [told] = answer("classify", url, store=tiny_catalogue.root, SHELFSIGHT_ALLOWED_NETWORKS="127.0.0.1/32")
    assert told["path"]


def test_what_is_no_picture_is_told(tiny_catalogue: TinyCatalogue, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("no picture")
    told = ask("classify", tmp_path / "notes.txt", store=tiny_catalogue.root)
    assert (told.returncode, told.stdout) == (1, "")
    assert "notes.txt' is no picture to classify: not_an_image; give a JPEG" in told.stderr
    assert "No such file" in ask("classify", tmp_path / "nowhere.jpg", store=tiny_catalogue.root).stderr


def test_an_unknown_coverage_lists_the_known(tiny_catalogue: TinyCatalogue, picture: Path) -> None:
    told = ask("classify", picture, "--coverage", "0.5", store=tiny_catalogue.root)
    assert "no threshold for a coverage of 0.5; known are 0.8, 0.9, 0.95" in told.stderr


def test_without_a_deployment_it_says_what_to_run(picture: Path, tmp_path: Path) -> None:
    told = ask("classify", picture, store=tmp_path)
    assert told.returncode == 1
    assert "nothing is deployed" in told.stderr
    assert "job 'deploy'" in told.stderr


def test_similar_products_of_a_product_and_of_a_picture(tiny_catalogue: TinyCatalogue, picture: Path) -> None:
    product = picture.stem.replace("-", ":", 1)
    by_product = answer("similar", product, "-k", 3, store=tiny_catalogue.root)
    assert [each["rank"] for each in by_product] == [1, 2, 3]
    assert product not in {each["product_id"] for each in by_product}
    by_picture = answer("similar", picture, "-k", 3, store=tiny_catalogue.root)
    assert by_picture[0]["similarity"] == pytest.approx(1, abs=0.01)
    unknown = ask("similar", "hansen:nothing", store=tiny_catalogue.root)
    assert (unknown.returncode, "has no embedding" in unknown.stderr) == (1, True)


def test_a_question_in_sql_is_answered_and_nothing_can_be_written(tiny_catalogue: TinyCatalogue) -> None:
    [told] = answer("query", "SELECT count(*) AS num FROM universal_catalogue", store=tiny_catalogue.root)
    assert told["num"] > 500
    table = ask("query", "SELECT partner, depth, num FROM catalogue_coverage", store=tiny_catalogue.root)
    assert table.stdout.splitlines()[0].split() == ["partner", "depth", "num"]
    written = ask("query", "CREATE TABLE mine AS SELECT 1", store=tiny_catalogue.root)
    assert (written.returncode, "read-only" in written.stderr) == (1, True)
    mistyped = ask("query", "SELECT nothing FROM nowhere", store=tiny_catalogue.root)
    assert (mistyped.returncode, "nowhere" in mistyped.stderr) == (1, True)


def test_a_feed_is_put_where_the_sensor_looks(tiny_catalogue: TinyCatalogue, tmp_path: Path) -> None:
    root = tmp_path / "store"
    shutil.copytree(tiny_catalogue.root / "reference", root / "reference")
    feed = tmp_path / "spring.tsv"
    feed.write_text("id\ttitle\n1\tshoe\n")
    told = answer("feed", "add", feed, "--partner", "northloom", store=root)
    place = root / "inbox" / "northloom" / "spring.tsv"
    assert (told["feed"], told["replaces"]) == (str(place), None)
    assert place.read_text() == feed.read_text()
    assert answer("feed", "add", feed, "--partner", "northloom", store=root)["replaces"]
    assert [file.name for file in place.parent.iterdir()] == ["spring.tsv"]
    unknown = ask("feed", "add", feed, "--partner", "northlom", store=root)
    assert (unknown.returncode, "northloom" in unknown.stderr) == (1, True)
    assert "no feed file" in ask("feed", "add", tmp_path / "none.tsv", store=root).stderr


def test_status_tells_how_things_stand(tiny_catalogue: TinyCatalogue) -> None:
    told = answer("status", store=tiny_catalogue.root)
    store = Store(root=str(tiny_catalogue.root))
    assert told["deliveries"] == told["labelled"] == 10
    assert told["waiting"] == []
    assert told["products"] == len(store.scan("products").collect())
    champion = store.read_json("champion", "champion.json")
    assert champion is not None
    assert told["champion"].startswith(champion["classifier"])
    assert " as " in told["deployed"]
    assert told["sensors"] == []  # of its own instance, over which no daemon ever ran
    for_people = ask("status", store=tiny_catalogue.root)
    assert champion["classifier"] in for_people.stdout


def test_status_of_a_store_without_an_instance_says_where_it_looked(tmp_path: Path) -> None:
    told = answer("status", store=tmp_path)
    assert told["sensors"] == [f"there is no Dagster instance in {tmp_path / 'dagster'}; DAGSTER_HOME names another"]


def test_a_store_that_is_not_there_is_named(tmp_path: Path) -> None:
    told = ask("status", store=tmp_path / "nowhere")
    assert (told.returncode, "no store at" in told.stderr) == (1, True)


@pytest.mark.parametrize("words", [[], ["classify"], ["feed"], ["feed", "add"], ["paint", "x"]])
def test_what_is_not_understood_ends_with_two(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        parser().parse_args(words)
    assert ended.value.code == 2
    assert "usage: shelfsight" in capsys.readouterr().err


def test_help_lists_every_word(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        parser().parse_args(["--help"])
    assert ended.value.code == 0
    shown = capsys.readouterr().out
    for word in ("feed", "classify", "similar", "query", "status"):
        assert word in shown
