"""Checkpoints: everything that a killed run needs to go on as if nothing had happened."""

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

from ml.artefacts import write_flushed

logger = logging.getLogger(__name__)

State = dict[str, Any]


@dataclass(kw_only=True)
class Checkpoint:
    """One file with the newest state of one run, replaced atomically, removed once the run has succeeded.

    `fingerprint` stands for the recipe and the data: a state of others is not resumed. `notes` go into every state. Of
    several processes that train together one `writes`, and all read.
    """

    path: Path
    fingerprint: str
    min_interval_s: float = 30.0
    notes: State = field(default_factory=dict)
    writes: bool = True
    _written_at: float = field(default=float("-inf"), init=False)

    def is_due(self) -> bool:
        """Whether this process writes, and its last write lies `min_interval_s` or more back."""
        return self.writes and time.monotonic() - self._written_at >= self.min_interval_s

    def write(self, state: State) -> None:
        """Replace the file; a reader or a crash never meets half of one."""
        content = io.BytesIO()
        torch.save({**state, "notes": self.notes, "fingerprint": self.fingerprint}, content)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        part = self.path.with_name(f".{self.path.name}.part")
        write_flushed(part, content.getvalue())
        part.replace(self.path)
        self._written_at = time.monotonic()

    def read(self) -> State | None:
        """The state to go on from, or None: there is none, or it belongs to another recipe or other data.

        Raises:
            ValueError: the file cannot be read as a checkpoint.
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
        """Delete the file, if there is one and this process writes it."""
        if self.writes:
            self.path.unlink(missing_ok=True)


def save_inputs(checkpoint: Path, tensors: Mapping[str, Tensor]) -> Path:
    """Write the inputs of a step that failed beside its run's checkpoint, as safetensors; the file is returned."""
    path = checkpoint.with_name("failed-step.safetensors")
    path.parent.mkdir(parents=True, exist_ok=True)
    write_flushed(path, save({name: tensor.contiguous() for name, tensor in tensors.items()}))
    return path
