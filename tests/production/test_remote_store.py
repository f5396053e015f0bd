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
from demo.catalogue import picture_source, write_catalogue
from demo.fashion_mnist import FashionMnist
from demo.flow import Plan, bring_up_to_date, register_arrivals, stages
from demo.place import allow_shop
from demo.shop import Shop
from resources.pictures import Pictures
from resources.store import Store
from tests.conftest import REPOSITORY
from tests.production.s3 import STORE, s3_server

NUM_PRODUCTS = 420
PLAN = Plan(encoders=("imagenet-lite0",), classifiers=("imagenet-lite0-probe",))

# Of the clients of S3; none is ours.
pytestmark = [
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
        """What the command answers on a machine that has never seen the store."""
        environment = {**os.environ, "SHELFSIGHT_STORE": STORE, "SHELFSIGHT_SCRATCH": str(self.tmp / "elsewhere")}
        environment["DAGSTER_HOME"] = str(self.tmp / "dagster")
        command = [sys.executable, "-m", "shelfsight", *words, "--json"]
        told = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=120)
        assert told.returncode == 0, told.stderr
        return json.loads(told.stdout)


@pytest.fixture(scope="module")
def remote(fashion_mnist: FashionMnist, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Remote]:
    tmp = tmp_path_factory.mktemp("remote")
    home = tmp / "dagster"
    home.mkdir()
    shutil.copy(REPOSITORY / "dagster.yaml", home)
    allow_shop()
    with (
        pytest.MonkeyPatch.context() as patch,
        s3_server(),
        Shop(picture_source(fashion_mnist), seed=7) as shop,
        dg.DagsterInstance.from_config(str(home)) as instance,
    ):
        patch.setenv("SHELFSIGHT_SCRATCH", str(tmp / "scratch"))
        inbox, reference = tmp / "inbox", tmp / "reference"
        write_catalogue(inbox, reference, data=fashion_mnist, seed=7, shop_url=shop.url, num_products=NUM_PRODUCTS)
        store = Store(root=STORE)
        for folder in ("inbox", "reference"):
            store.path.fs.put(str(tmp / folder), str(store.path / folder), recursive=True)
        assert register_arrivals(store, instance) == []
        progress = bring_up_to_date(definitions(STORE), instance, stages(PLAN))
        assert not progress.refused
        yield Remote(store, instance, tmp)


def test_all_of_it_lies_there(remote: Remote) -> None:
    store = remote.store
    downloaded = store.scan("outcomes").collect()
    labelled = store.scan("universal_catalogue").collect()
    assert sorted(labelled["product_id"]) == sorted(downloaded.filter(status="ok")["product_id"])
    there = {path.removeprefix("catalogue/store/").split("/")[0] for path in store.path.fs.find("catalogue/store")}
    assert there >= {"encoders", "classifiers", "champion", "deployment", "similarity_index", "warehouse", "mlflow"}
    with pytest.raises(ValueError, match=r"store 's3://catalogue/store' is remote; this step needs a local"):
        _ = store.local  # what retention asks for
    assert not (REPOSITORY / "s3:").exists()  # what takes a URL for a folder makes
    assert not (Path.cwd() / "s3:").exists()


def test_another_machine_answers(remote: Remote) -> None:
    product = remote.store.scan("dataset").head(1).collect()
    picture = remote.tmp / "picture.jpg"
    [content] = Pictures(store=remote.store).read(product)
    picture.write_bytes(content)
    [told] = remote.asked("classify", str(picture))
    assert told["leaves"][0]["path"].startswith("Apparel & Accessories > ")
    similar = remote.asked("similar", product["product_id"][0], "-k", "3")
    assert len(similar) == 3
    [counted] = remote.asked("query", "SELECT count(*) AS num FROM universal_catalogue")
    assert counted["num"] == len(remote.store.scan("universal_catalogue").collect())
    status = remote.asked("status")
    assert (status["waiting"], status["champion"].partition(",")[0]) == ([], PLAN.classifiers[0])


def test_another_machine_finds_everything_up_to_date(remote: Remote, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHELFSIGHT_SCRATCH", str(remote.tmp / "third"))
    assert bring_up_to_date(definitions(STORE), remote.instance, stages(PLAN)).num_runs == 0
