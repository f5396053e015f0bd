"""All processes are killed at once: the run fails with a readable cause, and its device slot is freed."""

from pathlib import Path

import dagster as dg
import polars as pl
import pytest

from resources.store import Store
from tests.conftest import TinyCatalog
from tests.end_to_end.separate_services import code_server, watchful
from tests.end_to_end.services import copy_of, free_port
from tests.end_to_end.test_killed_services import LABELED, halted, status_of
from tests.patience import until

TABLE = "universal_catalog"


def rows(store: Store) -> pl.DataFrame:
    """The predictions without the times of their changes: without a former row, those of a run are its own."""
    return store.scan(TABLE, [LABELED]).collect().drop("delivery", "changed_at")


@pytest.mark.end_to_end
def test_a_run_that_everything_died_with_has_failed_and_leaves_the_device_to_the_next(
    tiny_catalog: TinyCatalog, tmp_path: Path
) -> None:
    root = copy_of(tiny_catalog, tmp_path)
    watchful(root)
    store = Store(root=str(root))
    undisturbed = rows(store)
    store.write(undisturbed[:0], TABLE, LABELED)
    (root / "halt").touch()
    with dg.DagsterInstance.from_config(str(root / "dagster")) as instance:
        with code_server(root) as services, services.daemon(), services.web_server(free_port()) as (_, web):
            lost = web.launch("categorize", LABELED)
            halted(store)
        (root / "halt").unlink()
        with code_server(root) as services, services.daemon(), services.web_server(free_port()) as (_, web):
            again = web.launch("categorize", LABELED)
            until(lambda: status_of(instance, again) == dg.DagsterRunStatus.SUCCESS, "the categorization after the cut")
            assert "of the run is gone" in web.messages(lost)
        assert status_of(instance, lost) == dg.DagsterRunStatus.FAILURE
    assert rows(store).equals(undisturbed)
