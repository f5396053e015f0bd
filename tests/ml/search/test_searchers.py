"""One contract for every searcher: what it finds, what it spends, and what it survives."""

import multiprocessing
import os
import signal
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from ml.search import run_search
from ml.search.halving import Winner
from ml.search.ledger import Attempt, Ledger
from ml.search.recipe import SearchRecipe
from ml.search.space import Candidate
from tests.ml.search.formula import SEARCH, SPACE, Formula, value

# Ray's own code warns of its future, and leaves files of its logs open.
pytestmark = [
    pytest.mark.filterwarnings("ignore::FutureWarning:ray"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:ray"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]


def test_the_goal_ends_a_search(searcher: str, ledger: Ledger) -> None:
    outcome = run_search(replace(SEARCH, searcher=searcher, goal=0.85), Formula(), ledger, "data")
    assert outcome.reason == "goal"
    assert outcome.winner is not None
    assert outcome.winner.metric >= 0.85
    assert outcome.winner.recipe.encoder == outcome.winner.candidate.encoder == "good"
    finished = [each.metric for each in ledger.attempts() if each.rung and each.metric is not None]
    assert finished[-1] == max(finished)  # nothing ran after it


def test_all_trials_run_and_the_best_that_finished_wins(searcher: str, ledger: Ledger, tmp_path: Path) -> None:
    told: list[tuple[Candidate, Attempt]] = []
    lock = threading.Lock()  # so that nobody can pickle who listens

    def listen(candidate: Candidate, attempt: Attempt) -> None:
        with lock:
            told.append((candidate, attempt))

    recipe = replace(SEARCH, searcher=searcher)
    outcome = run_search(recipe, Formula(calls=tmp_path / "calls"), ledger, "data", listen)
    assert outcome.reason == "trials"
    assert len(ledger.proposals()) == SEARCH.max_trials
    assert [attempt.number for _, attempt in told] == [attempt.number for attempt in ledger.attempts()]
    on_last = [(attempt.metric or 0.0, candidate) for candidate, attempt in told if attempt.rung == recipe.last_rung]
    assert outcome.winner is not None
    assert (outcome.winner.metric, outcome.winner.candidate) == max(on_last, key=lambda one: one[0])
    assert outcome.winner.metric == value(outcome.winner.candidate, 2, 9)
    assert outcome.winner.recipe.optimisation.epochs == 9
    # An encoder is probed once; nothing is trained twice.
    calls = [line.split() for line in (tmp_path / "calls").read_text().splitlines() if line.endswith("begins")]
    encoders = {candidate.trial: candidate.encoder for candidate in ledger.proposals()}
    assert sorted(encoders[trial] for trial, rung, _ in calls if rung == "0") == sorted(set(SPACE.encoders))
    assert len({(trial, rung) for trial, rung, _ in calls}) == len(calls)
    assert (outcome.winner, ledger.proposals()) == _uninterrupted(tmp_path)  # whichever the searcher


def _uninterrupted(folder: Path) -> tuple[Winner | None, tuple[Candidate, ...]]:
    """What the quickest searcher finds, and its trials."""
    ledger = Ledger(folder / "uninterrupted" / "ledger.sqlite")
    outcome = run_search(replace(SEARCH, searcher="optuna"), Formula(), ledger, "data")
    return outcome.winner, ledger.proposals()


def test_a_trial_that_fails_is_a_row_with_its_reason_and_the_others_go_on(searcher: str, ledger: Ledger) -> None:
    states = {
        "diverging": "diverged",
        "undefined": "diverged",
        "immense": "out_of_memory",
        "killed": "killed",
        "broken": "failed",
    }
    space = replace(SPACE, encoders=(*states, "good"))
    recipe = replace(SEARCH, searcher=searcher, space=space, bracket_size=6, max_trials=6)
    outcome = run_search(recipe, Formula(), ledger, "data")
    encoders = {candidate.trial: candidate.encoder for candidate in ledger.proposals()}
    failed = [each for each in ledger.attempts() if each.state != "finished"]
    assert {encoders[each.trial]: each.state for each in failed} == states
    assert all(each.reason and each.metric is None for each in failed)
    assert outcome.winner is not None
    assert outcome.winner.candidate.encoder == "good"


def test_another_searcher_is_unknown(ledger: Ledger) -> None:
    with pytest.raises(ValueError, match=r"unknown searcher 'hyperopt'; known are optuna, ray_tune"):
        run_search(replace(SEARCH, searcher="hyperopt"), Formula(), ledger, "data")


SLOW = Formula(epoch_s=0.15)


def search_in(folder: Path, recipe: SearchRecipe) -> None:
    """A search that the test kills."""
    run_search(recipe, replace(SLOW, calls=folder / "calls"), Ledger(folder / "ledger.sqlite"), "data")


def test_a_search_killed_and_resumed_finds_the_same_and_spends_no_second_twice(searcher: str, tmp_path: Path) -> None:
    recipe = replace(SEARCH, searcher=searcher)
    ledger = Ledger(tmp_path / "cut" / "ledger.sqlite")
    ledger.path.parent.mkdir()
    process = multiprocessing.get_context("spawn").Process(target=search_in, args=(ledger.path.parent, recipe))
    process.start()
    _wait_for_a_rung(ledger, rung=2)
    assert process.pid is not None
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    left = ledger.attempts()
    assert left[-1].state == "running"

    resumed = run_search(recipe, replace(SLOW, calls=ledger.path.parent / "calls"), ledger, "data")
    assert (resumed.winner, ledger.proposals()) == _uninterrupted(tmp_path)
    entries = ledger.attempts()
    # What was finished before the kill stands as it was; what was cut off has its cost once, and was run again.
    assert entries[: len(left) - 1] == left[:-1]
    cut = entries[len(left) - 1]
    assert cut.state == "interrupted"
    assert cut.device_seconds == pytest.approx(left[-1].device_seconds, abs=1.0)
    again = [each for each in entries if (each.trial, each.rung) == (cut.trial, cut.rung)]
    assert [each.state for each in again] == ["interrupted", "finished"]
    assert resumed.device_seconds == pytest.approx(sum(each.device_seconds for each in entries))
    ends = [line for line in (ledger.path.parent / "calls").read_text().splitlines() if line.endswith("ends")]
    assert len(set(ends)) == len(ends)


def _wait_for_a_rung(ledger: Ledger, rung: int) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if ledger.path.exists() and any(each.rung == rung and each.device_seconds > 0.4 for each in _entries(ledger)):
            return
        time.sleep(0.05)
    raise TimeoutError("the search came to no such rung within a minute")


def _entries(ledger: Ledger) -> tuple[Attempt, ...]:
    import sqlite3

    try:
        return ledger.attempts()
    except sqlite3.OperationalError:  # the tables are not there yet
        return ()


def test_a_search_that_has_ended_goes_on_only_with_what_it_has_not_run(
    searcher: str, ledger: Ledger, tmp_path: Path
) -> None:
    recipe = replace(SEARCH, searcher=searcher, max_trials=SEARCH.bracket_size)
    first = run_search(recipe, Formula(), ledger, "data")
    known = ledger.attempts()
    calls = tmp_path / "calls"
    assert run_search(recipe, Formula(calls=calls), ledger, "data") == first
    assert not calls.exists()
    run_search(SEARCH, Formula(), ledger, "data")
    assert ledger.attempts()[: len(known)] == known
    assert len(ledger.proposals()) == SEARCH.max_trials


def test_an_unreachable_goal_ends_at_the_budget_with_the_best_finished_trial(searcher: str, ledger: Ledger) -> None:
    recipe = replace(SEARCH, searcher=searcher, goal=0.99, budget_s=2.5, max_trials=100)
    outcome = run_search(recipe, Formula(epoch_s=0.04), ledger, "data")
    assert outcome.reason == "budget"
    assert "no trial reached the goal of 0.99" in outcome.sentence(recipe)
    assert outcome.winner is not None
    last = [each.metric for each in ledger.attempts() if each.rung == recipe.last_rung and each.metric is not None]
    assert outcome.winner.metric == max(last)
    longest = max(each.device_seconds for each in ledger.attempts())
    assert outcome.device_seconds <= recipe.budget_s + longest
