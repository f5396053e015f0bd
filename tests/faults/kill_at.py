"""The end of a process by SIGKILL at a moment: before or after a call of a function."""

import os
import pkgutil
import signal
from collections.abc import Callable
from typing import Any


def kill_at(function: str, when: str, num_calls: int) -> None:
    """End this process before or after the n-th call of `module:name` or `module:class.name`."""
    owner, _, name = function.replace(":", ".").rpartition(".")
    place = pkgutil.resolve_name(owner)
    called: Callable[..., Any] = getattr(place, name)
    left = iter(range(num_calls - 1, -1, -1))

    def deadly(*args: Any, **kwargs: Any) -> Any:
        is_last = next(left) == 0
        if is_last and when == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        result = called(*args, **kwargs)
        if is_last:
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    setattr(place, name, deadly)
