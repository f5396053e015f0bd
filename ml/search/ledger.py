"""The ledger of a search: which trials came, how each of their rungs ended, and the device seconds it took.

One SQLite file, so every entry is whole and survives a killed process. While a rung runs its seconds are entered every
half second: a kill loses no more than that. Entries are never removed, so what was spent is their sum.
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

State = Literal["running", "finished", "interrupted", "diverged", "out_of_memory", "killed", "failed"]

# As often as a rung may be cut off together with the whole search before it counts as what brings the search down.
MAX_INTERRUPTIONS = 3
WAIT_FOR_OTHERS_S = 30.0
WAITS_S = (0.05, 0.2, 0.8)
SCHEMA = """
CREATE TABLE IF NOT EXISTS searches (fingerprint TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS proposals (number INTEGER PRIMARY KEY, trial TEXT NOT NULL, params TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS attempts (
    number INTEGER PRIMARY KEY, trial TEXT NOT NULL, rung INTEGER NOT NULL, epochs INTEGER NOT NULL,
    state TEXT NOT NULL, metric REAL, device_seconds REAL NOT NULL, reason TEXT NOT NULL
);
"""


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """One attempt at one rung of one trial. Without a `metric` it has not finished, and `reason` says why."""

    number: int
    trial: str
    rung: int
    epochs: int
    state: State
    metric: float | None
    device_seconds: float
    reason: str


class Ledger:
    """The entries of one search in the file at `path`; several processes may read and write it."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @contextmanager
    def opened(self, fingerprint: str) -> Iterator[None]:
        """Hold the ledger for one search at a time; what an earlier one left running is entered as interrupted.

        Raises:
            ValueError: the ledger is another search's (another fingerprint).
            BlockingIOError: another process is searching.
        """
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self._lock_path.open("w") as lock:
            for wait_s in (*WAITS_S, None):  # a trial that outlived its search takes a moment to notice
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
        """Whether a process, this one or another, has it `opened`."""
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
        """Enter the next trial; the same one may come again."""
        params = json.dumps(asdict(candidate), sort_keys=True)
        with self._connection() as connection:
            connection.execute("INSERT INTO proposals (trial, params) VALUES (?, ?)", (candidate.trial, params))

    def proposals(self) -> tuple[Candidate, ...]:
        """The trials that came, in their order."""
        with self._connection() as connection:
            rows = connection.execute("SELECT params FROM proposals ORDER BY number").fetchall()
        return tuple(Candidate.of(json.loads(params)) for (params,) in rows)

    def begin(self, trial: str, rung: int, epochs: int) -> int:
        """Enter an attempt as running; returns its number."""
        with self._connection() as connection:
            made = connection.execute(
                "INSERT INTO attempts (trial, rung, epochs, state, device_seconds, reason) "
                "VALUES (?, ?, ?, 'running', 0, '')",
                (trial, rung, epochs),
            )
        assert made.lastrowid is not None  # noqa: S101 as it inserted
        return made.lastrowid

    def spend(self, number: int, device_seconds: float) -> bool:
        """Enter what a running attempt has taken so far; one that is closed stays as it is, and False is returned."""
        with self._connection() as connection:
            made = connection.execute(
                "UPDATE attempts SET device_seconds = ? WHERE number = ? AND state = 'running'",
                (device_seconds, number),
            )
        return made.rowcount > 0

    def close(
        self,
        number: int,
        state: State,
        *,
        device_seconds: float | None = None,
        metric: float | None = None,
        reason: str = "",
    ) -> None:
        """Enter how a running attempt ended; None leaves the seconds at those entered last."""
        with self._connection() as connection:
            connection.execute(
                "UPDATE attempts SET state = ?, metric = ?, reason = ?, "
                "device_seconds = coalesce(?, device_seconds) WHERE number = ? AND state = 'running'",
                (state, metric, reason, device_seconds, number),
            )

    def attempts(self) -> tuple[Attempt, ...]:
        """All attempts, in the order in which they began."""
        columns = "number, trial, rung, epochs, state, metric, device_seconds, reason"
        with self._connection() as connection:
            connection.row_factory = sqlite3.Row
            rows = connection.execute(f"SELECT {columns} FROM attempts ORDER BY number").fetchall()  # noqa: S608
        return tuple(Attempt(**dict(row)) for row in rows)

    @property
    def device_seconds(self) -> float:
        """What all attempts took together."""
        return sum(attempt.device_seconds for attempt in self.attempts())

    def _belong_to(self, fingerprint: str) -> None:
        with closing(self._connect()) as connection, connection:
            connection.executescript(SCHEMA)
            known = connection.execute("SELECT fingerprint FROM searches").fetchone()
            if known is None:
                connection.execute("INSERT INTO searches VALUES (?)", (fingerprint,))
            elif known != (fingerprint,):
                raise ValueError(
                    f"ledger {str(self.path)!r} is of another search ({known[0][:12]}..., not {fingerprint[:12]}...); "
                    "give each its own file"
                )

    def _close_interrupted(self) -> None:
        attempts = self.attempts()
        for each in attempts:
            if each.state != "running":
                continue
            before = sum((one.trial, one.rung) == (each.trial, each.rung) for one in attempts if one != each)
            is_last = before + 1 >= MAX_INTERRUPTIONS
            reason = f"the search ended under it for the {before + 1}. time" if is_last else "the search ended under it"
            self.close(each.number, "killed" if is_last else "interrupted", reason=reason)

    def _connect(self) -> sqlite3.Connection:
        return sqlite3.connect(self.path, timeout=WAIT_FOR_OTHERS_S)

    @contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        """A connection of its own for every entry, since SQLite's go neither through a fork nor to another thread."""
        with closing(self._connect()) as connection, connection:
            yield connection
