"""Fashion-MNIST and the tiny catalog for every test; plugins that order tests and count skips and fault cases."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

from demo.fashion_mnist import DataUnavailableError, FashionMnist, load
from demo.settings import allow_shop
from resources.settings import set_default
from tests.build_cache import REPOSITORY, locked
from tests.tiny_catalog import CLASSIFIERS, ENCODERS, NUM_PRODUCTS, SHARES, TinyCatalog, built, tiny_plan, tiny_shop

__all__ = ["CLASSIFIERS", "ENCODERS", "NUM_PRODUCTS", "REPOSITORY", "SHARES", "TinyCatalog", "tiny_plan"]

# A property holds however busy the machine is.
hypothesis.settings.register_profile("shelfsight", deadline=None)
hypothesis.settings.load_profile("shelfsight")

pytest_plugins = ("tests.plugins.cores", "tests.plugins.order", "tests.plugins.skips", "tests.plugins.fault_tally")


@pytest.fixture(scope="session")
def fashion_mnist() -> FashionMnist:
    """Fashion-MNIST, from wherever it can be had; one process downloads it for all."""
    try:
        with locked("fashion_mnist"):
            return load(REPOSITORY / ".data")
    except DataUnavailableError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def tiny_catalog(fashion_mnist: FashionMnist, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TinyCatalog]:
    """A copy of the tiny catalog for tests that only read, and the shop that its links lead to."""
    set_default("SHELFSIGHT_CONNECTIONS_PER_HOST", "16")  # with 64, a busy machine responds to some after their limit
    allow_shop()
    catalog = built(fashion_mnist)
    with tiny_shop(fashion_mnist, catalog.shop_port):
        yield catalog.copy(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="module")
def module_folder(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[Path]:
    """A folder for the fixtures of a module, removed with them unless a test failed: a catalog is 200 MB."""
    folder = tmp_path_factory.mktemp("module")
    yield folder
    if not request.session.testsfailed:
        shutil.rmtree(folder)
