"""A store on S3: the whole flow, from feeds to categories, on a server of its own; another machine goes on with it."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from catalog_assets.definitions import definitions
from catalog_assets.flow import bring_up_to_date, register_arrivals
from catalog_assets.plan import Plan
from demo.catalog import image_source, write_catalog
from demo.fashion_mnist import FashionMnist
from demo.settings import allow_shop
from demo.shop import Shop
from resources.images import StoredImages
from resources.instance import SHIPPED
from resources.settings import Settings
from resources.store import Store
from tests.conftest import REPOSITORY
from tests.production.s3 import STORE, s3_server

NUM_PRODUCTS = 1_000  # of the demo's ten feeds, of which three are taken: each costs three runs
FEEDS = ("golden/test-set.tsv", "northloom/spring.tsv", "zwirnwald/spring.parquet")
PLAN = Plan(encoders=("imagenet-lite0",), classifiers=("imagenet-lite0-probe",))

# Of the clients of S3; none is ours.
pytestmark = [
    pytest.mark.end_to_end,
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]


@dataclass(frozen=True)
class Remote:
    """A store on S3 that everything was made in, and the instance that knows of it."""

    store: Store
    instance: dg.DagsterInstance
    tmp: Path

    def asked(self, *words: str) -> Any:
        """Runs the command on a machine without local copies of the store; returns its JSON output."""
        environment = {**os.environ, "SHELFSIGHT_STORE": STORE, "SHELFSIGHT_SCRATCH": str(self.tmp / "elsewhere")}
        environment["DAGSTER_HOME"] = str(self.tmp / "dagster")
        command = [sys.executable, "-m", "shelfsight", *words, "--json"]
        output = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        assert output.returncode == 0, output.stderr
        return json.loads(output.stdout)


@pytest.fixture(scope="module")
def remote(fashion_mnist: FashionMnist, module_folder: Path) -> Iterator[Remote]:
    tmp = module_folder
    home = tmp / "dagster"
    home.mkdir()
    shutil.copy(SHIPPED, home)
    allow_shop()
    with (
        pytest.MonkeyPatch.context() as patch,
        s3_server(),
        Shop(image_source(fashion_mnist), seed=7) as shop,
        dg.DagsterInstance.from_config(str(home)) as instance,
    ):
        patch.setenv("SHELFSIGHT_SCRATCH", str(tmp / "scratch"))
        inbox, reference = tmp / "inbox", tmp / "reference"
        write_catalog(inbox, reference, data=fashion_mnist, seed=7, shop_url=shop.url, num_products=NUM_PRODUCTS)
        for feed in inbox.glob("*/*"):
            if str(feed.relative_to(inbox)) not in FEEDS:
                feed.unlink()
        store = Store(root=STORE)
        for folder in ("inbox", "reference"):
            store.path.fs.put(str(tmp / folder), str(store.path / folder), recursive=True)
        assert register_arrivals(store, instance) == []
        progress = bring_up_to_date(definitions(Settings.read(store=STORE)), instance, PLAN)
        assert not progress.refused
        yield Remote(store, instance, tmp)


def test_all_of_it_lies_there(remote: Remote) -> None:
    store = remote.store
    downloaded = store.scan("outcomes").collect()
    labeled = store.scan("universal_catalog").collect()
    assert sorted(labeled["product_id"]) == sorted(downloaded.filter(status="ok")["product_id"])
    there = {path.removeprefix("catalog/store/").split("/")[0] for path in store.path.fs.find("catalog/store")}
    assert there >= {"encoders", "classifiers", "champion", "deployment", "similarity_index", "warehouse", "mlflow"}
    with pytest.raises(ValueError, match=r"store 's3://catalog/store' is remote; this step needs a local"):
        _ = store.local  # what retention asks for
    assert not (REPOSITORY / "s3:").exists()  # what takes a URL for a folder makes
    assert not (Path.cwd() / "s3:").exists()


def test_another_machine_predicts(remote: Remote) -> None:
    product = remote.store.scan("dataset").head(1).collect()
    image = remote.tmp / "image.jpg"
    [content] = StoredImages(store=remote.store).read(product)
    image.write_bytes(content)
    [output] = remote.asked("classify", str(image))
    assert output["leaves"][0]["path"].startswith("Apparel & Accessories > ")
    similar = remote.asked("similar", product["product_id"][0], "-k", "3")
    assert len(similar) == 3
    [counted] = remote.asked("query", "SELECT count(*) AS num FROM universal_catalog")
    assert counted["num"] == len(remote.store.scan("universal_catalog").collect())
    status = remote.asked("status")
    assert (status["waiting"], status["champion"].partition(",")[0]) == ([], PLAN.classifiers[0])


def test_another_machine_finds_everything_up_to_date(remote: Remote, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHELFSIGHT_SCRATCH", str(remote.tmp / "third"))
    assert bring_up_to_date(definitions(Settings.read(store=STORE)), remote.instance, PLAN).num_runs == 0
