"""A formula as objective: it is instant, and its best candidate is known."""

import math
import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path

from ml.recipes import FINETUNE_5PCT
from ml.search.budget import Budget
from ml.search.pace import Pace
from ml.search.recipe import SearchRecipe
from ml.search.space import Candidate, Space

BEST_LR = 5e-3
SPACE = Space(encoders=("good", "fair", "poor"), epochs=(9,))
SEARCH = SearchRecipe(
    name="formula",
    space=SPACE,
    base=FINETUNE_5PCT,
    budget=Budget(seconds=60.0),
    bracket_size=4,
    eta=3,
    num_rungs=3,
    max_trials=8,
)
NUM_STEPS = 20  # of an epoch


def value(candidate: Candidate, rung: int, epochs: int) -> float:
    """Higher with a better encoder, a learning rate closer to the best one, and more epochs."""
    encoder = {"good": 0.8, "fair": 0.7}.get(candidate.encoder, 0.4)
    if rung == 0:
        return encoder
    return encoder + 0.1 / (1 + abs(math.log(candidate.lr / BEST_LR))) + 0.01 * math.log(epochs)


@dataclass(frozen=True, kw_only=True)
class Formula:
    """Returns `value` after `epoch_s` per epoch, and after `probe_s`; encoders named after a fault cause that fault.

    With `faulty_from` 1 only trainings are faulty, not the probes of these encoders.
    """

    calls: Path | None = None  # a file with one line per call
    epoch_s: float = 0.0
    probe_s: float | None = None  # None: as long as an epoch
    faulty_from: int = 0
    is_timed: bool = False
    device: str = "cpu"

    def epoch_seconds(self, candidate: Candidate) -> float:
        """The seconds of an epoch, if trainings are to be timed."""
        if candidate.encoder == "untimed":
            os.kill(os.getpid(), signal.SIGKILL)
        if not self.is_timed:
            raise NotImplementedError("this formula is not timed")
        return self.epoch_s

    def __call__(self, candidate: Candidate, rung: int, epochs: int, checkpoint: Path, pace: Pace) -> float:
        if self.calls is not None:
            with self.calls.open("a") as file:
                file.write(f"{candidate.trial} {rung} begins\n")
        self._train(rung, epochs, pace, value(candidate, rung, epochs))
        if rung >= self.faulty_from:
            self._fail(candidate)
        if self.calls is not None:
            with self.calls.open("a") as file:
                file.write(f"{candidate.trial} {rung} ends\n")
        return (
            math.nan
            if candidate.encoder == "undefined" and rung >= self.faulty_from
            else value(candidate, rung, epochs)
        )

    def _train(self, rung: int, epochs: int, pace: Pace, metric: float) -> None:
        """Sleep through the steps of all epochs, or until the pace stops."""
        if rung == 0:
            time.sleep(self.epoch_s if self.probe_s is None else self.probe_s)
        for epoch in range(epochs if rung else 0):
            for step in range(NUM_STEPS):
                time.sleep(self.epoch_s / NUM_STEPS)
                pace.on_step(epoch * NUM_STEPS + step + 1, epochs * NUM_STEPS)
            pace.on_epoch(lambda epoch=epoch: metric - 0.01 * (epochs - epoch))
            if pace.is_stopped:
                return

    def _fail(self, candidate: Candidate) -> None:
        """Fail as the encoder's name says."""
        if candidate.encoder == "diverging":
            raise FloatingPointError("step 3 has the loss nan")
        if candidate.encoder == "immense":
            raise MemoryError("no room")
        if candidate.encoder == "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        if candidate.encoder == "broken":
            raise LookupError("no such layer")
