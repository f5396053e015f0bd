"""Encoders that several processes pretrain together, started as the asset starts them."""

import shutil
from pathlib import Path

import dagster as dg
import numpy as np
import polars as pl
import pytest

from catalog_assets.definitions import definitions
from catalog_assets.encoders.pretraining import Pretraining
from catalog_assets.flow import QUIET
from resources.compute import Compute
from resources.images import StoredImages
from resources.recipes import PRESETS
from resources.settings import Settings
from resources.store import Store
from tests.conftest import TinyCatalog

pytestmark = pytest.mark.end_to_end
ENCODER = "simclr-mnv3"


@pytest.fixture
def store(tiny_catalog: TinyCatalog, tmp_path: Path) -> Store:
    """A copy of the tiny catalog without its encoders."""
    root = tiny_catalog.copy(tmp_path).root
    shutil.rmtree(root / "encoders")
    return Store(root=str(root))


@pytest.mark.parametrize("launcher", ["torchrun", "ray"])
def test_two_ranks_make_one_encoder(store: Store, launcher: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHELFSIGHT_RANKS", "2")
    monkeypatch.setenv("SHELFSIGHT_LAUNCHER", launcher)
    with dg.DagsterInstance.from_config(str(Path(store.root) / "dagster")) as instance:
        result = (
            definitions(Settings.read(store=store.root))
            .resolve_job_def("encode")
            .execute_in_process(instance=instance, partition_key=ENCODER, run_config=QUIET, raise_on_error=True)
        )
    (check,) = result.get_asset_check_evaluations()
    assert check.check_name == "reloads"
    assert check.passed
    record = store.read_json("encoders", ENCODER, "encoder.json")
    assert record is not None
    assert record["num_ranks"] == 2
    assert record["origin"] == "simclr"
    from mlflow import MlflowClient

    client = MlflowClient(f"sqlite:///{Path(store.root) / 'mlflow' / 'mlflow.db'}")
    losses = [each.value for each in client.get_metric_history(record["mlflow_run_id"], "loss")]
    assert len(losses) == PRESETS.encoder(ENCODER).pretraining.optimization.epochs  # type: ignore[union-attr]
    assert losses[-1] < losses[0] - 0.25  # of the first of two epochs
    left = {path.name for path in (Path(store.root) / "encoders" / ENCODER).iterdir()}
    assert left == {"encoder.json", "weights.safetensors"}
    embedded = store.scan("embeddings", [ENCODER]).collect()["embedding"].to_numpy()
    assert np.isfinite(embedded).all()


def test_failed_ranks_report_their_log(store: Store) -> None:
    rows = store.scan("dataset").collect()
    lost = rows.with_columns(split=pl.lit("test"))  # nothing to learn from
    task = Pretraining(store, StoredImages(store=store), PRESETS.encoder(ENCODER), lost)
    with pytest.raises(dg.Failure) as raised:
        task.run_on_ranks(Compute(num_ranks=2), None)
    assert "2 ranks of encoder 'simclr-mnv3' ended with 1" in str(raised.value.description)
    log = (task.folder / "ranks.log").read_text()
    assert "encoder 'simclr-mnv3' cannot be pretrained on 0 images, it takes at least 2" in log


def test_an_unknown_launcher_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHELFSIGHT_LAUNCHER", "mpi")
    with pytest.raises(ValueError, match="SHELFSIGHT_LAUNCHER is 'mpi': input should be 'torchrun' or 'ray'"):
        Settings.read()
