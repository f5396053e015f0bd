"""Steps as pods: the Helm values and the executor give a GPU only to steps in the pool `device`."""

import json
import re
from pathlib import Path
from typing import Any

import dagster as dg
import kubernetes.client
import pytest
import yaml
from dagster_k8s.container_context import K8sContainerContext
from dagster_k8s.job import DagsterK8sJobConfig, UserDefinedDagsterK8sConfig, construct_dagster_k8s_job

from catalog_assets.definitions import defs
from catalog_assets.idioms.executors import device_ops, executor
from resources.instance import SHIPPED
from resources.settings import Settings
from tests.conftest import REPOSITORY

VALUES = yaml.safe_load((REPOSITORY / "deploy" / "helm-values.yaml").read_text())
[LOCATION] = VALUES["dagster-user-deployments"]["deployments"]
LAUNCHER = VALUES["runLauncher"]["config"]["k8sRunLauncher"]
GPU = "nvidia.com/gpu"
ASSETS = list(defs.assets or [])


def snake_case(value: Any) -> Any:
    """A value of the chart's as dagster.yaml would have it."""
    if isinstance(value, dict):
        return {re.sub(r"[A-Z]", lambda at: "_" + at[0].lower(), key): snake_case(each) for key, each in value.items()}
    return value


@pytest.fixture
def chosen(monkeypatch: pytest.MonkeyPatch) -> dg.ExecutorDefinition:
    """The executor that the values' environment chooses."""
    for name, value in LOCATION["env"].items():
        monkeypatch.setenv(name, value)
    return executor(ASSETS, Settings.read())


def pod_of(op: str, chosen: dg.ExecutorDefinition) -> kubernetes.client.V1PodSpec:
    """The pod in which an op runs, as dagster-k8s puts it together."""
    config = chosen.apply_config_mapping({"config": {}}).value["config"]
    of_all = UserDefinedDagsterK8sConfig.from_dict(
        {re.sub(r"[A-Z]", lambda at: "_" + at[0].lower(), key): each for key, each in LAUNCHER["runK8sConfig"].items()}
    )
    context = K8sContainerContext(
        run_k8s_config=of_all, volumes=LOCATION["volumes"], volume_mounts=LOCATION["volumeMounts"]
    )
    for own in (config["step_k8s_config"], config["per_step_k8s_config"].get(op, {})):
        context = context.merge(K8sContainerContext(run_k8s_config=UserDefinedDagsterK8sConfig.from_dict(own)))
    image = DagsterK8sJobConfig(job_image="shelfsight", dagster_home="/opt/dagster/dagster_home")
    job = construct_dagster_k8s_job(image, [], op, user_defined_k8s_config=context.run_k8s_config)
    return job.spec.template.spec


def test_only_a_step_on_the_device_requests_a_gpu(chosen: dg.ExecutorDefinition) -> None:
    pod = pod_of("encoders", chosen)
    assert pod.containers[0].resources.limits == {"memory": "32Gi", GPU: "1"}
    assert pod.containers[0].resources.requests == {"cpu": "4", "memory": "16Gi", GPU: "1"}
    assert [each.key for each in pod.tolerations] == [GPU]
    other = pod_of("taxonomy", chosen)
    assert other.containers[0].resources.limits == {"memory": "8Gi"}
    assert not other.tolerations


def test_every_step_shares_the_store_and_none_is_root_s(chosen: dg.ExecutorDefinition) -> None:
    for op in ("encoders", "taxonomy"):
        pod = pod_of(op, chosen)
        assert "/store" in [each.mount_path for each in pod.containers[0].volume_mounts]
        assert (pod.security_context.run_as_non_root, pod.security_context.run_as_user) == (True, 10001)
        assert pod.containers[0].security_context.allow_privilege_escalation is False
        assert pod.containers[0].security_context.read_only_root_filesystem is True
        assert pod.security_context.seccomp_profile.type == "RuntimeDefault"


def test_a_step_has_no_token_of_the_cluster_and_the_label_of_a_client_of_mlflow(
    chosen: dg.ExecutorDefinition,
) -> None:
    config = chosen.apply_config_mapping({"config": {}}).value["config"]
    assert config["step_k8s_config"]["pod_spec_config"] == {"automount_service_account_token": False}
    of_all = LAUNCHER["runK8sConfig"]["podTemplateSpecMetadata"]
    assert of_all["labels"] == LOCATION["labels"]
    for op in ("encoders", "taxonomy"):
        assert pod_of(op, chosen).automount_service_account_token is False


def test_the_ops_that_hold_the_device_s_pool_are_those_that_get_one() -> None:
    ops = {asset.op.name: asset.op.pool for asset in ASSETS if isinstance(asset, dg.AssetsDefinition)}
    assert device_ops(ASSETS) == sorted(name for name, pool in ops.items() if pool == "device")
    assert {"encoders", "classifiers", "predictions"} <= set(device_ops(ASSETS))
    assert not {"taxonomy", "products", "outcomes", "warehouse"} & set(device_ops(ASSETS))


def test_what_a_step_takes_from_another_lies_in_the_store_and_not_in_the_pod_that_made_it() -> None:
    """A pod's own disk ends with it: values pass between steps as tables only, everything else by the store."""
    assets = [asset for asset in ASSETS if isinstance(asset, dg.AssetsDefinition)]
    keeper = {
        key: asset.op.output_dict[name].io_manager_key
        for asset in assets
        for name, key in asset.keys_by_output_name.items()
    }
    for asset in assets:
        taken = [each.name for each in asset.op.input_defs if not each.dagster_type.is_nothing]
        assert {keeper[asset.keys_by_input_name[name]] for name in taken} <= {"tables"}, asset.op.name


def test_by_default_a_run_is_one_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SHELFSIGHT_EXECUTOR", raising=False)
    assert executor(ASSETS, Settings.read()) is dg.in_process_executor


@pytest.mark.parametrize(
    ("name", "pod", "complaint"),
    [
        ("celery", "{}", "SHELFSIGHT_EXECUTOR is .celery.: input should be .in_process. or .kubernetes."),
        ("kubernetes", "nvidia", "SHELFSIGHT_DEVICE_POD is .nvidia.: "),
        ("kubernetes", "[]", "SHELFSIGHT_DEVICE_POD is .*dictionary|SHELFSIGHT_DEVICE_POD is .*object"),
    ],
)
def test_what_is_set_wrong_is_named(monkeypatch: pytest.MonkeyPatch, name: str, pod: str, complaint: str) -> None:
    monkeypatch.setenv("SHELFSIGHT_EXECUTOR", name)
    monkeypatch.setenv("SHELFSIGHT_DEVICE_POD", pod)
    with pytest.raises(ValueError, match=complaint):
        executor(ASSETS, Settings.read())


def test_the_chart_s_instance_is_the_root_s_but_for_its_storage_and_launcher() -> None:
    root = yaml.safe_load(SHIPPED.read_text())
    root.pop("run_launcher", None)
    concurrency, retention = dict(VALUES["concurrency"]), dict(VALUES["retention"])
    assert (concurrency.pop("enabled"), retention.pop("enabled")) == (True, True)
    coordinator = VALUES["dagsterDaemon"]["runCoordinator"]["config"]["customRunCoordinator"]
    made = {
        "concurrency": snake_case(concurrency),
        "run_queue": coordinator["config"],
        "retention": snake_case(retention),
        "run_monitoring": snake_case(VALUES["dagsterDaemon"]["runMonitoring"]),
        "telemetry": VALUES["telemetry"],
        **VALUES["additionalInstanceConfig"],
    }
    assert made == root


def test_the_chart_s_queue_starts_a_run_again_as_the_root_s_does(tmp_path: Path) -> None:
    coordinator = VALUES["dagsterDaemon"]["runCoordinator"]["config"]["customRunCoordinator"]
    (tmp_path / "chart").mkdir()
    (tmp_path / "chart" / "dagster.yaml").write_text(yaml.safe_dump({"run_coordinator": coordinator}))
    (tmp_path / "dagster.yaml").write_text(SHIPPED.read_text())
    retries = []
    for home in (tmp_path / "chart", tmp_path):
        with dg.DagsterInstance.from_config(str(home)) as instance:
            queue = instance.get_concurrency_config().run_queue_config
            assert queue is not None
            retries.append((queue.max_user_code_failure_retries, queue.user_code_failure_retry_delay))
    assert retries == [(3, 30), (3, 30)]


def test_the_environment_is_text_as_a_config_map_wants_it() -> None:
    assert all(isinstance(value, str) for value in LOCATION["env"].values())
    assert json.loads(LOCATION["env"]["SHELFSIGHT_DEVICE_POD"])
