"""The registry of models, on a real MLflow over SQLite."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from resources.mlflow.tracking import Tracking

MODEL = "encoder-tiny"


@pytest.fixture
def tracking(tmp_path: Path) -> Tracking:
    return Tracking(uri=f"sqlite:///{tmp_path / 'mlflow.db'}", artifacts=str(tmp_path / "artifacts"))


@pytest.fixture
def run_id(tracking: Tracking) -> Iterator[str]:
    client = tracking.client()
    experiment = client.create_experiment("tests", artifact_location=tracking.artifacts)
    return client.create_run(experiment).info.run_id


def version_of(client: Any, alias: str) -> str:
    return str(client.get_model_version_by_alias(MODEL, alias).version)


def test_the_newest_version_is_current_and_the_best_score_is_best(
    tracking: Tracking, run_id: str, tmp_path: Path
) -> None:
    client, weights = tracking.client(), tmp_path / "weights.safetensors"
    seen = []
    for number, score in enumerate((0.5, 0.7, 0.6, 0.7), start=1):
        weights.write_text(f"version {number}")
        assert tracking.register(MODEL, run_id, [weights], {"sha256": str(number)}, score) == str(number)
        seen.append((version_of(client, "current"), version_of(client, "best")))
    assert seen == [("1", "1"), ("2", "2"), ("3", "2"), ("4", "4")]
    assert client.get_model_version(MODEL, "2").tags == {"sha256": "2", "score": "0.700000"}


def test_without_a_score_no_version_is_best(tracking: Tracking, run_id: str, tmp_path: Path) -> None:
    from mlflow.exceptions import MlflowException

    weights = tmp_path / "weights.safetensors"
    weights.write_text("version 1")
    tracking.register(MODEL, run_id, [weights], {})
    assert version_of(tracking.client(), "current") == "1"
    with pytest.raises(MlflowException, match="alias best not found"):
        version_of(tracking.client(), "best")
