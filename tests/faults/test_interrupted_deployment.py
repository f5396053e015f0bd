"""A deployment that is killed at each of its steps: the former one predicts or the new one, from whole files."""

from pathlib import Path

import numpy as np
import pytest

from ml.deployment.deployment import POINTER, Deployment, current_folder
from resources.store import Store
from tests.conftest import TinyCatalog
from tests.end_to_end.services import copy_of
from tests.faults.killed_run import exported_by_copy, materialize
from tests.faults.killing import Moment, killed

BEFORE_THE_POINTER = (
    Moment("before", "shutil:copy", 3),  # two files of many are exported
    Moment("after", "catalog_assets.serving.deployment:register_served"),  # it is a version in MLflow
)
AFTER_THE_POINTER = Moment("after", "resources.store:Store.write_json")  # it predicts, and no event tells of it


def prediction(store: Store) -> tuple[Path, list[int]]:
    """The current deployment, whose files are those that were written, and its prediction for a gray image."""
    folder = current_folder(store.local)
    deployment = Deployment.load(folder)
    gray = np.full((1, 3, deployment.resolution, deployment.resolution), 128, dtype=np.uint8)
    return folder, deployment.best_leaves(gray).tolist()


def test_a_deployment_killed_at_every_step_leaves_one_that_predicts_and_the_next_run_completes_it(
    tiny_catalog: TinyCatalog, memory_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store(root=str(copy_of(tiny_catalog, memory_dir)))
    former, predicted = prediction(store)
    for moment in BEFORE_THE_POINTER:
        killed(store.local, "deployment", moment)
        assert prediction(store) == (former, predicted)
    killed(store.local, "deployment", AFTER_THE_POINTER)
    new, predicted_now = prediction(store)
    assert (new == former, predicted_now) == (False, predicted)
    assert store.read_json(*POINTER) == {"folder": new.name, "former": former.name}
    monkeypatch.setattr("ml.deployment.deploy.deploy", exported_by_copy(store.local))
    assert materialize(store.local, ["deployment"], None).success
    newest, predicted_now = prediction(store)
    assert (newest in (former, new), predicted_now) == (False, predicted)
    assert store.read_json(*POINTER) == {"folder": newest.name, "former": new.name}
