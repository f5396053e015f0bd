"""Compute: the device of a training, its number of threads and its cost."""

import resource
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import dagster as dg

from catalog.storage.cores import num_cores

if TYPE_CHECKING:
    import torch


@dataclass
class Session:
    """A session on the device; its cost is set when it ends."""

    device: "torch.device"
    device_seconds: float = 0.0
    peak_mib: float = 0.0


class Compute(dg.ConfigurableResource):  # type: ignore[type-arg]
    """The device of the steps that hold a slot of the pool ``device``: "auto" takes CUDA, then MPS, then the CPU."""

    device: str = "auto"
    num_threads: int = 0  # 0: all cores this process may use
    num_ranks: int = 1  # processes that pretrain an encoder together
    launcher: str = "torchrun"  # "torchrun", on this machine, or "ray", on a cluster

    @contextmanager
    def session(self) -> Iterator[Session]:
        """Open the device with its threads set; at the end, the session has device seconds and peak memory (MiB)."""
        import torch

        torch.set_num_threads(self.num_threads or num_cores())
        session = Session(torch.device(self._name()))
        started = time.perf_counter()
        try:
            yield session
        finally:
            session.device_seconds = time.perf_counter() - started
            if session.device.type == "cuda":
                session.peak_mib = torch.cuda.max_memory_allocated(session.device) / 2**20
            else:
                session.peak_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

    def _name(self) -> str:
        import torch

        if self.device != "auto":
            return self.device
        if torch.cuda.is_available():
            return "cuda"
        return "mps" if torch.backends.mps.is_available() else "cpu"
