"""A process that imports modules once and forks itself for every call: a kill costs no start of an interpreter.

Usage: python -m tests.fork_server MODULE:FUNCTION
Reads lines of JSON, `[[ARGUMENT, ...], OUTPUT_FILE]`. Each becomes a child in a session of its own that calls the
function. Prints the child's process ID, and its return code once it has ended: minus the number of the signal that
killed it. The modules may be imported before the fork and must not have started threads: a child has none of them.
"""

import atexit
import json
import os
import pkgutil
import select
import subprocess
import sys
import traceback
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from tests.build_cache import REPOSITORY


class Child:
    """A call in a forked process, which may be killed."""

    def __init__(self, server: "subprocess.Popen[str]", output: Path) -> None:
        self._server = server
        self._output = output
        self.pid = int(self._line())
        self.returncode: int | None = None

    @property
    def output(self) -> str:
        """The output of the process so far."""
        return self._output.read_text()

    def poll(self, timeout_s: float = 0.0) -> int | None:
        """Its return code, or None if it still runs after the timeout."""
        if self.returncode is None and select.select([self._server.stdout], [], [], timeout_s)[0]:
            self.returncode = int(self._line())
        return self.returncode

    def kill(self, signal: int) -> None:
        """Send it a signal and wait for its end."""
        assert self.poll() is None, f"it has already ended:\n{self.output}"
        os.kill(self.pid, signal)
        while self.poll(1.0) is None:
            pass

    def _line(self) -> str:
        assert self._server.stdout is not None
        return self._server.stdout.readline()


def start(function: str, arguments: list[str], output: Path) -> Child:
    """Call `module:function` in a child; the one before it must have ended."""
    server = _server(function)
    assert server.stdin is not None
    server.stdin.write(json.dumps([arguments, str(output)]) + "\n")
    server.stdin.flush()
    return Child(server, output)


@cache
def _server(function: str) -> "subprocess.Popen[str]":
    """The server of this process for a function; it ends with this process."""
    command = [sys.executable, "-m", "tests.fork_server", function]
    # Unbuffered, so that `select` sees what has not been read.
    server = subprocess.Popen(
        command, cwd=REPOSITORY, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
    )
    atexit.register(_stop, server)
    return server


def _stop(server: "subprocess.Popen[str]") -> None:
    assert server.stdin is not None
    assert server.stdout is not None
    server.stdin.close()
    server.stdout.close()
    server.wait()


def _serve(function: Callable[..., Any]) -> None:
    for line in sys.stdin:
        arguments, output = json.loads(line)
        Path(output).touch()  # it can be read from the first moment on
        pid = os.fork()
        if pid == 0:
            _call(function, arguments, output)
        print(pid, flush=True)  # noqa: T201 the protocol
        print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)  # noqa: T201 the protocol


def _call(function: Callable[..., Any], arguments: list[str], output: str) -> None:
    """Call the function as a process of its own would, and end this child."""
    os.setsid()
    with open(os.devnull, "rb") as nothing, open(output, "wb") as log:  # noqa: PTH123 for their descriptors
        for target, source in enumerate((nothing, log, log)):
            os.dup2(source.fileno(), target)
    try:
        function(*arguments)
    except BaseException:
        traceback.print_exc()
        sys.stderr.flush()
        os._exit(1)
    sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    _serve(pkgutil.resolve_name(sys.argv[1]))
