"""One contract for every searcher: results, budget, failed trials and resumption."""

import math
import multiprocessing
import os
import shutil
import signal
import threading
from dataclasses import asdict, dataclass, replace
from importlib.util import find_spec
from pathlib import Path

import pytest

from ml.search import run_search
from ml.search.budget import Budget
from ml.search.ledger import Attempt, Ledger
from ml.search.objective import Finetuning
from ml.search.outcome import SearchOutcome
from ml.search.ray_local import LOOPBACK
from ml.search.recipe import SearchRecipe
from ml.search.space import Candidate
from tests.ml.search.formula import SEARCH, SPACE, Formula, value
from tests.patience import until

# Ray uses deprecated functions and leaves log files open.
pytestmark = [
    pytest.mark.end_to_end,
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
    assert finished[-1] == max(finished)  # it was the last one to run


@dataclass(frozen=True)
class Finished:
    """A search whose trials have all run."""

    recipe: SearchRecipe
    outcome: SearchOutcome
    ledger: Ledger
    calls: list[list[str]]
    reported: list[tuple[Candidate, Attempt]]


@pytest.fixture(scope="module")
def finished(searcher: str, tmp_path_factory: pytest.TempPathFactory) -> Finished:
    return finish(searcher, tmp_path_factory.mktemp(searcher))


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """By the fastest searcher."""
    return finish("optuna", tmp_path_factory.mktemp("uninterrupted"))


def finish(searcher: str, folder: Path) -> Finished:
    reported: list[tuple[Candidate, Attempt]] = []
    lock = threading.Lock()  # makes the listener unpicklable

    def listen(candidate: Candidate, attempt: Attempt) -> None:
        with lock:
            reported.append((candidate, attempt))

    recipe, ledger, calls = replace(SEARCH, searcher=searcher), Ledger(folder / "ledger.sqlite"), folder / "calls"
    outcome = run_search(recipe, Formula(calls=calls), ledger, "data", listen)
    return Finished(recipe, outcome, ledger, [line.split() for line in calls.read_text().splitlines()], reported)


def test_all_trials_run_and_the_best_that_finished_wins(finished: Finished, uninterrupted: Finished) -> None:
    recipe, outcome, ledger = finished.recipe, finished.outcome, finished.ledger
    assert outcome.reason == "trials"
    assert len(ledger.proposals()) == SEARCH.max_trials
    assert [attempt.number for _, attempt in finished.reported] == [attempt.number for attempt in ledger.attempts()]
    results = [(attempt.metric or 0.0, candidate) for candidate, attempt in finished.reported]
    assert outcome.winner is not None
    assert (outcome.winner.metric, outcome.winner.candidate) == max(results, key=lambda one: one[0])
    assert outcome.winner.rung == recipe.last_rung
    assert outcome.winner.metric == value(outcome.winner.candidate, 2, 9)
    assert outcome.winner.recipe.optimization.epochs == 9
    # An encoder is probed once; nothing is trained twice.
    begun = [(trial, rung) for trial, rung, event in finished.calls if event == "begins"]
    encoders = {candidate.trial: candidate.encoder for candidate in ledger.proposals()}
    assert sorted(encoders[trial] for trial, rung in begun if rung == "0") == sorted(set(SPACE.encoders))
    assert len(set(begun)) == len(begun)
    # The same for every searcher.
    assert outcome.winner == uninterrupted.outcome.winner
    assert ledger.proposals() == uninterrupted.ledger.proposals()


def test_an_ended_search_runs_only_new_trials_when_called_again(finished: Finished, tmp_path: Path) -> None:
    shutil.copytree(finished.ledger.path.parent, tmp_path, dirs_exist_ok=True)
    ledger, calls = Ledger(tmp_path / finished.ledger.path.name), tmp_path / "later calls"
    assert run_search(finished.recipe, Formula(calls=calls), ledger, "data") == finished.outcome
    assert not calls.exists()
    more = replace(finished.recipe, max_trials=SEARCH.max_trials + SEARCH.bracket_size)
    run_search(more, Formula(calls=calls), ledger, "data")
    known = finished.ledger.attempts()
    assert ledger.attempts()[: len(known)] == known
    assert len(ledger.proposals()) == more.max_trials
    earlier = {candidate.trial for candidate in finished.ledger.proposals()}
    assert earlier.isdisjoint(line.split()[0] for line in calls.read_text().splitlines())


def test_a_failed_trial_has_a_row_with_its_reason_and_ends_no_other(searcher: str, ledger: Ledger) -> None:
    states = {
        "diverging": "diverged",
        "undefined": "diverged",
        "immense": "out_of_memory",
        "killed": "killed",
        "broken": "failed",
    }
    space = replace(SPACE, encoders=(*states, "good"))
    recipe = replace(SEARCH, searcher=searcher, space=space, bracket_size=6, max_trials=6)
    outcome = run_search(recipe, Formula(is_timed=True), ledger, "data")
    encoders = {candidate.trial: candidate.encoder for candidate in ledger.proposals()}
    failed = [each for each in ledger.attempts() if each.state != "finished"]
    assert {encoders[each.trial]: each.state for each in failed} == states
    assert all(each.reason and each.metric is None for each in failed)
    assert outcome.winner is not None
    assert outcome.winner.candidate.encoder == "good"


def test_modules_that_are_imported_before_trials_start_exist() -> None:
    assert all(find_spec(name) for name in Finetuning.imports)  # a missing one would be skipped without a word


def test_an_unknown_searcher_is_refused_with_the_known_names(ledger: Ledger) -> None:
    with pytest.raises(ValueError, match=r"unknown searcher 'hyperopt'; available: optuna, ray_tune"):
        run_search(replace(SEARCH, searcher="hyperopt"), Formula(), ledger, "data")


def search_in(folder: Path, recipe: SearchRecipe, ray_address: str | None) -> None:
    """A search that the test kills."""
    if ray_address is not None:
        import ray

        ray.init(address=ray_address, log_to_driver=False, _node_ip_address=LOOPBACK)
    slow = Formula(calls=folder / "calls", epoch_s=0.15)
    run_search(recipe, slow, Ledger(folder / "ledger.sqlite"), "data")


def test_a_killed_and_resumed_search_finds_the_same_and_repeats_nothing(
    searcher: str, ray_address: str | None, uninterrupted: Finished, tmp_path: Path
) -> None:
    recipe = replace(SEARCH, searcher=searcher)
    ledger = Ledger(tmp_path / "ledger.sqlite")
    arguments = (tmp_path, recipe, ray_address)
    process = multiprocessing.get_context("spawn").Process(target=search_in, args=arguments)
    process.start()
    _wait_for_a_rung(ledger, rung=2)
    assert process.pid is not None
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    left = ledger.attempts()
    assert left[-1].state == "running"

    resumed = run_search(recipe, Formula(calls=tmp_path / "calls"), ledger, "data")
    assert resumed.winner == uninterrupted.outcome.winner
    assert ledger.proposals() == uninterrupted.ledger.proposals()
    entries = ledger.attempts()
    # Finished entries are unchanged; the interrupted rung keeps its cost and was run again.
    assert entries[: len(left) - 1] == left[:-1]
    cut = entries[len(left) - 1]
    assert cut.state == "interrupted"
    assert cut.device_seconds == pytest.approx(left[-1].device_seconds, abs=1.0)
    again = [each for each in entries if (each.trial, each.rung) == (cut.trial, cut.rung)]
    assert [each.state for each in again] == ["interrupted", "finished"]
    assert resumed.device_seconds == pytest.approx(sum(each.device_seconds for each in entries))
    ends = [line for line in (tmp_path / "calls").read_text().splitlines() if line.endswith("ends")]
    assert len(set(ends)) == len(ends)


def _wait_for_a_rung(ledger: Ledger, rung: int) -> None:
    def is_reached() -> bool:
        return ledger.path.exists() and any(
            each.rung == rung and each.device_seconds > 0.4 for each in _entries(ledger)
        )

    until(is_reached, f"rung {rung}", poll_s=0.05)


def _entries(ledger: Ledger) -> tuple[Attempt, ...]:
    import sqlite3

    try:
        return ledger.attempts()
    except sqlite3.OperationalError:  # the tables do not exist yet
        return ()


def test_an_unreachable_goal_ends_at_the_budget_with_the_best_classifier(searcher: str, ledger: Ledger) -> None:
    recipe = replace(SEARCH, searcher=searcher, goal=0.99, budget=Budget(seconds=2.5), max_trials=100)
    outcome = run_search(recipe, Formula(epoch_s=0.04, is_timed=True), ledger, "data")
    assert outcome.reason == "budget"
    assert "no trial reached the goal of 0.99" in outcome.sentence(recipe)
    assert outcome.winner is not None
    assert outcome.winner.metric == max(each.metric for each in ledger.attempts() if each.metric is not None)
    longest = max(each.device_seconds for each in ledger.attempts())
    assert outcome.device_seconds <= outcome.budget_s + longest


def test_a_budget_below_a_probe_returns_that_probe(searcher: str, ledger: Ledger) -> None:
    recipe = replace(SEARCH, searcher=searcher, budget=Budget(seconds=1e-6))
    outcome = run_search(recipe, Formula(probe_s=0.01, is_timed=True), ledger, "data")
    assert [(each.rung, each.state) for each in ledger.attempts()] == [(0, "finished")]
    assert outcome.reason == "budget"
    assert outcome.winner is not None
    assert outcome.winner.recipe.mode == "probe"
    larger = replace(recipe, budget=Budget(seconds=60.0))
    resumed = run_search(larger, Formula(is_timed=True), ledger, "data")
    assert resumed.reason == "trials"
    assert resumed.winner is not None
    assert resumed.winner.rung > 0


def test_a_training_that_turns_out_too_long_is_stopped_with_its_best_epoch(searcher: str, ledger: Ledger) -> None:
    space = replace(SPACE, encoders=("good",))
    recipe = replace(SEARCH, searcher=searcher, space=space, bracket_size=1, max_trials=1, budget=Budget(seconds=2.0))
    outcome = run_search(recipe, Formula(epoch_s=0.4, probe_s=0.0), ledger, "data")
    assert [(each.rung, each.state) for each in ledger.attempts()] == [(0, "finished"), (2, "stopped")]
    assert outcome.reason == "budget"
    assert outcome.winner is not None
    assert outcome.winner.is_stopped
    assert 1 <= outcome.winner.recipe.optimization.epochs < 9
    assert "a training that the budget stopped" in outcome.sentence(recipe)


def test_the_best_probe_wins_where_every_training_fails(searcher: str, ledger: Ledger) -> None:
    space = replace(SPACE, encoders=("diverging", "immense", "killed", "untimed"))
    recipe = replace(SEARCH, searcher=searcher, space=space, eta=2, max_trials=4, num_rungs=2)
    outcome = run_search(recipe, Formula(faulty_from=1, is_timed=True), ledger, "data")
    assert outcome.winner is not None
    assert (outcome.winner.rung, outcome.winner.metric) == (0, 0.4)
    assert {each.state for each in ledger.attempts() if each.rung} <= {"diverged", "out_of_memory", "killed"}
    assert "attempts failed (" in outcome.sentence(recipe)


def test_a_search_whose_probes_all_fail_has_no_winner_and_the_reasons(searcher: str, ledger: Ledger) -> None:
    space = replace(SPACE, encoders=("broken", "immense"))
    recipe = replace(SEARCH, searcher=searcher, space=space, budget=Budget(seconds=1e-6))
    outcome = run_search(recipe, Formula(), ledger, "data")
    assert (outcome.reason, outcome.winner) == ("failures", None)
    assert set(outcome.failures) == {"failed: LookupError: no such layer", "out_of_memory: MemoryError: no room"}


def test_a_relative_budget_is_measured_by_timed_steps(searcher: str, ledger: Ledger) -> None:
    recipe = replace(SEARCH, searcher=searcher, budget=Budget(full_trainings=1e-3))
    outcome = run_search(recipe, Formula(epoch_s=0.01, is_timed=True), ledger, "data")
    assert outcome.reason == "budget"
    assert outcome.budget_s == pytest.approx(1e-3 * 0.01 * 9)
    assert {each.rung for each in ledger.attempts()} == {0}


@pytest.mark.parametrize(
    ("encoder", "device", "ends"),
    [("broken", "cpu", False), ("broken", "cuda", True), ("diverging", "cuda", False)],
)
@pytest.mark.usefixtures("ray_started")
def test_an_error_on_a_device_ends_the_process_of_ray_tunes_trials(
    encoder: str, device: str, ends: bool, ledger: Ledger
) -> None:
    from ml.search.ray_tune import METRIC, Rungs

    recipe = replace(SEARCH, space=replace(SPACE, encoders=(encoder,)), bracket_size=1)
    rungs = Rungs.__new__(Rungs)  # without Tune
    with ledger.opened("fingerprint"):
        (candidate,) = recipe.space.spread(1, seed=0)
        ledger.propose(candidate)
        rungs.setup(asdict(candidate), recipe=recipe, objective=Formula(device=device), ledger=ledger.path)
        if ends:
            with pytest.raises(RuntimeError, match="failed: LookupError: no such layer"):
                rungs.step()
        else:
            assert math.isnan(rungs.step()[METRIC])
