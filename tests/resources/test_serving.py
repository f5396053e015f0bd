"""Serving: a deployment that MLflow serves, without this project, over a real socket."""

import base64
import io
import json
import os
import socket
import subprocess
import sys
import time
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
from resources.serving import requirements, save_served
from tests.ml.deployment.drawn import drawn_deployment

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

ANSWERS = ("category_id", "depth", "probability", "leaf_id", "leaf_probability")


def jpeg(seed: int) -> bytes:
    buffer = io.BytesIO()
    pixels = np.random.default_rng(seed).integers(0, 256, (40, 50, 3), dtype=np.uint8)
    Image.fromarray(pixels).resize((200, 160)).save(buffer, "JPEG")
    return buffer.getvalue()


@pytest.fixture(scope="module")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("deployment")
    drawn_deployment(folder, "flat", Machine(batch_size=8))
    return folder


@pytest.fixture(scope="module")
def served(deployment: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("served") / "model"
    variant = json.loads((deployment / "deployment.json").read_text())["variant"]
    save_served(deployment, variant, path)
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
    )
    try:
        for _ in range(240):
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/ping", timeout=5):
                    break
            except OSError:
                assert process.poll() is None, "the server ended"
                time.sleep(0.25)
        yield f"http://127.0.0.1:{port}/invocations"
    finally:
        process.terminate()
        process.wait(timeout=30)


def test_the_server_answers_what_the_deployment_answers(server: str, deployment: Path) -> None:
    pictures = [jpeg(seed) for seed in range(5)]
    body = {
        "dataframe_split": {"columns": ["picture"], "data": [[base64.b64encode(each).decode()] for each in pictures]}
    }
    asked = urllib.request.Request(  # noqa: S310 our own
        server, json.dumps({**body, "params": {"coverage": 0.8}}).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(asked, timeout=60) as told:  # noqa: S310 our own
        rows = json.load(told)["predictions"]
    loaded = Deployment.load(deployment, Machine(batch_size=8))
    answers = loaded.answer(decode_pixels(pictures, loaded.resolution), 0.8)
    assert set(rows[0]) == set(ANSWERS)
    assert [row["category_id"] for row in rows] == answers.categories.tolist()
    assert [row["leaf_id"] for row in rows] == answers.leaves[:, 0].tolist()
    assert [row["depth"] for row in rows] == answers.depths.tolist()
    np.testing.assert_allclose([row["probability"] for row in rows], answers.probabilities, rtol=1e-4)


def test_a_column_of_a_spark_frame_is_answered_as_the_deployment_answers(
    session: "SparkSession", served: Path, deployment: Path
) -> None:
    import mlflow.pyfunc
    from pyspark.sql.functions import struct

    pictures = [jpeg(seed) for seed in range(20)]
    frame = session.createDataFrame(list(enumerate(pictures)), "number long, picture binary").repartition(3)
    kinds = "category_id long, depth long, probability double, leaf_id long, leaf_probability double"
    answering = mlflow.pyfunc.spark_udf(session, str(served), result_type=kinds, env_manager="local")
    rows = frame.select("number", answering(struct("picture")).alias("told")).select("number", "told.*").collect()
    loaded = Deployment.load(deployment, Machine(batch_size=8))
    answers = loaded.answer(decode_pixels(pictures, loaded.resolution), 0.9)
    told = [row.asDict() for row in sorted(rows, key=lambda row: row.number)]
    assert set(told[0]) == {"number", *ANSWERS}
    assert [row["leaf_id"] for row in told] == answers.leaves[:, 0].tolist()
    assert [row["category_id"] for row in told] == answers.categories.tolist()
    np.testing.assert_allclose([row["probability"] for row in told], answers.probabilities, rtol=1e-4)


def test_it_runs_where_this_project_is_not_installed(served: Path) -> None:
    script = f"""
import sys
from pathlib import Path
sys.path = [path for path in sys.path if path and not (Path(path) / "catalog_assets").is_dir()]
import mlflow, pandas
model = mlflow.pyfunc.load_model({str(served)!r})
answered = model.predict(pandas.DataFrame({{"picture": [{jpeg(0)!r}]}}))
import ml
print(len(answered), ml.__file__.startswith({str(served)!r}), "torch" in sys.modules)
try:
    import resources
except ModuleNotFoundError as error:
    print(error)
"""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    told = subprocess.run(
        [sys.executable, "-c", script], cwd=served.parent, env=environment, capture_output=True, text=True, check=False
    )
    assert told.returncode == 0, told.stderr
    lines = told.stdout.strip().splitlines()
    assert lines == ["1 True False", "No module named 'resources'"]


def test_the_model_tells_its_signature_an_example_and_what_it_needs(served: Path) -> None:
    from mlflow.models import Model

    told = Model.load(str(served))
    assert told.get_input_schema().input_names() == ["picture"]
    assert told.get_output_schema().input_names() == list(ANSWERS)
    assert told.saved_input_example_info is not None
    needed = (served / "requirements.txt").read_text().split()
    variant = json.loads((served / "artifacts" / served_folder(served) / "deployment.json").read_text())["variant"]
    assert sorted(needed) == sorted(requirements(variant))
    assert not any("torch" in each for each in needed) or variant.startswith("torch")


def served_folder(served: Path) -> str:
    """The name under which MLflow keeps the deployment's folder."""
    [folder] = (served / "artifacts").iterdir()
    return folder.name
