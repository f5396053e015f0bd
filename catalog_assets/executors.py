"""Executors: what runs the steps of a run, in this process or each in a Kubernetes pod of its own."""

import json
import os
from collections.abc import Iterable

import dagster as dg

EXECUTORS = ("in_process", "kubernetes")
DEVICE = "device"


def executor(assets: Iterable[object]) -> dg.ExecutorDefinition:
    """The executor that ``SHELFSIGHT_EXECUTOR`` names.

    A process of its own would cost every step seconds to start, and the pools already say what may run beside what:
    so by default a run is one process. On Kubernetes a step is a pod, and those that hold the pool `device` also get
    what ``SHELFSIGHT_DEVICE_POD`` asks for (JSON, as the tag `dagster-k8s/config` has it): a GPU, for instance.
    """
    name = os.environ.get("SHELFSIGHT_EXECUTOR", "in_process")
    if name not in EXECUTORS:
        raise ValueError(f"unknown SHELFSIGHT_EXECUTOR {name!r}; it is {' or '.join(EXECUTORS)}")
    if name == "in_process":
        return dg.in_process_executor
    from dagster_k8s import k8s_job_executor

    return k8s_job_executor.configured({"per_step_k8s_config": dict.fromkeys(device_ops(assets), device_pod())}, name)


def device_ops(assets: Iterable[object]) -> list[str]:
    """The ops that compute on the device, by name: those of the assets that hold its pool."""
    computed = [asset for asset in assets if isinstance(asset, dg.AssetsDefinition) and asset.is_executable]
    return sorted(asset.op.name for asset in computed if asset.op.pool == DEVICE)


def device_pod() -> dict[str, object]:
    """What the pods of device ops get beyond what every pod gets."""
    said = os.environ.get("SHELFSIGHT_DEVICE_POD", "{}")
    try:
        pod = json.loads(said)
    except json.JSONDecodeError as error:
        raise ValueError(f"SHELFSIGHT_DEVICE_POD is no JSON ({error}): {said}") from error
    if not isinstance(pod, dict):
        raise ValueError(f"SHELFSIGHT_DEVICE_POD is no JSON object: {said}")  # noqa: TRY004
    return pod
