"""The ledger of a search: proposed trials, the result of each attempted rung, and its device seconds.

It is one SQLite file, so entries are atomic and survive a killed process. The seconds of a running rung are updated
every half second, so a kill loses no more than that. Entries are never removed; their sum is what the search has spent.
"""

import fcntl
import json
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from ml.search.space import Candidate

State = Literal["running", "finished", "stopped", "interrupted", "diverged", "out_of_memory", "killed", "failed"]
WITHOUT_FAILURE = ("running", "finished", "stopped", "interrupted")

# A rung interrupted this often is considered the cause of the interruptions.
MAX_INTERRUPTIONS = 3
WAIT_FOR_OTHERS_S = 30.0
WAITS_S = (0.05, 0.2, 0.8)
SCHEMA = """
CREATE TABLE IF NOT EXISTS searches (fingerprint TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS proposals (number INTEGER PRIMARY KEY, trial TEXT NOT NULL, params TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS attempts (
    number INTEGER PRIMARY KEY, trial TEXT NOT NULL, rung INTEGER NOT NULL, epochs INTEGER NOT NULL,
    state TEXT NOT NULL, metric REAL, device_seconds REAL NOT NULL, reason TEXT NOT NULL, epoch_s REAL
);
"""
ADDED_COLUMNS = {"epoch_s": "REAL"}  # of attempts, since the first version


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """One attempt at one rung of one trial. Without a `metric` it has not finished; `reason` is why.

    A "stopped" one would have exceeded the budget; `epochs` and `metric` are then those of its best epoch, if any had
    ended. `epoch_s` are the device seconds per epoch that it measured: by a training's own steps, or, in a probe, by a
    few steps of a training of its encoder.
    """

    number: int
    trial: str
    rung: int
    epochs: int
    state: State
    metric: float | None
    device_seconds: float
    reason: str
    epoch_s: float | None = None


@dataclass(frozen=True, kw_only=True)
class Result:
    """The result with which an attempt is closed; see `Attempt`."""

    metric: float | None = None
    reason: str = ""
    device_seconds: float | None = None
    epochs: int | None = None
    epoch_s: float | None = None


NO_RESULT = Result()


class Ledger:
    """The entries of one search in the file at `path`; several processes may read and write it."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @contextmanager
    def opened(self, fingerprint: str) -> Iterator[None]:
        """Lock the ledger for one search; attempts that an earlier search left running become interrupted.

        Raises:
            ValueError: the ledger belongs to another search (another fingerprint).
            BlockingIOError: another process is searching.
        """
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self._lock_path.open("w") as lock:
            for wait_s in (*WAITS_S, None):  # a trial that outlived its search needs a moment to exit
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError as error:
                    if wait_s is None:
                        why = "another process is searching; wait for it"
                        raise BlockingIOError(error.errno, why, str(self.path)) from error
                    time.sleep(wait_s)
            self._belong_to(fingerprint)
            self._close_interrupted()
            yield

    def is_open(self) -> bool:
        """Return whether any process has it `opened`."""
        with self._lock_path.open() as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
        return False

    @property
    def _lock_path(self) -> Path:
        return self.path.with_suffix(".lock")

    def propose(self, candidate: Candidate) -> None:
        """Add the next trial; the same candidate may be proposed again."""
        params = json.dumps(asdict(candidate), sort_keys=True)
        with self._connection() as connection:
            connection.execute("INSERT INTO proposals (trial, params) VALUES (?, ?)", (candidate.trial, params))

    def proposals(self) -> tuple[Candidate, ...]:
        """Return the proposed trials, in order."""
        with self._connection() as connection:
            rows = connection.execute("SELECT params FROM proposals ORDER BY number").fetchall()
        return tuple(Candidate.of(json.loads(params)) for (params,) in rows)

    def begin(self, trial: str, rung: int, epochs: int) -> int:
        """Add an attempt as running and return its number."""
        with self._connection() as connection:
            cursor = connection.execute(
                "INSERT INTO attempts (trial, rung, epochs, state, device_seconds, reason) "
                "VALUES (?, ?, ?, 'running', 0, '')",
                (trial, rung, epochs),
            )
        assert cursor.lastrowid is not None  # noqa: S101 an insert sets it
        return cursor.lastrowid

    def spend(self, number: int, device_seconds: float, epoch_s: float | None = None) -> bool:
        """Update the seconds of a running attempt; returns False, and changes nothing, if it is closed."""
        with self._connection() as connection:
            cursor = connection.execute(
                "UPDATE attempts SET device_seconds = ?, epoch_s = ? WHERE number = ? AND state = 'running'",
                (device_seconds, epoch_s, number),
            )
        return cursor.rowcount > 0

    def close(self, number: int, state: State, result: Result = NO_RESULT) -> None:
        """Close a running attempt with its final state; fields of the result that are None keep the last update."""
        with self._connection() as connection:
            connection.execute(
                "UPDATE attempts SET state = ?, metric = ?, reason = ?, device_seconds = coalesce(?, device_seconds), "
                "epochs = coalesce(?, epochs), epoch_s = coalesce(?, epoch_s) WHERE number = ? AND state = 'running'",
                (state, result.metric, result.reason, result.device_seconds, result.epochs, result.epoch_s, number),
            )

    def add_timing(self, number: int, device_seconds: float, epoch_s: float | None, reason: str = "") -> None:
        """Add to a finished probe the seconds per epoch that were timed after it, and the seconds that this took."""
        with self._connection() as connection:
            connection.execute(
                "UPDATE attempts SET device_seconds = device_seconds + ?, epoch_s = ?, reason = ? WHERE number = ?",
                (device_seconds, epoch_s, reason, number),
            )

    def attempts(self) -> tuple[Attempt, ...]:
        """Return all attempts, in the order in which they began."""
        columns = "number, trial, rung, epochs, state, metric, device_seconds, reason, epoch_s"
        with self._connection() as connection:
            connection.row_factory = sqlite3.Row
            rows = connection.execute(f"SELECT {columns} FROM attempts ORDER BY number").fetchall()  # noqa: S608
        return tuple(Attempt(**dict(row)) for row in rows)

    @property
    def device_seconds(self) -> float:
        """The device seconds of all attempts."""
        return sum(attempt.device_seconds for attempt in self.attempts())

    def _belong_to(self, fingerprint: str) -> None:
        with closing(self._connect()) as connection, connection:
            connection.executescript(SCHEMA)
            known_columns = {name for _, name, *_ in connection.execute("PRAGMA table_info(attempts)")}
            for name, kind in ADDED_COLUMNS.items():
                if name not in known_columns:  # a ledger of an earlier version
                    connection.execute(f"ALTER TABLE attempts ADD COLUMN {name} {kind}")
            known = connection.execute("SELECT fingerprint FROM searches").fetchone()
            if known is None:
                connection.execute("INSERT INTO searches VALUES (?)", (fingerprint,))
            elif known != (fingerprint,):
                raise ValueError(
                    f"ledger {str(self.path)!r} belongs to another search ({known[0][:12]}..., not "
                    f"{fingerprint[:12]}...); give each its own file"
                )

    def _close_interrupted(self) -> None:
        attempts = self.attempts()
        for each in attempts:
            if each.state != "running":
                continue
            same = [one for one in attempts if (one.trial, one.rung) == (each.trial, each.rung)]
            before = sum(one.state == "interrupted" for one in same)
            is_last = before + 1 >= MAX_INTERRUPTIONS
            reason = f"interrupted with the search, {before + 1} times" if is_last else "interrupted with the search"
            self.close(each.number, "killed" if is_last else "interrupted", Result(reason=reason))

    def _connect(self) -> sqlite3.Connection:
        return sqlite3.connect(self.path, timeout=WAIT_FOR_OTHERS_S)

    @contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        """A new connection for every entry, since SQLite connections survive neither a fork nor a change of thread."""
        with closing(self._connect()) as connection, connection:
            yield connection
