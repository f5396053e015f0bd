"""The pace of a rung, by a clock that is set by hand."""

from collections.abc import Callable

import pytest

from ml.search.pace import MIN_STEPS, OutOfBudget, Pace, PaceStopping
from tests.ml.search.simulation import Clock

STEPS = 10  # of an epoch


def run(pace: Pace, clock: Clock, step_s: Callable[[int], float], evaluations: list[int], first: int = 0) -> int:
    """Train until the end or until the pace stops; returns the number of steps."""
    for step in range(first + 1, pace.epochs * STEPS + 1):
        clock.now += step_s(step)
        pace.on_step(step, pace.epochs * STEPS)
        if step % STEPS == 0:
            epoch = step // STEPS

            def evaluate(epoch: int = epoch) -> float:
                evaluations.append(epoch)
                return {1: 0.5, 2: 0.7}.get(epoch, 0.6)

            pace.on_epoch(evaluate)
            if pace.is_stopped:
                return step
    return pace.epochs * STEPS


def test_a_rung_that_fits_is_neither_evaluated_between_nor_stopped() -> None:
    clock, evaluations = Clock(), list[int]()
    pace = Pace(3, 30.0, clock)
    assert run(pace, clock, lambda _: 1.0, evaluations) == 30
    assert (evaluations, pace.is_stopped, pace.epoch_s) == ([], False, 10.0)


def test_a_rung_that_does_not_fit_ends_before_the_epoch_that_would_exceed_and_keeps_the_best() -> None:
    clock, evaluations = Clock(), list[int]()
    pace = Pace(9, 35.0, clock)
    assert run(pace, clock, lambda _: 1.0, evaluations) == 30
    assert evaluations == [1, 2, 3]
    assert pace.best == (0.7, 2)
    assert pace.reason() == "stopped: no further of its 9 epochs fits the 35.0 s left; epoch 2 was the best"


def test_an_epoch_that_cannot_end_in_time_is_ended_after_a_few_steps() -> None:
    clock = Clock()
    with pytest.raises(OutOfBudget, match=r"epoch 1 would end after 70\.0 s, and 60\.0 s are left; no epoch had ended"):
        run(Pace(9, 60.0, clock), clock, lambda _: 7.0, [])
    assert clock.now == 7.0 * MIN_STEPS


def test_a_slow_first_step_is_not_taken_for_the_pace() -> None:
    clock = Clock()
    assert run(Pace(3, 60.0, clock), clock, lambda step: 25.0 if step == 1 else 1.0, []) == 30


def test_a_rung_that_slows_down_is_ended_in_the_middle_of_an_epoch() -> None:
    clock = Clock()
    pace = Pace(4, 45.0, clock)
    with pytest.raises(OutOfBudget, match=r"the 45\.0 s left are used up in epoch 3; no epoch had ended"):
        run(pace, clock, lambda step: 1.0 if step <= 20 else 50.0, [])
    assert pace.is_stopped


def test_a_resumed_rung_counts_only_its_own_steps_and_keeps_the_earlier_best() -> None:
    clock, evaluations = Clock(), list[int]()
    pace = Pace(4, 100.0, clock)
    stopping = PaceStopping(pace, lambda _: 0.0)
    stopping.load_state_dict({"best": (0.9, 1)})
    assert run(pace, clock, lambda _: 2.0, evaluations, first=20) == 40
    assert (pace.epoch_s, pace.best, evaluations) == (20.0, (0.9, 1), [])
    assert stopping.state_dict() == {"best": (0.9, 1)}
    stopping.load_state_dict({})  # of a checkpoint of an earlier version
    assert not stopping.should_stop
