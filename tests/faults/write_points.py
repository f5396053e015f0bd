"""Counts every write of a process below a folder, and ends the process by SIGKILL at one of them.

A write is: a file opened for writing, bytes written, a file or folder flushed, a name made, replaced, linked or
removed, and a commit of a database. The process ends before the operation, and of bytes half are written. So the states
of all kills together are all states that a kill can leave, but for those between two halves of a buffer.
"""

import builtins
import inspect
import io
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
from sqlalchemy import Engine, event

_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_OF_TWO = ("rename", "replace", "link", "symlink")  # whose second path is the new name
_OF_PATHS = (*_OF_TWO, "mkdir", "rmdir", "unlink", "remove", "truncate")


class WritePoints:
    """The writes below `root` so far, as (operation, path below it); the n-th of them is `fatal` (0: none)."""

    def __init__(self, root: Path, fatal: int) -> None:
        self._root, self._fatal = os.fspath(root) + os.sep, fatal
        self.reached: list[tuple[str, str]] = []

    def install(self) -> None:
        """Counts from now on, for the rest of this process."""
        _Raw.points = self
        for name in _OF_PATHS:
            setattr(os, name, self._of_paths(name, getattr(os, name)))
        os.fsync = self._of_descriptor("fsync", os.fsync)
        os.ftruncate = self._of_descriptor("ftruncate", os.ftruncate)
        os.write = self._of_bytes(os.write)
        os.pwrite = self._of_bytes(os.pwrite)
        os.sendfile = self._of_descriptor("write", os.sendfile)
        os.open = self._opening(os.open)
        builtins.open = io.open = self._opened(io.open)  # type: ignore[assignment]
        pl.DataFrame.write_parquet = self._in_memory(pl.DataFrame.write_parquet)  # type: ignore[method-assign]
        event.listen(Engine, "commit", lambda connection: self.reach("commit", connection.engine.url.database))

    def reach(self, operation: str, path: Any, half: Callable[[], object] = lambda: None) -> None:
        """Counts an operation on a path, or dies: then `half` of the operation is done before."""
        place = os.path.abspath(os.fspath(path)) if isinstance(path, str | bytes | os.PathLike) else ""  # noqa: PTH100
        place = os.fsdecode(place)
        if not (place + os.sep).startswith(self._root):
            return
        self.reached.append((operation, place[len(self._root) :]))
        if len(self.reached) == self._fatal:
            half()
            os.kill(os.getpid(), signal.SIGKILL)

    def _of_paths(self, name: str, original: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*args: Any, **kwargs: Any) -> Any:
            path, folder = args[1 if name in _OF_TWO else 0], kwargs.get("dir_fd")
            if not (name == "mkdir" and os.path.isdir(path)):  # noqa: PTH112 then nothing is made
                self.reach(name, path if folder is None else _place(folder, path))
            return original(*args, **kwargs)

        return counted

    def _of_descriptor(self, name: str, original: Callable[..., Any]) -> Callable[..., Any]:
        def counted(descriptor: int, *args: Any, **kwargs: Any) -> Any:
            self.reach(name, _place(descriptor))
            return original(descriptor, *args, **kwargs)

        return counted

    def _of_bytes(self, original: Callable[..., int]) -> Callable[..., int]:
        def counted(descriptor: int, data: Any, *args: Any) -> int:
            self.reach("write", _place(descriptor), lambda: original(descriptor, data[: len(data) // 2], *args))
            return original(descriptor, data, *args)

        return counted

    def _opening(self, original: Callable[..., int]) -> Callable[..., int]:
        def counted(path: Any, flags: int, *args: Any, **kwargs: Any) -> int:
            if flags & _WRITING:
                self.reach("open", path)
            return original(path, flags, *args, **kwargs)

        return counted

    def _opened(self, original: Callable[..., Any]) -> Callable[..., Any]:
        signature = inspect.signature(original)

        def counted(*args: Any, **kwargs: Any) -> Any:
            called = signature.bind(*args, **kwargs)
            called.apply_defaults()
            file, mode, opener = (called.arguments[name] for name in ("file", "mode", "opener"))
            if not set(mode) & set("wax+"):
                return original(*args, **kwargs)
            if not isinstance(file, int):
                self.reach("open", file)
            closes = called.arguments["closefd"]
            raw = _Raw(file, mode.replace("b", "").replace("t", ""), closefd=closes, opener=opener)
            if called.arguments["buffering"] == 0:
                return raw
            buffered = io.BufferedRandom(raw) if "+" in mode else io.BufferedWriter(raw)
            text = {name: called.arguments[name] for name in ("encoding", "errors", "newline")}
            return buffered if "b" in mode else io.TextIOWrapper(buffered, **text)

        return counted

    def _in_memory(self, original: Callable[..., Any]) -> Callable[..., Any]:
        """Polars writes to a file without Python; this way, its bytes are counted."""

        def counted(frame: pl.DataFrame, file: Any, **kwargs: Any) -> None:
            content = io.BytesIO()
            original(frame, content, **kwargs)
            if isinstance(file, str | os.PathLike):
                Path(file).write_bytes(content.getvalue())
            else:
                file.write(content.getvalue())

        return counted


class _Raw(io.FileIO):
    """A file whose writes are counted."""

    points: WritePoints

    def write(self, data: Any, /) -> int:
        place = _place(self.name) if isinstance(self.name, int) else self.name
        self.points.reach("write", place, lambda: super(_Raw, self).write(memoryview(data)[: len(data) // 2]))
        return super().write(data)


def _place(descriptor: int, name: str = "") -> str:
    """The path of an open file, or of a name in an open folder."""
    path = os.readlink(f"/proc/self/fd/{descriptor}")  # noqa: PTH115 before the counting of pathlib's calls
    return os.path.join(path, name) if name else path  # noqa: PTH118
