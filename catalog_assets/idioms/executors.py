"""Executors: run the steps of a run in one process, or each step in its own Kubernetes pod."""

from collections.abc import Iterable

import dagster as dg

from resources.settings import Settings

DEVICE = "device"


def executor(assets: Iterable[object], settings: Settings) -> dg.ExecutorDefinition:
    """Returns the executor that the settings name.

    By default a run is one process: starting a process per step takes seconds, and the pools already limit
    concurrency. On Kubernetes a step is a pod, and steps in the pool `device` also get the pod configuration of the
    setting `device_pod` (in the format of the tag `dagster-k8s/config`): a GPU, for instance.
    """
    if settings.executor == "in_process":
        return dg.in_process_executor
    from dagster_k8s import k8s_job_executor

    pods = dict.fromkeys(device_ops(assets), settings.device_pod)
    # A run's pod starts pods; those of steps, which decode what strangers send, get no token of the cluster.
    of_all = {"pod_spec_config": {"automount_service_account_token": False}}
    return k8s_job_executor.configured({"step_k8s_config": of_all, "per_step_k8s_config": pods}, settings.executor)


def device_ops(assets: Iterable[object]) -> list[str]:
    """The names of the ops that compute on the device: those of the assets in its pool."""
    executable = [asset for asset in assets if isinstance(asset, dg.AssetsDefinition) and asset.is_executable]
    return sorted(asset.op.name for asset in executable if asset.op.pool == DEVICE)
