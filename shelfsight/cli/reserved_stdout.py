"""Reserved stdout: while a command runs, only its output goes to stdout, and what libraries print goes to stderr.

Exporters of models, among others, print to stdout, also from C; it would make `--json` no JSON.
"""

import io
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout, suppress
from functools import wraps
from typing import Any, TextIO

_STDOUT, _STDERR = 1, 2  # file descriptors
_reserved: list[TextIO] = []


def output_stream() -> TextIO:
    """Returns the stream of a command's output."""
    return _reserved[-1] if _reserved else sys.stdout


def reserving_stdout(command: Callable[..., Any]) -> Callable[..., Any]:
    """Wraps a command so that `output_stream` alone leads to stdout while it runs."""

    @wraps(command)
    def run(*args: Any, **options: Any) -> Any:
        with _reserve():
            return command(*args, **options)

    return run


@contextmanager
def _reserve() -> Iterator[None]:
    with _freed(sys.stdout) as stream:
        _reserved.append(stream)
        try:
            with redirect_stdout(sys.stderr):
                yield
        finally:
            _reserved.pop()


@contextmanager
def _freed(stdout: TextIO) -> Iterator[TextIO]:
    """Lets the descriptor of stdout lead to stderr within the block; yields a stream to where it led before."""
    stdout.flush()
    if not _is_file_descriptor(stdout):  # a stream in memory: there is nothing below it
        yield stdout
        return
    descriptor = os.dup(_STDOUT)
    stream = os.fdopen(os.dup(descriptor), "w", encoding=stdout.encoding, errors=stdout.errors)
    os.dup2(_STDERR, _STDOUT)
    try:
        yield stream
    finally:
        with suppress(BrokenPipeError):  # whoever read the output has had enough
            stream.close()
        os.dup2(descriptor, _STDOUT)
        os.close(descriptor)


def _is_file_descriptor(stream: TextIO) -> bool:
    try:
        return stream.fileno() == _STDOUT
    except (OSError, ValueError, io.UnsupportedOperation):
        return False
