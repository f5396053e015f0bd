"""The ledger: persistent entries, one search at a time."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from ml.search.ledger import MAX_INTERRUPTIONS, Ledger, Result
from tests.ml.search.formula import SPACE

FIRST, SECOND = SPACE.spread(2, 0)


def test_entries_can_be_read_by_another_ledger_of_the_file(ledger: Ledger) -> None:
    with ledger.opened("search"):
        ledger.propose(FIRST)
        ledger.propose(SECOND)
        number = ledger.begin(FIRST.trial, 1, 3)
        assert ledger.spend(number, 1.5, 0.5)
        ledger.close(number, "finished", Result(metric=0.8, device_seconds=2.0))
        again = Ledger(ledger.path)
        assert again.proposals() == (FIRST, SECOND)
        [attempt] = again.attempts()
    assert (attempt.trial, attempt.rung, attempt.epochs) == (FIRST.trial, 1, 3)
    assert (attempt.state, attempt.metric, attempt.device_seconds) == ("finished", 0.8, 2.0)
    assert attempt.epoch_s == 0.5


def test_a_stopped_attempt_has_the_epochs_of_its_best_and_a_probe_the_seconds_timed_after_it(ledger: Ledger) -> None:
    with ledger.opened("search"):
        probe = ledger.begin(FIRST.trial, 0, 0)
        ledger.close(probe, "finished", Result(metric=0.5, device_seconds=1.0))
        ledger.add_timing(probe, 0.25, 3.0)
        training = ledger.begin(FIRST.trial, 1, 9)
        ledger.close(training, "stopped", Result(metric=0.7, epochs=4, device_seconds=12.0, epoch_s=2.5))
        first, second = ledger.attempts()
    assert (first.device_seconds, first.epoch_s, first.metric) == (1.25, 3.0, 0.5)
    assert (second.state, second.epochs, second.epoch_s) == ("stopped", 4, 2.5)


def test_a_ledger_of_an_earlier_version_is_continued(ledger: Ledger) -> None:
    with closing(sqlite3.connect(ledger.path)) as connection, connection:
        connection.executescript(
            "CREATE TABLE searches (fingerprint TEXT NOT NULL); INSERT INTO searches VALUES ('search');"
            "CREATE TABLE proposals (number INTEGER PRIMARY KEY, trial TEXT NOT NULL, params TEXT NOT NULL);"
            "CREATE TABLE attempts (number INTEGER PRIMARY KEY, trial TEXT NOT NULL, rung INTEGER NOT NULL, "
            "epochs INTEGER NOT NULL, state TEXT NOT NULL, metric REAL, device_seconds REAL NOT NULL, "
            "reason TEXT NOT NULL);"
            "INSERT INTO attempts VALUES (1, 'a', 1, 3, 'finished', 0.8, 6.0, '')"
        )
    with ledger.opened("search"):
        number = ledger.begin(FIRST.trial, 1, 3)
        ledger.close(number, "finished", Result(metric=0.9, device_seconds=2.0, epoch_s=0.7))
    assert [(each.metric, each.epoch_s) for each in ledger.attempts()] == [(0.8, None), (0.9, 0.7)]


def test_a_closed_attempt_does_not_change(ledger: Ledger) -> None:
    with ledger.opened("search"):
        number = ledger.begin(FIRST.trial, 0, 0)
        ledger.close(number, "diverged", Result(device_seconds=2.0, reason="loss nan"))
        assert not ledger.spend(number, 9.0)
        ledger.close(number, "finished", Result(metric=1.0))
        [attempt] = ledger.attempts()
    assert (attempt.state, attempt.metric, attempt.device_seconds) == ("diverged", None, 2.0)


def test_running_attempts_are_interrupted_and_repeated_ones_count_as_killed(ledger: Ledger) -> None:
    states = []
    for _ in range(MAX_INTERRUPTIONS + 1):
        with ledger.opened("search"):
            states = [attempt.state for attempt in ledger.attempts()]
            if len(states) < MAX_INTERRUPTIONS:
                ledger.spend(ledger.begin(FIRST.trial, 1, 3), 1.0)
    assert states == ["interrupted"] * (MAX_INTERRUPTIONS - 1) + ["killed"]
    assert ledger.device_seconds == MAX_INTERRUPTIONS


def test_two_searches_cannot_share_a_ledger(ledger: Ledger) -> None:
    with ledger.opened("search"), pytest.raises(BlockingIOError, match="another process is searching"):
        assert ledger.is_open()
        with Ledger(ledger.path).opened("search"):
            pass
    assert not ledger.is_open()


def test_a_ledger_of_another_search_is_refused(ledger: Ledger, tmp_path: Path) -> None:
    with ledger.opened("a" * 64):
        pass
    message = r"belongs to another search \(aaaaaaaaaaaa\.\.\., not bbbbbbbbbbbb"
    with pytest.raises(ValueError, match=message), ledger.opened("b" * 64):
        pass
