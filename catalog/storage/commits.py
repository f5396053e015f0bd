"""Commits: compare-and-swap of one small file, so that of two writers neither undoes what the other has written.

A table of decisions and the pointer of a deployment are read, changed and written back. Between the two another process
may have done the same; a plain write would lose its change.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from upath import UPath

from catalog.storage.files import is_remote, not_writable, read_if_exists, replace_file
from catalog.storage.locks import waiting_lock

_CONDITIONAL = ("s3", "s3a")  # whose clients pass the conditions of a put on
_REFUSED = ("PreconditionFailed", "412", "ConditionalRequestConflict", "409")


class ConflictError(RuntimeError):
    """A file is no longer what its writer has read; the message names it and the way out."""


def commit(path: UPath, content: bytes, *, replacing: bytes | None) -> None:
    """Replaces a file as a whole if it still has the content that was read; it is done if it has the new one already.

    A local file is compared and renamed under a lock. On S3 the put itself is conditional (If-Match, If-None-Match). On
    other remote file systems a new file is created exclusively where their client can, and an existing one is compared
    just before it is replaced, which leaves a moment in which two writers may meet.

    Args:
        path: the file; missing folders are created.
        content: its new content.
        replacing: the content that was read (see `read_if_exists`), None where there was no file.

    Raises:
        ConflictError: the file has another content, or none.
        StoreNotReadableError: it cannot be read.
        StoreNotWritableError: it cannot be written.
    """
    if is_remote(path):
        _commit_remote(path, content, replacing)
        return
    local = Path(path.path)
    with waiting_lock(local.with_name(f".{local.name}.lock")):
        current = read_if_exists(path)
        if current == content:
            return
        if current != replacing:
            raise _conflict(path)
        with replace_file(path) as file:
            file.write(content)


def _commit_remote(path: UPath, content: bytes, replacing: bytes | None) -> None:
    # The tag is read first: if the content read after it is what the caller has read, and the tag still holds at the
    # put, nothing came between.
    tag = _tag(path) if replacing is not None else None
    current = read_if_exists(path)
    if current == content:
        return
    if current != replacing:
        raise _conflict(path)
    conditions: dict[str, Any] = {"mode": "create"} if replacing is None else {}
    if replacing is not None and path.protocol in _CONDITIONAL:
        conditions = {"IfMatch": tag}
    try:
        path.fs.pipe_file(path.path, content, **conditions)
    except Exception as error:  # object store clients raise their own types
        if isinstance(error, FileExistsError) or _refused(error):
            if read_if_exists(path) == content:  # the client has repeated a put whose response was lost
                return
            raise _conflict(path) from error
        raise not_writable(path, error) from error


def _tag(path: UPath) -> str | None:
    """Returns the entity tag of a file; None without one."""
    try:
        info = path.fs.info(path.path, refresh=True) if path.protocol in _CONDITIONAL else path.fs.info(path.path)
    except FileNotFoundError:
        return None
    tag = info.get("ETag")
    return None if tag is None else str(tag)


def _refused(error: BaseException) -> bool:
    """True where the server has refused the condition of a put."""
    cause: BaseException | None = error
    while cause is not None:
        response = getattr(cause, "response", None)
        if isinstance(response, dict) and str(response.get("Error", {}).get("Code")) in _REFUSED:
            return True
        cause = cause.__cause__
    return False


def _conflict(path: UPath) -> ConflictError:
    return ConflictError(
        f"{str(path)!r} was changed by another process since it was read; its change is kept and this one is not "
        "written: run this again"
    )
