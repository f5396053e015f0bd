"""Costs of a search: predicts the device seconds of a rung from what the attempts of the search have measured."""

from collections.abc import Mapping, Sequence
from statistics import fmean

from ml.search.ledger import Attempt
from ml.search.recipe import SearchRecipe
from ml.search.space import Candidate


class Costs:
    """Seconds per epoch, by encoder, from the probes and trainings of a ledger.

    A probe times a few training steps of its encoder. Trainings replace that estimate by their own measured epochs,
    also where they were stopped or interrupted, and correct it for the encoders that have not been trained yet.
    """

    def __init__(self, recipe: SearchRecipe, candidates: Mapping[str, Candidate], attempts: Sequence[Attempt]) -> None:
        self._recipe = recipe
        self._probe_s: list[float] = []
        self._probed: set[str] = set()
        self._timed: dict[str, float] = {}  # encoder -> seconds per epoch by the steps timed at its probe
        self._trained: dict[str, float] = {}  # encoder -> by its last training
        self._stopped: dict[str, float] = {}  # trial -> by its last training, if that was stopped
        for attempt in attempts:
            encoder = candidates[attempt.trial].encoder
            if attempt.rung == 0:
                self._add_probe(attempt, encoder)
            else:
                self._add_training(attempt, encoder)

    def rung_s(self, candidate: Candidate, rung: int) -> float:
        """Returns the predicted device seconds of a rung; 0 if nothing comparable was measured yet.

        Args:
            candidate: The candidate.
            rung: The rung; rung 0 costs something only for an encoder that was not probed yet.
        """
        if rung == 0:
            return 0.0 if candidate.encoder in self._probed or not self._probe_s else fmean(self._probe_s)
        return (self._epoch_s(candidate) or 0.0) * self._recipe.epochs(candidate, rung)

    def cheapest_training_s(self, candidates: Sequence[Candidate]) -> float | None:
        """Returns the device seconds of the cheapest full training of these candidates; None if none was measured.

        By the steps timed at the probes, so that the value is the same at every later time; only where no step was
        timed by trainings.
        """
        known = self._timed or self._trained
        return min((known[each.encoder] * each.epochs for each in candidates if each.encoder in known), default=None)

    def _add_probe(self, attempt: Attempt, encoder: str) -> None:
        if attempt.state in ("running", "interrupted"):
            return
        if encoder not in self._probed:
            self._probe_s.append(attempt.device_seconds)
        self._probed.add(encoder)
        if attempt.epoch_s is not None:
            self._timed.setdefault(encoder, attempt.epoch_s)

    def _add_training(self, attempt: Attempt, encoder: str) -> None:
        epoch_s = attempt.epoch_s
        if epoch_s is None and attempt.state == "finished":
            epoch_s = attempt.device_seconds / attempt.epochs
        self._stopped.pop(attempt.trial, None)
        if epoch_s is None:
            return
        self._trained[encoder] = epoch_s
        if attempt.state == "stopped":
            self._stopped[attempt.trial] = epoch_s

    def _epoch_s(self, candidate: Candidate) -> float | None:
        for known, name in ((self._stopped, candidate.trial), (self._trained, candidate.encoder)):
            if name in known:
                return known[name]
        timed = self._timed.get(candidate.encoder)
        both = [self._trained[each] / s for each, s in self._timed.items() if each in self._trained and s > 0]
        if timed is not None:
            return timed * (fmean(both) if both else 1.0)
        return fmean(self._trained.values()) if self._trained else None
