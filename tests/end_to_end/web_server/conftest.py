"""One web server with its daemon for all tests that share it, over a copy of the tiny catalog."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from resources.instance import WORKSPACE
from tests.conftest import REPOSITORY, TinyCatalog
from tests.end_to_end.services import Services, copy_of, serving

DELIVERIES = ("harbourhem.spring", "northloom.spring", "zwirnwald.spring")  # one of each partner's: each takes a run
QUEUED_ENCODERS = ("byol-mnv3", "vicreg-mnv3")  # that nothing else is made from
QUEUED = {"test": "pool"}


@pytest.fixture(scope="package")
def services(tiny_catalog: TinyCatalog, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    """The services, which find two trainings in their queue as they start."""
    root = copy_of(tiny_catalog, tmp_path_factory.mktemp("services"))
    with dg.DagsterInstance.from_config(str(root / "dagster")) as instance:
        leave_few_deliveries(root, instance)
    launching = [launch(encoder, root) for encoder in QUEUED_ENCODERS]
    assert [process.wait() for process in launching] == [0] * len(QUEUED_ENCODERS)
    with serving(root) as services:
        yield services


@pytest.fixture(scope="package")
def instance(services: Services) -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.from_config(str(services.root / "dagster")) as instance:
        yield instance


def leave_few_deliveries(root: Path, instance: dg.DagsterInstance) -> None:
    """Takes all others out of the inbox and of the partitions; what was made of them stays."""
    for key in set(instance.get_dynamic_partitions("deliveries")) - set(DELIVERIES):
        instance.delete_dynamic_partition("deliveries", key)
        partner, _, name = key.partition(".")
        for feed in (root / "inbox" / partner).glob(f"{name}.*"):
            feed.unlink()


def launch(encoder: str, root: Path) -> subprocess.Popen[bytes]:
    """Queues the training of an encoder."""
    tags = json.dumps({"dagster/partition": encoder, **QUEUED})
    command = [sys.executable, "-m", "dagster", "job", "launch", "-w", str(WORKSPACE), "-j", "encode", "--tags", tags]
    environment = {**os.environ, "SHELFSIGHT_STORE": str(root), "DAGSTER_HOME": str(root / "dagster")}
    return subprocess.Popen(command, cwd=REPOSITORY, env=environment, stdout=subprocess.DEVNULL)
