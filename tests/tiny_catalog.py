"""The tiny catalog: the demo's flow over a thousand products, built once and copied for each use."""

import json
import os
import shutil
import socket
import sqlite3
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from demo.fashion_mnist import FashionMnist
from resources.settings import Settings
from tests.build_cache import cached

if TYPE_CHECKING:
    from catalog_assets.plan import Plan
    from demo.shop import Shop

NUM_PRODUCTS = 1_200
ENCODERS = ("imagenet-lite0", "simclr-mnv3")
CLASSIFIERS = ("imagenet-lite0-probe", "simclr-mnv3-finetune-5pct")
SHARES = ("simclr-mnv3|0.05",)
SHOP_PORTS = range(20_000, 30_000)  # below those that systems choose from for clients


def tiny_plan() -> "Plan":
    """The recipes of the tiny catalog."""
    from catalog_assets.plan import Plan

    return Plan(encoders=ENCODERS, classifiers=CLASSIFIERS, shares=SHARES)


@dataclass(frozen=True)
class TinyCatalog:
    """A materialized store, the home of its Dagster instance, and the port of the shop that serves its images."""

    root: Path
    home: Path
    shop_port: int
    num_runs: int

    def copy(self, folder: Path) -> "TinyCatalog":
        """Copies the store, with all that was materialized, into a folder."""
        root = folder / "store"
        shutil.copytree(self.root, root, copy_function=_copy)
        _move_artifacts(root, self.root)
        return replace(self, root=root, home=root / "dagster")


def built(data: FashionMnist) -> TinyCatalog:
    """The tiny catalog on disk: never open it, copy it."""
    folder = cached("tiny_catalog", Path(__file__), lambda folder: _build(folder, data))
    facts = json.loads((folder / "facts.json").read_text())
    return TinyCatalog(root=folder / "store", home=folder / "store" / "dagster", **facts)


def tiny_shop(data: FashionMnist, port: int) -> "Shop":
    """The shop of the tiny catalog; several processes may open it at its port at once."""
    from demo.catalog import image_source
    from demo.shop import Shop

    return Shop(image_source(data), seed=7, port=port, is_port_shared=True)


def _build(folder: Path, data: FashionMnist) -> None:
    """Runs the whole flow: feeds, download, dataset, encoders, classifiers, comparison, warehouse."""
    import dagster as dg

    from catalog_assets.definitions import definitions
    from catalog_assets.flow import bring_up_to_date, register_arrivals
    from demo.catalog import write_catalog
    from resources.instance import SHIPPED
    from resources.store import Store

    root = folder / "store"
    home = root / "dagster"
    home.mkdir(parents=True)
    (home / "dagster.yaml").write_text(_with_eager_queue(SHIPPED.read_text()))
    with tiny_shop(data, _free_port()) as shop, dg.DagsterInstance.from_config(str(home)) as instance:
        write_catalog(
            root / "inbox", root / "reference", data=data, seed=7, shop_url=shop.url, num_products=NUM_PRODUCTS
        )
        assert register_arrivals(Store(root=str(root)), instance) == []
        progress = bring_up_to_date(definitions(Settings.read(store=str(root))), instance, tiny_plan())
    assert not progress.refused
    (folder / "facts.json").write_text(json.dumps({"shop_port": shop.port, "num_runs": progress.num_runs}))


def _with_eager_queue(text: str) -> str:
    """The settings of an instance whose daemon looks into its queue each second, not every five."""
    settings = yaml.safe_load(text)
    queue = settings.pop("run_queue") | {"dequeue_interval_seconds": 1}
    coordinator = {"module": "dagster.core.run_coordinator", "class": "QueuedRunCoordinator", "config": queue}
    return str(yaml.safe_dump(settings | {"run_coordinator": coordinator}))


def _free_port() -> int:
    """A port that nobody listens on; which one is tried first depends on this process."""
    start = os.getpid() * 7 % len(SHOP_PORTS)
    for port in (*SHOP_PORTS[start:], *SHOP_PORTS[:start]):
        with socket.socket() as trying:
            if trying.connect_ex(("127.0.0.1", port)) != 0:
                return port
    raise AssertionError(f"no port from {SHOP_PORTS.start} to {SHOP_PORTS.stop} is free")


def _copy(source: str, target: str) -> None:
    """Copies a file; one that is only ever replaced as a whole gets a second name instead, where the disk has it."""
    if is_shared(Path(source)):
        try:
            os.link(source, target)
        except OSError:  # another file system
            pass
        else:
            return
    shutil.copy2(source, target)


def is_shared(file: Path) -> bool:
    """Returns True for MLflow's artifacts and for decoded pixels, half of the catalog's bytes."""
    return "artifacts" in file.parts or file.suffix == ".npy"


def _move_artifacts(root: Path, former: Path) -> None:
    """Lets the MLflow database of a copied store name its own folder of artifacts."""
    with closing(sqlite3.connect(root / "mlflow" / "mlflow.db")) as database, database:
        for table, column in (
            ("experiments", "artifact_location"),
            ("runs", "artifact_uri"),
            ("model_versions", "source"),
            ("model_versions", "storage_location"),
        ):
            statement = f"UPDATE {table} SET {column} = replace({column}, ?, ?)"  # noqa: S608 the names are above
            database.execute(statement, (str(former), str(root)))
