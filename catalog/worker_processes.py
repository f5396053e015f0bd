"""Worker processes: modules started as processes of their own, to which batches of bytes are sent over a socket.

A worker says `READY` first, and ends when its parent does, for then the connection is closed.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from multiprocessing.connection import Connection

READY = b"ready"
START_TIMEOUT_S = 60.0


def started(module: str, *words: str) -> tuple[subprocess.Popen[bytes], Connection]:
    """`python -m MODULE FD WORDS...`, ready for work; it finds modules where this process does, and has one thread.

    Raises OSError where it ends or says nothing.
    """
    ours, theirs = socket.socketpair()
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    environment |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    with theirs:
        process = subprocess.Popen(  # noqa: S603 our own modules, no shell
            [sys.executable, "-m", module, str(theirs.fileno()), *words],
            pass_fds=[theirs.fileno()],
            env=environment,
            stdin=subprocess.DEVNULL,
        )
    connection = Connection(ours.detach())
    try:
        if connection.poll(START_TIMEOUT_S) and connection.recv_bytes() == READY:
            return process, connection
        problem = f"said nothing within {START_TIMEOUT_S} s"
    except (EOFError, OSError):
        problem = f"ended with {process.wait()}"
    process.kill()
    process.wait()
    connection.close()
    raise OSError(f"worker process `{sys.executable} -m {module}` {problem}; run it by hand to see what it lacks")


def send_batch(connection: Connection, batch: Sequence[bytes]) -> None:
    """Hand a batch to a worker."""
    connection.send_bytes(len(batch).to_bytes(4, "little"))
    for data in batch:
        connection.send_bytes(data)


def batches(connection: Connection) -> Iterator[list[bytes]]:
    """In a worker, what it is sent: each batch whole, so that neither side ever waits for the other to read."""
    connection.send_bytes(READY)
    while True:
        try:
            num = int.from_bytes(connection.recv_bytes(), "little")
            batch = [connection.recv_bytes() for _ in range(num)]
        except EOFError:
            return
        yield batch
