"""Prediction on Spark: the same rows as on one machine."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
import pytest
from upath import UPath

from ml.deployment.deployment import METADATA_FILE
from ml.deployment.variants import VARIANTS
from resources.catalog_prediction import PREDICTIONS
from resources.predictor import CatalogPredictor
from resources.spark.jobs import SparkJobError
from resources.spark.prediction import predict_on
from tests.resources.mlflow.test_serving import jpeg

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

NUM, SHARD_ROWS = 130, 50


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> UPath:
    folder = tmp_path_factory.mktemp("images")
    for start in range(0, NUM, SHARD_ROWS):
        ids = [f"hansen:{number}" for number in range(start, min(NUM, start + SHARD_ROWS))]
        images = [{"bytes": jpeg(start + number), "path": f"{each}.jpg"} for number, each in enumerate(ids)]
        frame = pl.DataFrame({"product_id": ids, "image": images})
        frame.write_parquet(folder / f"shard-{start // SHARD_ROWS:05}.parquet")
    return UPath(folder)


@pytest.fixture(scope="module")
def wanted() -> pl.DataFrame:
    """Two of three products, shuffled within their shards."""
    chosen = np.random.default_rng(0).permutation(NUM)[: 2 * NUM // 3]
    return pl.DataFrame(
        {
            "product_id": [f"hansen:{number}" for number in chosen],
            "shard": [f"shard-{number // SHARD_ROWS:05}" for number in chosen],
        }
    ).sort("shard", maintain_order=True)


def test_spark_predicts_as_one_machine_does(
    session: "SparkSession", wanted: pl.DataFrame, images: UPath, random_deployment: Path
) -> None:
    done: list[tuple[int, int]] = []
    here = CatalogPredictor().load(random_deployment)(wanted, images, lambda *progress: done.append(progress))
    there = predict_on(session, wanted, images, random_deployment, 0.9, lambda report: None)
    assert here.schema == there.schema == pl.Schema(PREDICTIONS)
    assert here["product_id"].to_list() == there["product_id"].to_list() == wanted["product_id"].to_list()
    assert here.drop("probability", "leaf_probability", "alternatives").equals(
        there.drop("probability", "leaf_probability", "alternatives")
    )
    np.testing.assert_allclose(here["probability"], there["probability"], atol=1e-5)
    assert done[-1] == (len(wanted), len(wanted))


def test_deployment_with_a_flipped_byte_fails_the_job_with_its_cause(
    session: "SparkSession", wanted: pl.DataFrame, images: UPath, random_deployment: Path, tmp_path: Path
) -> None:
    broken = tmp_path / "broken"
    broken.mkdir()
    for file in random_deployment.iterdir():
        (broken / file.name).write_bytes(file.read_bytes())
    file = broken / VARIANTS[json.loads((broken / METADATA_FILE).read_text())["variant"]].files[-1]
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    with pytest.raises(SparkJobError, match="has the fingerprint"):
        predict_on(session, wanted, images, broken, 0.9, lambda report: None)
