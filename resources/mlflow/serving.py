"""Serving: a deployment as an MLflow model, which `mlflow models serve` and `spark_udf` run without this project."""

import io
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

import catalog
import ml
from resources.mlflow.tracking import Tracking

MODEL = "deployment"
# Packages, by the kind of file that a variant is loaded from.
PACKAGES = {
    "onnx": ("onnxruntime",),
    "openvino": ("openvino",),
    "torch": ("torch", "torchvision", "timm", "safetensors"),
}
COMMON_PACKAGES = ("mlflow", "numpy", "opencv-python-headless", "pandas", "pillow")
OPTIONAL_PACKAGES = ("pillow-heif",)  # without it a served model would not read the HEIC that it was trained on
# The rooms of `catalog` that decode an image, and tell how many decoders to start.
DECODING = (
    "images",
    "storage/control_groups.py",
    "storage/cores.py",
    "storage/memory.py",
    "storage/worker_environment.py",
)


def save_served(deployment: Path, variant: str, path: Path) -> None:
    """Write a deployment as an MLflow model, with signature, example, and copies of `ml` and of what decodes images."""
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
        "status": DataType.string,
    }
    signature = ModelSignature(
        inputs=Schema([ColSpec(DataType.binary, "image")]),
        outputs=Schema([ColSpec(kind, name) for name, kind in outputs.items()]),
        params=ParamSchema([ParamSpec("coverage", DataType.double, 0.9)]),
    )
    with _decoding_code() as code:
        mlflow.pyfunc.save_model(
            path,
            python_model=str(Path(__file__).parent / "served_model.py"),
            artifacts={"deployment": str(deployment)},
            code_paths=[str(Path(ml.__file__).parent), str(code)],
            signature=signature,
            input_example=pd.DataFrame({"image": [_example()]}),
            pip_requirements=requirements(variant),
        )


@contextmanager
def _decoding_code() -> Iterator[Path]:
    """A folder `catalog` with the modules that decode an image, and no others."""
    source = Path(catalog.__file__).parent
    with tempfile.TemporaryDirectory() as folder:
        code = Path(folder) / source.name
        for name in ("__init__.py", "storage/__init__.py", *DECODING):
            target = code / name
            target.parent.mkdir(parents=True, exist_ok=True)
            if (source / name).is_dir():
                shutil.copytree(source / name, target, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copyfile(source / name, target)
        yield code


def register_served(tracking: Tracking, run_id: str, deployment: Path, facts: Mapping[str, Any]) -> str:
    """Register a deployment as a version of the model `deployment`; returns its number. No alias moves yet."""
    with tempfile.TemporaryDirectory() as folder:
        model = Path(folder) / "model"
        save_served(deployment, facts["variant"], model)
        tags = {name: str(facts[name]) for name in ("classifier", "classifier_sha256", "variant")}
        return tracking.register(MODEL, run_id, sorted(model.iterdir()), tags, is_current=False)


def requirements(variant: str) -> list[str]:
    """Return the packages that a variant runs with, in the versions in which it was evaluated."""
    from catalog.images.opening import HAS_HEIF

    kind = variant.partition("-")[0]
    optional = OPTIONAL_PACKAGES if HAS_HEIF else ()
    return [f"{name}=={version(name)}" for name in (*COMMON_PACKAGES, *optional, *PACKAGES[kind])]


def _example() -> bytes:
    """A small image, from black to white."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.linear_gradient("L").resize((64, 64)).convert("RGB").save(buffer, "JPEG")
    return buffer.getvalue()
