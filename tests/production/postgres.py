"""A real PostgreSQL for one test: the system's binaries, a loopback port and a folder of its own."""

import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg2
import pytest

from tests.patience import PATIENCE_S

PLACES = (*sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True), Path("/usr/local/pgsql/bin"))
USER = "shelfsight"


class Postgres:
    """A server that can be killed and started again; its password is random and nowhere but in its clients' hands."""

    def __init__(self, binaries: Path, folder: Path) -> None:
        self.port = free_port()
        self.password = secrets.token_urlsafe()
        self._binaries = binaries
        self._folder = folder
        # The server refuses to run as root: Debian's package brings the user `postgres`.
        self._as: dict[str, Any] = {"user": "postgres", "group": "postgres", "extra_groups": []} if _is_root() else {}
        self._process: subprocess.Popen[bytes] | None = None
        self._make()

    def url(self, database: str) -> str:
        """A database's address for SQLAlchemy, without the password: PGPASSWORD has it."""
        return f"postgresql+psycopg2://{USER}@127.0.0.1:{self.port}/{database}"

    def query(self, statement: str, database: str = "postgres") -> list[tuple[Any, ...]]:
        """The rows that a statement gives."""
        where = {"host": "127.0.0.1", "port": self.port, "dbname": database}
        connection = psycopg2.connect(**where, user=USER, password=self.password)
        try:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute(statement)
                return cursor.fetchall() if cursor.description else []
        finally:
            connection.close()

    def start(self) -> None:
        """Start the server, after a crash with what was committed, and wait until it responds."""
        options = {"listen_addresses": "127.0.0.1", "port": self.port, "unix_socket_directories": self._folder}
        command = [str(self._binaries / "postgres"), "-D", str(self._data)]
        command += [word for name, value in options.items() for word in ("-c", f"{name}={value}")]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log, cwd=self._folder, **self._as)
        deadline = time.monotonic() + PATIENCE_S
        while True:
            try:
                self.query("SELECT 1")
            except psycopg2.OperationalError:  # not yet, or never
                if self._process.poll() is not None or time.monotonic() > deadline:
                    raise AssertionError(f"PostgreSQL does not respond:\n{self.log.read_text()}") from None
                time.sleep(0.05)
            else:
                return

    def kill(self) -> None:
        """SIGKILL to the server and to every process that serves a connection or writes."""
        assert self._process is not None
        pid = self._process.pid
        os.kill(pid, signal.SIGSTOP)  # it shall start no more of them
        children = [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
        for each in (*children, pid):
            os.kill(each, signal.SIGKILL)
        self._process.wait()
        while any(_runs(child) for child in children):
            time.sleep(0.01)

    def stop(self) -> None:
        """End the server in order."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
            self._process.wait(timeout=PATIENCE_S)

    @property
    def log(self) -> Path:
        """The log of the server."""
        return self._folder / "log"

    @property
    def _data(self) -> Path:
        return self._folder / "data"

    def _make(self) -> None:
        self.log.touch()
        secret = self._folder / "password"
        secret.write_text(self.password)
        if self._as:
            for path in (self._folder, secret):
                shutil.chown(path, self._as["user"], self._as["group"])
        command = [str(self._binaries / "initdb"), "-D", str(self._data), "-U", USER, "--encoding=UTF8", "--no-locale"]
        command += ["--auth=scram-sha-256", f"--pwfile={secret}"]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd=self._folder, **self._as)
        secret.unlink()


@contextmanager
def serving() -> Iterator[Postgres]:
    """A server, until the block ends; the test is skipped where PostgreSQL is not installed."""
    binaries = next((folder for folder in PLACES if (folder / "initdb").exists()), None)
    if binaries is None:
        pytest.skip("PostgreSQL is not installed (Debian package postgresql)")
    # Not pytest's own folder: only root may enter that, and a socket's path has to be short.
    with tempfile.TemporaryDirectory(prefix="shelfsight-postgres-") as folder:
        server = Postgres(binaries, Path(folder))
        server.start()
        try:
            yield server
        finally:
            server.stop()


def _is_root() -> bool:
    return os.geteuid() == 0


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])
