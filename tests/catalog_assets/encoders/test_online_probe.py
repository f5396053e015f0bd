"""Online probe: evaluation during pretraining, and the check that the saved encoder equals the trained one."""

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch

from catalog_assets.encoders.online_probe import MIN_PROBED, online_probe, reloads
from ml.encoders.encoder import Encoder, build
from ml.training.pretraining import NO_COST, Pretrained
from tests.conftest import TinyCatalog
from tests.ml.tiny import TINY_ENCODER, striped

CPU = torch.device("cpu")


def rows(num: int, labeled: int) -> pl.DataFrame:
    kinds = np.arange(num) % 4
    return pl.DataFrame(
        {
            "product_id": [f"p:{number}" for number in range(num)],
            "sha256": [hashlib.sha256(b"%d" % number).hexdigest() for number in range(num)],
            "group_id": [f"p:{number}" for number in range(num)],
            "split": ["val"] * num,
            "level_4": [int(kind) + 1000 if number < labeled else None for number, kind in enumerate(kinds)],
        }
    )


def test_the_probe_distinguishes_different_kinds_of_images(tmp_path: Path) -> None:
    pixels, _ = striped(120)
    probe = online_probe(rows(120, 120), pixels, tmp_path, CPU)
    assert probe is not None

    class Averages(Encoder):
        """Embeds by the mean colors of rows and columns, which the kinds differ in."""

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            gray = images.float().mean(dim=1) - 125
            features = torch.cat([gray.mean(dim=1), gray.mean(dim=2)], dim=1)
            return torch.nn.functional.pad(features, (0, self.dim - features.shape[1]))

    encoder = build(TINY_ENCODER)
    knowing = Averages(encoder.name, encoder.backbone, encoder.resolution, "random")
    knowing.dim = 64
    assert probe.score(knowing) == 1.0
    shuffled = rows(120, 120).with_columns(pl.col("level_4").shuffle(seed=1))
    blind = online_probe(shuffled, pixels, tmp_path, CPU)
    assert blind is not None
    assert blind.score(knowing) < 0.6


@pytest.mark.parametrize("labeled", [0, MIN_PROBED - 1])
def test_too_few_labels_give_no_probe(labeled: int, tmp_path: Path) -> None:
    assert online_probe(rows(80, labeled), striped(80)[0], tmp_path, CPU) is None


def test_training_images_are_not_probed(tmp_path: Path) -> None:
    training = rows(80, 80).with_columns(split=pl.lit("train"))
    assert online_probe(training, striped(80)[0], tmp_path, CPU) is None


def test_the_saved_encoder_passes_and_another_one_fails(tmp_path: Path) -> None:
    encoder = build(TINY_ENCODER)
    encoder.save(tmp_path, {})
    pixels, _ = striped(8)
    made = Pretrained(encoder=encoder.eval(), cost=NO_COST)
    assert reloads(tmp_path, made, pixels, None).passed
    other = Pretrained(encoder=build(replace(TINY_ENCODER, seed=1)).eval(), cost=NO_COST)
    failed = reloads(tmp_path, other, pixels, None)
    assert not failed.passed
    assert "materialize the encoder again" in str(failed.description)


def test_a_score_that_is_not_reproduced_fails(tmp_path: Path) -> None:
    encoder = build(TINY_ENCODER)
    encoder.save(tmp_path / "encoder", {})
    pixels, _ = striped(120)
    probe = online_probe(rows(120, 120), pixels, tmp_path / "best", CPU)
    assert probe is not None
    right = probe.score(encoder)
    for score, passes in ((right, True), (right - 0.1, False)):
        made = Pretrained(encoder=encoder.eval(), cost=NO_COST, scores={1: score})
        assert reloads(tmp_path / "encoder", made, pixels, probe).passed is passes


def test_an_encoder_is_a_registered_model_that_loads_in_a_line(
    tiny_catalog: TinyCatalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    import mlflow

    # As its user would; `mlflow.set_tracking_uri` would do the same for every test that follows.
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tiny_catalog.root / 'mlflow' / 'mlflow.db'}")
    folder = Path(mlflow.artifacts.download_artifacts("models:/encoder-simclr-mnv3@current"))
    loaded, stored = Encoder.load(folder), Encoder.load(tiny_catalog.root / "encoders" / "simclr-mnv3")
    assert loaded.metadata() == stored.metadata()
    assert all(torch.equal(loaded.state_dict()[key], value) for key, value in stored.state_dict().items())
    (version,) = mlflow.MlflowClient().search_model_versions("name = 'encoder-simclr-mnv3'")
    assert version.tags["sha256"] == json.loads((folder / "encoder.json").read_text())["sha256"]
