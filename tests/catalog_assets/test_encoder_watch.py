"""An encoder under watch: who judges it on the way, and what is held against what was saved."""

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch

from catalog_assets.encoder_watch import MIN_PROBED, online_probe, reloads
from ml.encoders import Encoder, build
from ml.training.pretraining import FREE, Pretrained
from tests.conftest import TinyCatalogue
from tests.ml.tiny import TINY_ENCODER, striped

CPU = torch.device("cpu")


def rows(num: int, labelled: int) -> pl.DataFrame:
    kinds = np.arange(num) % 4
    return pl.DataFrame(
        {
            "product_id": [f"p:{place}" for place in range(num)],
            "sha256": [hashlib.sha256(b"%d" % place).hexdigest() for place in range(num)],
            "group_id": [f"p:{place}" for place in range(num)],
            "split": ["val"] * num,
            "level_4": [int(kind) + 1000 if place < labelled else None for place, kind in enumerate(kinds)],
        }
    )


def test_the_probe_tells_pictures_of_unlike_kinds_apart(tmp_path: Path) -> None:
    pixels, _ = striped(120)
    probe = online_probe(rows(120, 120), pixels, tmp_path, CPU)
    assert probe is not None

    class Averages(Encoder):
        """Embeds by the mean colours of rows and columns, which the kinds differ in."""

        def forward(self, pictures: torch.Tensor) -> torch.Tensor:
            grey = pictures.float().mean(dim=1) - 125
            features = torch.cat([grey.mean(dim=1), grey.mean(dim=2)], dim=1)
            return torch.nn.functional.pad(features, (0, self.dim - features.shape[1]))

    encoder = build(TINY_ENCODER)
    knowing = Averages(encoder.name, encoder.backbone, encoder.resolution, "random")
    knowing.dim = 64
    assert probe.score(knowing) == 1.0
    shuffled = rows(120, 120).with_columns(pl.col("level_4").shuffle(seed=1))
    blind = online_probe(shuffled, pixels, tmp_path, CPU)
    assert blind is not None
    assert blind.score(knowing) < 0.6


@pytest.mark.parametrize("labelled", [0, MIN_PROBED - 1])
def test_too_few_labels_judge_nothing(labelled: int, tmp_path: Path) -> None:
    assert online_probe(rows(80, labelled), striped(80)[0], tmp_path, CPU) is None


def test_training_pictures_are_not_asked(tmp_path: Path) -> None:
    training = rows(80, 80).with_columns(split=pl.lit("train"))
    assert online_probe(training, striped(80)[0], tmp_path, CPU) is None


def test_what_was_saved_passes_and_anything_else_does_not(tmp_path: Path) -> None:
    encoder = build(TINY_ENCODER)
    encoder.save(tmp_path, {})
    pixels, _ = striped(8)
    made = Pretrained(encoder=encoder.eval(), cost=FREE)
    assert reloads(tmp_path, made, pixels, None).passed
    other = Pretrained(encoder=build(replace(TINY_ENCODER, seed=1)).eval(), cost=FREE)
    failed = reloads(tmp_path, other, pixels, None)
    assert not failed.passed
    assert "materialise the encoder again" in str(failed.description)


def test_a_score_that_is_not_reproduced_fails(tmp_path: Path) -> None:
    encoder = build(TINY_ENCODER)
    encoder.save(tmp_path / "encoder", {})
    pixels, _ = striped(120)
    probe = online_probe(rows(120, 120), pixels, tmp_path / "best", CPU)
    assert probe is not None
    right = probe.score(encoder)
    for told, passes in ((right, True), (right - 0.1, False)):
        made = Pretrained(encoder=encoder.eval(), cost=FREE, scores={1: told})
        assert reloads(tmp_path / "encoder", made, pixels, probe).passed is passes


def test_an_encoder_is_a_registered_model_that_loads_in_a_line(
    tiny_catalogue: TinyCatalogue, monkeypatch: pytest.MonkeyPatch
) -> None:
    import mlflow

    # As its user would; `mlflow.set_tracking_uri` would do the same for every test that follows.
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tiny_catalogue.root / 'mlflow' / 'mlflow.db'}")
    folder = Path(mlflow.artifacts.download_artifacts("models:/encoder-simclr-mnv3@current"))
    loaded, stored = Encoder.load(folder), Encoder.load(tiny_catalogue.root / "encoders" / "simclr-mnv3")
    assert loaded.facts() == stored.facts()
    assert all(torch.equal(loaded.state_dict()[key], value) for key, value in stored.state_dict().items())
    (version,) = mlflow.MlflowClient().search_model_versions("name = 'encoder-simclr-mnv3'")
    assert version.tags["sha256"] == json.loads((folder / "encoder.json").read_text())["sha256"]
