"""What a search does next, played through without an engine: rungs, budget, goal."""

import math
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from ml.search.halving import End, Propose, Run, Standing
from ml.search.ledger import Attempt
from ml.search.recipe import SearchRecipe
from ml.search.space import Candidate
from tests.ml.search.formula import SEARCH, value


class Play:
    """A search whose rungs take `epoch_s` an epoch of an encoder, and end as `metric` says (None: fail)."""

    def __init__(self, recipe: SearchRecipe, epoch_s: dict[str, float] | None = None) -> None:
        self.recipe, self.epoch_s = recipe, epoch_s or {}
        self.proposals: list[Candidate] = []
        self.attempts: list[Attempt] = []
        self.stream = iter(recipe.space.spread(recipe.max_trials, recipe.seed))

    def to_its_end(self) -> tuple[Standing, End]:
        while True:
            standing = Standing(self.recipe, self.proposals, self.attempts)
            step = standing.next_step()
            if isinstance(step, End):
                return standing, step
            if isinstance(step, Propose):
                self.proposals.append(next(self.stream))
            else:
                self.attempts.append(self.run(step))

    def run(self, step: Run) -> Attempt:
        epochs = self.recipe.epochs(step.candidate, step.rung)
        is_known = step.rung == 0 and any(
            each.rung == 0 and self.encoder(each) == step.candidate.encoder for each in self.attempts
        )
        seconds = 0.0 if is_known else self.epoch_s.get(step.candidate.encoder, 1.0) * max(1, epochs)
        return Attempt(
            number=len(self.attempts) + 1,
            trial=step.candidate.trial,
            rung=step.rung,
            epochs=epochs,
            state="finished",
            metric=value(step.candidate, step.rung, epochs),
            device_seconds=seconds,
            reason="",
        )

    def encoder(self, attempt: Attempt) -> str:
        return next(each.encoder for each in self.proposals if each.trial == attempt.trial)


def test_a_third_rises_from_every_rung() -> None:
    recipe = replace(SEARCH, bracket_size=27, num_rungs=4, max_trials=27, budget_s=1e6)
    play = Play(recipe)
    play.to_its_end()
    per_rung = [len([each for each in play.attempts if each.rung == rung]) for rung in range(4)]
    assert per_rung == [27, 9, 3, 1]
    for rung in range(3):
        here = sorted((each.metric or 0.0 for each in play.attempts if each.rung == rung), reverse=True)
        risen = {each.trial for each in play.attempts if each.rung == rung + 1}
        metrics = [each.metric or 0.0 for each in play.attempts if each.rung == rung and each.trial in risen]
        assert sorted(metrics, reverse=True) == here[: len(risen)]


def test_rungs_train_for_thirds_of_the_epochs_and_no_less_than_one() -> None:
    recipe = replace(SEARCH, num_rungs=4)
    [candidate] = recipe.space.spread(1, 0)
    assert [recipe.epochs(replace(candidate, epochs=27), rung) for rung in range(4)] == [0, 3, 9, 27]
    assert [recipe.epochs(replace(candidate, epochs=2), rung) for rung in range(4)] == [0, 1, 1, 2]


def test_a_candidate_that_is_alone_goes_straight_to_the_last_rung() -> None:
    play = Play(replace(SEARCH, bracket_size=3, max_trials=3, num_rungs=5))
    play.to_its_end()
    assert [each.rung for each in play.attempts] == [0, 0, 0, 4]


def test_a_training_that_reaches_the_goal_early_is_finished_with_the_epochs_it_had() -> None:
    standing, end = Play(replace(SEARCH, goal=0.83, budget_s=1e6)).to_its_end()
    winner = standing.outcome(end.reason).winner
    assert end.reason == "goal"
    assert winner is not None
    assert winner.rung == 1
    assert winner.recipe.optimisation.epochs == 3


def test_a_probe_alone_reaches_no_goal() -> None:
    standing, end = Play(replace(SEARCH, goal=0.79, budget_s=1e6)).to_its_end()
    winner = standing.outcome(end.reason).winner
    assert winner is not None
    assert winner.rung > 0


def test_an_interrupted_rung_is_run_again_and_its_seconds_stay_spent() -> None:
    play = Play(SEARCH)
    play.proposals = [next(play.stream)]
    done = play.run(Run(play.proposals[0], 0))
    standing = Standing(SEARCH, play.proposals, [replace(done, state="interrupted", metric=None)])
    assert standing.next_step() == Run(play.proposals[0], 0)
    assert standing.spent_s == done.device_seconds


@settings(deadline=None, max_examples=60)
@given(
    budget_s=st.floats(0.5, 400.0),
    epoch_s=st.lists(st.floats(0.01, 20.0), min_size=3, max_size=3),
    bracket_size=st.integers(1, 12),
    num_rungs=st.integers(2, 4),
)
def test_the_budget_is_never_exceeded_by_more_than_one_rung(
    budget_s: float, epoch_s: list[float], bracket_size: int, num_rungs: int
) -> None:
    recipe = replace(SEARCH, budget_s=budget_s, bracket_size=bracket_size, num_rungs=num_rungs, max_trials=24)
    play = Play(recipe, dict(zip(recipe.space.encoders, epoch_s, strict=True)))
    standing, end = play.to_its_end()
    assert end.reason in ("budget", "trials")
    assert standing.spent_s - (play.attempts[-1].device_seconds if play.attempts else 0.0) <= budget_s
    winner = standing.outcome(end.reason).winner
    finished = [each.metric or 0.0 for each in play.attempts if each.rung == recipe.last_rung]
    assert (winner.metric if winner else None) == (max(finished) if finished else None)


@settings(deadline=None, max_examples=30)
@given(budget_s=st.floats(30.0, 200.0))
def test_what_one_last_rung_takes_is_kept_back_until_a_trial_has_finished(budget_s: float) -> None:
    recipe = replace(SEARCH, budget_s=budget_s, bracket_size=18, num_rungs=4, max_trials=18)
    play = Play(recipe)
    standing, end = play.to_its_end()
    assert standing.outcome(end.reason).winner is not None  # 9 epochs of a second each fit into every such budget
    assert standing.spent_s <= budget_s  # and with what is known of a rung's cost, none is exceeded


def test_the_sentence_tells_an_unreached_goal() -> None:
    recipe = replace(SEARCH, goal=0.99, budget_s=30.0)
    standing, end = Play(recipe).to_its_end()
    assert "no trial reached the goal of 0.99" in standing.outcome(end.reason).sentence(recipe)
    assert not math.isnan(standing.spent_s)


@given(budget_s=st.floats(30.0, 200.0), share=st.sampled_from([0.0, 0.5, 0.99, 1.5]))
def test_a_rung_that_was_begun_is_not_given_up_while_it_runs(budget_s: float, share: float) -> None:
    """Its seconds so far are spent, and what is left of the budget may bear no second one of its kind."""
    play = Play(replace(SEARCH, budget_s=budget_s, bracket_size=6, num_rungs=3, max_trials=6))
    while True:
        step = Standing(play.recipe, play.proposals, play.attempts).next_step()
        if isinstance(step, End):
            return
        if isinstance(step, Propose):
            play.proposals.append(next(play.stream))
            continue
        ended = play.run(step)
        running = replace(ended, state="running", metric=None, device_seconds=share * ended.device_seconds)
        assert Standing(play.recipe, play.proposals, [*play.attempts, running]).next_step() == step
        play.attempts.append(ended)
