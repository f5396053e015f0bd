"""Checkpoints: the state with which a killed run continues exactly as if it had not been interrupted."""

import io
import logging
import pickle
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save
from torch import Tensor

from ml.artifacts import write_flushed

logger = logging.getLogger(__name__)

State = dict[str, Any]


@dataclass(kw_only=True)
class Checkpoint:
    """One file with the latest state of one run, replaced atomically and removed when the run succeeds.

    Args:
        path: The file.
        fingerprint: Identifies the recipe and the data; a state with another fingerprint is not resumed.
        min_interval_s: Minimal time between two writes, in seconds.
        notes: Further values that are written with every state.
        writes: False in all but one of the processes that train together; all of them read.
    """

    path: Path
    fingerprint: str
    min_interval_s: float = 30.0
    notes: State = field(default_factory=dict)
    writes: bool = True
    _written_at: float = field(default=float("-inf"), init=False)

    def is_due(self) -> bool:
        """Returns True if this process writes and its last write was at least `min_interval_s` ago."""
        return self.writes and time.monotonic() - self._written_at >= self.min_interval_s

    def write(self, state: State) -> None:
        """Replaces the file atomically, so that neither a reader nor a crash leaves a partial one."""
        content = io.BytesIO()
        torch.save({**state, "notes": self.notes, "fingerprint": self.fingerprint}, content)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        part = self.path.with_name(f".{self.path.name}.part")
        write_flushed(part, content.getvalue())
        part.replace(self.path)
        self._written_at = time.monotonic()

    def read(self) -> State | None:
        """Reads the state, or returns None if there is no file or it belongs to another recipe or other data.

        Raises:
            ValueError: The file is not a readable checkpoint.
        """
        if not self.path.exists():
            return None
        try:
            state: State = torch.load(self.path, map_location="cpu", weights_only=True)
        except (pickle.UnpicklingError, RuntimeError, EOFError) as error:
            raise ValueError(f"{self.path} is not a readable checkpoint; delete it to start afresh: {error}") from error
        if state.get("fingerprint") != self.fingerprint:
            logger.warning("%s belongs to another recipe or other data; training starts afresh", self.path)
            return None
        return state

    def remove(self) -> None:
        """Deletes the file, if it exists and this process writes it."""
        if self.writes:
            self.path.unlink(missing_ok=True)


def save_inputs(checkpoint: Path, tensors: Mapping[str, Tensor]) -> Path:
    """Writes the inputs of a failed step next to the run's checkpoint, as safetensors, and returns the path."""
    path = checkpoint.with_name("failed-step.safetensors")
    path.parent.mkdir(parents=True, exist_ok=True)
    write_flushed(path, save({name: tensor.contiguous() for name, tensor in tensors.items()}))
    return path
