"""Serving: MLflow serves a deployment without this project, over a real socket and in Spark."""

import base64
import io
import json
import os
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from ml.deployment.deployment import Deployment
from ml.deployment.variants import Machine
from ml.pixels import decode_pixels
from resources.mlflow.serving import requirements, save_served
from resources.predictor import BATCH_SIZE
from tests.end_to_end.services import responds
from tests.patience import PATIENCE_S, until

pytestmark = pytest.mark.end_to_end

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

COLUMNS = ("category_id", "depth", "probability", "leaf_id", "leaf_probability", "status")


def jpeg(seed: int) -> bytes:
    buffer = io.BytesIO()
    pixels = np.random.default_rng(seed).integers(0, 256, (40, 50, 3), dtype=np.uint8)
    Image.fromarray(pixels).resize((200, 160)).save(buffer, "JPEG")
    return buffer.getvalue()


@pytest.fixture(scope="module")
def served(random_deployment: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("served") / "model"
    variant = json.loads((random_deployment / "deployment.json").read_text())["variant"]
    save_served(random_deployment, variant, path)
    return path


@pytest.fixture(scope="module")
def server(served: Path) -> Iterator[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "mlflow", "models", "serve", "-m", str(served), "-p", str(port)]
    process = subprocess.Popen(
        [*command, "--env-manager", "local", "--workers", "1"],
        cwd=served.parent,
        env={**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        until(lambda: process.poll() is not None or responds(f"http://127.0.0.1:{port}/ping"), "the server")
        assert process.poll() is None, "the server ended"
        yield f"http://127.0.0.1:{port}/invocations"
    finally:
        os.killpg(process.pid, signal.SIGTERM)  # the server is a child of the command
        process.wait(timeout=PATIENCE_S)


def test_the_server_predicts_as_the_deployment_does(server: str, random_deployment: Path) -> None:
    images = [jpeg(seed) for seed in range(5)]
    sent = [*images, jpeg(9)[:500], b"%!PS-Adobe-3.0 EPSF-3.0\n"]
    body = {"dataframe_split": {"columns": ["image"], "data": [[base64.b64encode(each).decode()] for each in sent]}}
    request = urllib.request.Request(  # noqa: S310 our own
        server, json.dumps({**body, "params": {"coverage": 0.8}}).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request) as response:  # noqa: S310 our own
        *rows, cut_off, eps = json.load(response)["predictions"]
    loaded = Deployment.load(random_deployment, Machine(batch_size=BATCH_SIZE))
    predictions = loaded.predict(decode_pixels(images, loaded.resolution), 0.8)
    assert set(rows[0]) == set(COLUMNS)
    assert {row["status"] for row in rows} == {"ok"}
    assert (cut_off["status"], cut_off["category_id"], eps["status"]) == ("corrupt", -1, "not_an_image")
    assert [row["category_id"] for row in rows] == predictions.categories.tolist()
    assert [row["leaf_id"] for row in rows] == predictions.leaves[:, 0].tolist()
    assert [row["depth"] for row in rows] == predictions.depths.tolist()
    np.testing.assert_allclose([row["probability"] for row in rows], predictions.probabilities, rtol=1e-4)


def test_spark_predicts_a_column_as_the_deployment_does(
    session: "SparkSession", served: Path, random_deployment: Path
) -> None:
    import mlflow.pyfunc
    from pyspark.sql.functions import struct

    images = [jpeg(seed) for seed in range(20)]
    sent = [*images, b"no image", jpeg(9)[:500]]
    frame = session.createDataFrame(list(enumerate(sent)), "number long, image binary").repartition(3)
    kinds = "category_id long, depth long, probability double, leaf_id long, leaf_probability double, status string"
    predict = mlflow.pyfunc.spark_udf(session, str(served), result_type=kinds, env_manager="local")
    rows = frame.select("number", predict(struct("image")).alias("row")).select("number", "row.*").collect()
    loaded = Deployment.load(random_deployment, Machine(batch_size=BATCH_SIZE))
    predictions = loaded.predict(decode_pixels(images, loaded.resolution), 0.9)
    *predicted, no_image, cut_off = [row.asDict() for row in sorted(rows, key=lambda row: row.number)]
    assert (no_image["status"], no_image["leaf_id"], cut_off["status"]) == ("not_an_image", -1, "corrupt")
    assert {row["status"] for row in predicted} == {"ok"}
    assert set(predicted[0]) == {"number", *COLUMNS}
    assert [row["leaf_id"] for row in predicted] == predictions.leaves[:, 0].tolist()
    assert [row["category_id"] for row in predicted] == predictions.categories.tolist()
    np.testing.assert_allclose([row["probability"] for row in predicted], predictions.probabilities, rtol=1e-4)


def test_it_runs_where_this_project_is_not_installed(served: Path) -> None:
    script = f"""
import sys
from pathlib import Path
sys.path = [path for path in sys.path if path and not (Path(path) / "catalog_assets").is_dir()]
import mlflow, pandas
model = mlflow.pyfunc.load_model({str(served)!r})
rows = model.predict(pandas.DataFrame({{"image": [{jpeg(0)!r}]}}))
import ml
print(len(rows), ml.__file__.startswith({str(served)!r}), "torch" in sys.modules)
try:
    import resources.store
except ModuleNotFoundError as error:
    print(error)
"""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    result = subprocess.run(
        [sys.executable, "-c", script], cwd=served.parent, env=environment, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
    lines = result.stdout.strip().splitlines()
    assert lines[0] == "1 True False"
    # An editable installation leaves a folder of this name, without code, in site-packages.
    assert lines[1] in ("No module named 'resources'", "No module named 'resources.store'")


def test_the_model_has_a_signature_an_example_and_its_requirements(served: Path) -> None:
    from mlflow.models import Model

    model = Model.load(str(served))
    assert model.get_input_schema().input_names() == ["image"]
    assert model.get_output_schema().input_names() == list(COLUMNS)
    assert model.saved_input_example_info is not None
    required = (served / "requirements.txt").read_text().split()
    variant = json.loads((served / "artifacts" / served_folder(served) / "deployment.json").read_text())["variant"]
    assert sorted(required) == sorted(requirements(variant))
    assert not any("torch" in each for each in required) or variant.startswith("torch")


def served_folder(served: Path) -> str:
    """The name under which MLflow keeps the deployment's folder."""
    [folder] = (served / "artifacts").iterdir()
    return folder.name
