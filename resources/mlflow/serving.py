"""Serving: a deployment as an MLflow model, which `mlflow models serve` and `spark_udf` run without this project."""

import io
import tempfile
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import ml
from resources.mlflow.tracking import Tracking

MODEL = "deployment"
# Packages, by the kind of file that a variant is loaded from.
PACKAGES = {
    "onnx": ("onnxruntime",),
    "openvino": ("openvino",),
    "torch": ("torch", "torchvision", "timm", "safetensors"),
}
COMMON_PACKAGES = ("mlflow", "numpy", "pandas", "pillow")


def save_served(deployment: Path, variant: str, path: Path) -> None:
    """Write a deployment as an MLflow model, with its signature, an example, and a copy of `ml`."""
    import mlflow.pyfunc
    import pandas as pd
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, DataType, ParamSchema, ParamSpec, Schema

    outputs = {
        "category_id": DataType.long,
        "depth": DataType.long,
        "probability": DataType.double,
        "leaf_id": DataType.long,
        "leaf_probability": DataType.double,
    }
    signature = ModelSignature(
        inputs=Schema([ColSpec(DataType.binary, "image")]),
        outputs=Schema([ColSpec(kind, name) for name, kind in outputs.items()]),
        params=ParamSchema([ParamSpec("coverage", DataType.double, 0.9)]),
    )
    mlflow.pyfunc.save_model(
        path,
        python_model=str(Path(__file__).parent / "served_model.py"),
        artifacts={"deployment": str(deployment)},
        code_paths=[str(Path(ml.__file__).parent)],
        signature=signature,
        input_example=pd.DataFrame({"image": [_example()]}),
        pip_requirements=requirements(variant),
    )


def register_served(tracking: Tracking, run_id: str, deployment: Path, facts: Mapping[str, Any]) -> str:
    """Register a deployment as a version of the model `deployment`; returns its number. No alias moves yet."""
    with tempfile.TemporaryDirectory() as folder:
        model = Path(folder) / "model"
        save_served(deployment, facts["variant"], model)
        tags = {name: str(facts[name]) for name in ("classifier", "classifier_sha256", "variant")}
        return tracking.register(MODEL, run_id, sorted(model.iterdir()), tags, is_current=False)


def requirements(variant: str) -> list[str]:
    """Return the packages that a variant runs with, in the versions in which it was evaluated."""
    kind = variant.partition("-")[0]
    return [f"{name}=={version(name)}" for name in (*COMMON_PACKAGES, *PACKAGES[kind])]


def _example() -> bytes:
    """A small gray image."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.new("RGB", (64, 64), "gray").save(buffer, "JPEG")
    return buffer.getvalue()
