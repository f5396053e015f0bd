"""A formula as objective: it is instant, and its best candidate is known."""

import math
import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path

from ml.recipes import FINETUNE_5PCT
from ml.search.recipe import SearchRecipe
from ml.search.space import Candidate, Space

BEST_LR = 5e-3
SPACE = Space(encoders=("good", "fair", "poor"), epochs=(9,))
SEARCH = SearchRecipe(
    name="formula", space=SPACE, base=FINETUNE_5PCT, budget_s=60.0, bracket_size=4, eta=3, num_rungs=3, max_trials=8
)


def value(candidate: Candidate, rung: int, epochs: int) -> float:
    """Higher with a better encoder, a learning rate closer to the best one, and more epochs."""
    encoder = {"good": 0.8, "fair": 0.7}.get(candidate.encoder, 0.4)
    if rung == 0:
        return encoder
    return encoder + 0.1 / (1 + abs(math.log(candidate.lr / BEST_LR))) + 0.01 * math.log(epochs)


@dataclass(frozen=True, kw_only=True)
class Formula:
    """Returns `value` after `epoch_s` per epoch; encoders named after a fault cause that fault."""

    calls: Path | None = None  # a file with one line per call
    epoch_s: float = 0.0
    device: str = "cpu"

    def __call__(self, candidate: Candidate, rung: int, epochs: int, checkpoint: Path) -> float:
        if self.calls is not None:
            with self.calls.open("a") as file:
                file.write(f"{candidate.trial} {rung} begins\n")
        time.sleep(self.epoch_s * max(1, epochs))
        if candidate.encoder == "diverging":
            raise FloatingPointError("step 3 has the loss nan")
        if candidate.encoder == "immense":
            raise MemoryError("no room")
        if candidate.encoder == "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        if candidate.encoder == "undefined":
            return math.nan
        if candidate.encoder == "broken":
            raise LookupError("no such layer")
        if self.calls is not None:
            with self.calls.open("a") as file:
                file.write(f"{candidate.trial} {rung} ends\n")
        return value(candidate, rung, epochs)
