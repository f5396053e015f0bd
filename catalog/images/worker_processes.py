"""Worker processes: modules that run as separate processes and receive batches of bytes over a socket.

A worker sends `READY` first, and ends with its parent, because that closes the connection. It has no variable of the
environment but those of `worker_environment`.
"""

from __future__ import annotations

import os
import socket
import struct
import subprocess
import sys
from collections.abc import Iterator, Sequence
from multiprocessing.connection import Connection

from catalog.storage.worker_environment import worker_environment

READY = b"ready"
START_TIMEOUT_S = 60.0
TRANSFER_TIMEOUT_S = 60.0  # for a worker that does not read or send on: BlockingIOError
_TIMEVAL = struct.Struct("ll")  # seconds and microseconds


def start_worker(module: str, *arguments: str) -> tuple[subprocess.Popen[bytes], Connection]:
    """Starts `python -m MODULE FD ARGUMENTS...` with this module path and one thread, and waits until it is ready.

    Raises:
        OSError: the worker ends or does not become ready in time.
    """
    ours, theirs = socket.socketpair()
    for direction in (socket.SO_SNDTIMEO, socket.SO_RCVTIMEO):
        ours.setsockopt(socket.SOL_SOCKET, direction, _TIMEVAL.pack(*_seconds_and_microseconds(TRANSFER_TIMEOUT_S)))
    with theirs:
        process = subprocess.Popen(  # noqa: S603 our own modules, no shell
            [sys.executable, "-P", "-m", module, str(theirs.fileno()), *arguments],
            pass_fds=[theirs.fileno()],
            env=worker_environment(os.environ),
            stdin=subprocess.DEVNULL,
        )
    connection = Connection(ours.detach())
    try:
        if connection.poll(START_TIMEOUT_S) and connection.recv_bytes() == READY:
            return process, connection
        problem = f"was not ready within {START_TIMEOUT_S} s"
    except (EOFError, OSError):
        problem = f"ended with exit code {process.wait()}"
    process.kill()
    process.wait()
    connection.close()
    raise OSError(f"worker process `{sys.executable} -m {module}` {problem}; run it by hand to see what it lacks")


def _seconds_and_microseconds(duration_s: float) -> tuple[int, int]:
    return int(duration_s), int(duration_s % 1 * 1_000_000)


def send_batch(connection: Connection, batch: Sequence[bytes]) -> None:
    """Sends a batch to a worker."""
    connection.send_bytes(len(batch).to_bytes(4, "little"))
    for data in batch:
        connection.send_bytes(data)


def batches(connection: Connection) -> Iterator[list[bytes]]:
    """Yields, in a worker, the batches sent to it, each read completely so that neither side blocks the other."""
    connection.send_bytes(READY)
    while True:
        try:
            num = int.from_bytes(connection.recv_bytes(), "little")
            batch = [connection.recv_bytes() for _ in range(num)]
        except EOFError:
            return
        yield batch
