"""Retries: what may pass by itself is tried again; a mistake, a refusal and a canceled run end at once."""

import errno
import importlib

import dagster as dg
import pytest

from catalog_assets.definitions import defs
from catalog_assets.idioms.retries import DEVICE, NETWORK, Retries, is_transient, retried
from tests.dagster_internals import DagsterExecutionInterruptedError

QUICK = Retries(max_retries=2, delay_s=0.001)


def num_attempts(*errors: BaseException) -> tuple[int, bool]:
    """Runs an asset that raises the errors one after the other; returns its attempts and whether it succeeded."""
    left, attempts = list(errors), 0

    @dg.asset
    @retried(QUICK)
    def shaky(context: dg.AssetExecutionContext) -> int:
        """An asset."""
        nonlocal attempts
        attempts += 1
        if left:
            raise left.pop(0)
        return attempts

    result = dg.materialize([shaky], raise_on_error=False)
    return attempts, result.success


def test_transient_errors_are_tried_again_until_the_retries_are_used_up() -> None:
    assert num_attempts() == (1, True)
    assert num_attempts(ConnectionResetError("by peer"), TimeoutError()) == (3, True)
    assert num_attempts(*(ConnectionResetError("by peer") for _ in range(9))) == (3, False)


def test_other_errors_end_the_step_at_once() -> None:
    assert num_attempts(ValueError("max_images is -1")) == (1, False)
    assert num_attempts(FileNotFoundError(errno.ENOENT, "no such file")) == (1, False)
    assert num_attempts(dg.Failure("there is no champion")) == (1, False)


def test_a_canceled_run_does_not_start_again() -> None:
    attempts = 0

    @dg.op
    @retried(QUICK)
    def canceled() -> None:
        nonlocal attempts
        attempts += 1
        raise DagsterExecutionInterruptedError

    @dg.job
    def job() -> None:
        canceled()

    assert not job.execute_in_process(raise_on_error=False).success
    assert attempts == 1


def test_generators_keep_what_they_yielded_before_the_error() -> None:
    attempts = 0

    @dg.multi_asset(outs={"first": dg.AssetOut(is_required=False), "second": dg.AssetOut(is_required=False)})
    @retried(QUICK)
    def both():  # type: ignore[no-untyped-def]
        nonlocal attempts
        attempts += 1
        yield dg.Output(1, "first")
        if attempts == 1:
            raise TimeoutError
        yield dg.Output(2, "second")

    result = dg.materialize([both], raise_on_error=False)
    assert (attempts, result.success) == (2, True)
    assert (result.output_for_node("both", "first"), result.output_for_node("both", "second")) == (1, 2)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (ConnectionRefusedError("refused"), True),
        (OSError(errno.ENETUNREACH, "unreachable"), True),
        (OSError(errno.ENOSPC, "No space left on device"), False),
        (PermissionError(errno.EACCES, "denied"), False),
        (RuntimeError("shapes cannot be multiplied"), False),
    ],
)
def test_what_is_transient(error: Exception, expected: bool) -> None:
    assert is_transient(error) is expected
    wrapped = RuntimeError("while loading")
    wrapped.__cause__ = error
    assert is_transient(wrapped) is expected


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("aiohttp", "ServerDisconnectedError"),
        ("catalog.feeds.sources", "UnreachableFeedError"),
        ("botocore.exceptions", "EndpointConnectionError"),
        ("botocore.exceptions", "ReadTimeoutError"),
        ("requests", "ConnectionError"),
        ("urllib3.exceptions", "MaxRetryError"),
        ("grpc", "RpcError"),
        ("py4j.protocol", "Py4JNetworkError"),
        ("torch", "OutOfMemoryError"),
        ("torch", "AcceleratorError"),
        ("torch.distributed", "DistNetworkError"),
        ("torch.distributed", "DistBackendError"),
    ],
)
def test_transient_errors_of_libraries_are_known_by_name(module: str, name: str) -> None:
    kind = getattr(importlib.import_module(module), name)
    assert is_transient(kind.__new__(kind))


def test_every_step_on_the_network_or_a_device_is_retried() -> None:
    expected = {"download": NETWORK, "device": DEVICE}
    found = 0
    parse = next(
        each for each in defs.assets or [] if isinstance(each, dg.AssetsDefinition) and "products" in str(each.keys)
    )
    assert parse.op.compute_fn.decorated_fn.retries == NETWORK  # type: ignore[union-attr]
    for asset in defs.assets or []:
        if isinstance(asset, dg.AssetsDefinition) and isinstance(asset.node_def, dg.OpDefinition):
            pool = asset.node_def.pool
            if pool in expected:
                function = asset.node_def.compute_fn.decorated_fn  # type: ignore[union-attr]
                assert function.retries == expected[pool], asset.node_def.name
                found += 1
    assert found > 15
