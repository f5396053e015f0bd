"""Shards: the files of one split, each closed when it has reached its size, and numbered at the end."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, Protocol

from catalog.exports.examples import Example


class Sink(Protocol):
    """A file of one format that examples are appended to."""

    @property
    def num_bytes(self) -> int:
        """Bytes of the file so far."""

    def write(self, example: Example) -> None:
        """Appends one example."""

    def close(self) -> None:
        """Completes the file."""

    def abort(self) -> None:
        """Gives the file up after an error."""


OpenSink = Callable[[BinaryIO, int], Sink]  # the file, and the number of its first example in the split
NameShard = Callable[[int, int], str]  # the number of a shard from 0, and of how many


class Shards:
    """Writes the examples of one split to files of about `max_bytes`: the last example may exceed it."""

    def __init__(self, folder: Path, open_sink: OpenSink, name: NameShard, max_bytes: int) -> None:
        self._folder = folder
        self._open_sink = open_sink
        self._name = name
        self._max_bytes = max_bytes
        self._paths: list[Path] = []
        self._current: tuple[BinaryIO, Sink] | None = None
        self.num_examples = 0

    def write(self, example: Example) -> None:
        """Appends one example to the current file, or to a new one where that is full."""
        if self._current is not None and self._current[1].num_bytes >= self._max_bytes:
            self._close_current()
        if self._current is None:
            self._folder.mkdir(parents=True, exist_ok=True)
            # The number of shards, which their names hold, is known at the end.
            self._paths.append(self._folder / f".{self._name(len(self._paths), 0)}")
            file = self._paths[-1].open("wb")
            self._current = (file, self._open_sink(file, self.num_examples))
        self._current[1].write(example)
        self.num_examples += 1

    def finish(self) -> list[Path]:
        """Closes the last file and gives all their names; returns their paths."""
        self._close_current()
        named = [self._folder / self._name(number, len(self._paths)) for number in range(len(self._paths))]
        for path, target in zip(self._paths, named, strict=True):
            path.rename(target)
        return named

    def abort(self) -> None:
        """Closes the file of a failed export, whose content does not matter."""
        if self._current is not None:
            (file, sink), self._current = self._current, None
            sink.abort()
            with suppress(OSError):  # a full disk raises again
                file.close()

    def _close_current(self) -> None:
        if self._current is not None:
            file, sink = self._current
            sink.close()
            file.close()
            self._current = None
