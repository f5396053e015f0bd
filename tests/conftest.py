"""The tiny catalogue: the demo's own flow over 1,200 products, made once for every test that only reads it."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from demo.fashion_mnist import DataUnavailableError, FashionMnist, load

if TYPE_CHECKING:
    from demo.flow import Plan

REPOSITORY = Path(__file__).parent.parent
NUM_PRODUCTS = 1_200
ENCODERS = ("imagenet-lite0", "simclr-mnv3")
CLASSIFIERS = ("imagenet-lite0-probe", "simclr-mnv3-finetune-5pct")
SHARES = ("simclr-mnv3|0.05",)


@pytest.fixture(scope="session")
def fashion_mnist() -> FashionMnist:
    """Fashion-MNIST, from wherever it can be had."""
    try:
        return load(REPOSITORY / ".data")
    except DataUnavailableError as error:
        pytest.skip(str(error))


def tiny_plan() -> "Plan":
    """The recipes of the tiny catalogue."""
    from demo.flow import Plan

    return Plan(encoders=ENCODERS, classifiers=CLASSIFIERS, shares=SHARES)


@dataclass(frozen=True)
class TinyCatalogue:
    """A materialised store, the home of its Dagster instance, and what serves its pictures."""

    root: Path
    home: Path
    shop_port: int
    num_runs: int


@pytest.fixture(scope="session")
def tiny_catalogue(fashion_mnist: FashionMnist, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TinyCatalogue]:
    """The whole flow, once: feeds, download from a real shop, dataset, encoders, classifiers, grid, warehouse."""
    import dagster as dg

    from catalog_assets.definitions import definitions
    from demo.catalogue import picture_source, write_catalogue
    from demo.flow import bring_up_to_date, register_arrivals, stages
    from demo.place import allow_shop
    from demo.shop import Shop
    from resources.store import Store

    root = tmp_path_factory.mktemp("tiny") / "store"
    home = root / "dagster"
    home.mkdir(parents=True)
    shutil.copy(REPOSITORY / "dagster.yaml", home)
    allow_shop()
    with (
        Shop(picture_source(fashion_mnist), seed=7) as shop,
        dg.DagsterInstance.from_config(str(home)) as instance,
    ):
        write_catalogue(
            root / "inbox",
            root / "reference",
            data=fashion_mnist,
            seed=7,
            shop_url=shop.url,
            num_products=NUM_PRODUCTS,
        )
        assert register_arrivals(Store(root=str(root)), instance) == []
        progress = bring_up_to_date(definitions(str(root)), instance, stages(tiny_plan()))
        assert not progress.refused
        yield TinyCatalogue(root=root, home=home, shop_port=shop.port, num_runs=progress.num_runs)
