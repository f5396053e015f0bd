"""Retries: a step with a transient network or device error is retried; any other error fails it at once.

Dagster's own `RetryPolicy` retries every error. A wrong setting would fail three times before it is reported, and
a canceled run would retry its step instead of ending.
"""

from __future__ import annotations

import errno
import functools
import inspect
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

import dagster as dg

FunctionT = TypeVar("FunctionT", bound=Callable[..., Any])

_ERRNOS = frozenset(
    {
        *(errno.EAGAIN, errno.EINTR, errno.EIO, errno.EBUSY, errno.ETIMEDOUT, errno.ESTALE),
        *(errno.ENETDOWN, errno.ENETUNREACH, errno.EHOSTDOWN, errno.EHOSTUNREACH, errno.EADDRNOTAVAIL),
    }
)
# By name: importing their packages costs seconds, and most of them are not installed everywhere.
_CLASSES = frozenset(
    {
        *("aiohttp.ClientError", "botocore.HTTPClientError", "botocore.ConnectionError", "requests.RequestException"),
        *("urllib3.HTTPError", "grpc.RpcError", "py4j.Py4JNetworkError", "catalog.UnreachableFeedError"),
        *("torch.OutOfMemoryError", "torch.AcceleratorError", "torch.DistNetworkError", "torch.DistBackendError"),
    }
)


@dataclass(frozen=True)
class Retries:
    """Number of retries of a step, and the delay before the first; it doubles each time, times 0.5 to 1.5."""

    max_retries: int
    delay_s: float


NETWORK = Retries(max_retries=3, delay_s=10.0)
DEVICE = Retries(max_retries=2, delay_s=30.0)  # trainings resume from their last checkpoint


def retried(retries: Retries) -> Callable[[FunctionT], FunctionT]:
    """Decorates the function of an asset: transient errors retry its step.

    It is placed between the decorator of the asset and the function, whose signature it preserves.
    """

    def decorate(function: FunctionT) -> FunctionT:
        wrapper: Any
        if inspect.isgeneratorfunction(function):

            @functools.wraps(function)
            def wrapper(*args: Any, **kwargs: Any) -> Iterator[Any]:
                try:
                    yield from function(*args, **kwargs)
                except Exception as error:
                    _retry_if_transient(error, retries)
                    raise

        else:

            @functools.wraps(function)
            def wrapper(*args: Any, **kwargs: Any) -> Any:
                try:
                    return function(*args, **kwargs)
                except Exception as error:
                    _retry_if_transient(error, retries)
                    raise

        wrapper.retries = retries
        return wrapper  # type: ignore[no-any-return]

    return decorate


def is_transient(error: BaseException) -> bool:
    """True where the error, or the one that caused it, comes from a network or a device and may not happen again."""
    seen: set[int] = set()
    cause: BaseException | None = error
    while cause is not None and id(cause) not in seen:
        seen.add(id(cause))
        if isinstance(cause, ConnectionError | TimeoutError):
            return True
        if isinstance(cause, OSError) and cause.errno in _ERRNOS:
            return True
        names = {f"{each.__module__.partition('.')[0]}.{each.__name__}" for each in type(cause).__mro__}
        if names & _CLASSES:
            return True
        cause = cause.__cause__ or (None if cause.__suppress_context__ else cause.__context__)
    return False


def _retry_if_transient(error: Exception, retries: Retries) -> None:
    if isinstance(error, dg.RetryRequested | dg.Failure) or not is_transient(error):
        return
    num_before = dg.AssetExecutionContext.get().retry_number
    raise dg.RetryRequested(
        max_retries=retries.max_retries,
        seconds_to_wait=retries.delay_s * 2**num_before * random.uniform(0.5, 1.5),  # noqa: S311 no secret
    ) from error
