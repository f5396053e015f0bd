"""A run until a moment, in a module that imports what a run would: a fork server imports it once for all kills."""

from functools import cache

# Not OpenVINO and ONNX Runtime: their import starts threads.
import importlib_metadata
import mlflow.store.model_registry.sqlalchemy_store
import mlflow.store.tracking.sqlalchemy_store  # noqa: F401

import tests.dagster_internals  # noqa: F401
from tests.faults.killed_run import run_until

__all__ = ["run_until"]

# MLflow maps every installed module to its package in each process that logs a model.
importlib_metadata.packages_distributions = cache(importlib_metadata.packages_distributions)
importlib_metadata.packages_distributions()
