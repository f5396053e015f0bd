"""Feed files of partners: in the inbox, or at a URL that the partner's settings name."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, cast
from urllib.parse import urlsplit, urlunsplit

from upath import UPath

from catalog.escaping.secrets import redact
from catalog.storage.files import LOCAL_PROTOCOLS

PLAIN_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,79}")

# Metadata of file systems that change whenever a file does, beside its size.
_VERSIONS = ("ETag", "etag", "mtime", "LastModified", "Last-Modified", "last_modified", "updated", "created", "md5Hash")


class InboxError(ValueError):
    """A feed file that cannot become a delivery; the message names the file and the way out."""


class UnsettledFeedError(InboxError):
    """A feed that is still changing; it is registered when it no longer does."""


@dataclass(frozen=True)
class FeedFile:
    """A feed file of a partner. `name` is its path below the inbox, or its URL without password and query."""

    partner_id: str
    name: str
    filesystem: Any = field(repr=False, compare=False)  # fsspec's
    path: str = field(repr=False, compare=False)

    @classmethod
    def in_inbox(cls, file: UPath) -> FeedFile:
        """Return the feed of a file in a partner's folder of the inbox."""
        partner_id = file.parent.name
        return cls(partner_id, f"{partner_id}/{file.name}", file.fs, file.path)

    @classmethod
    def at_url(cls, partner_id: str, url: str) -> FeedFile:
        """Return the feed at an fsspec URL.

        Raises:
            InboxError: No installed file system reads such URLs.
        """
        from fsspec.core import url_to_fs

        name = public_url(url)
        with wrap_source_errors(name):
            return cls(partner_id, name, *url_to_fs(url))

    @property
    def is_url(self) -> bool:
        """True if the file is outside the inbox."""
        return "://" in self.name

    @property
    def file_name(self) -> str:
        """The last part of the name, whose suffix is the format's."""
        return PurePosixPath(self.name).name

    @property
    def key(self) -> str:
        """``PARTNER.NAME``, a delivery's key.

        Raises:
            InboxError: The name is not plain, so it could not be the name of a folder.
        """
        stem = self.file_name.partition(".")[0]
        for part in (self.partner_id, stem):
            if not PLAIN_NAME.fullmatch(part):
                raise InboxError(
                    f"feed {self.name} is refused: {part!r} is not a plain name; use letters, digits, '-' and '_'"
                )
        return f"{self.partner_id}.{stem}"

    def stamp(self) -> str:
        """Return a text that changes whenever the file does; empty where its file system reports only a size.

        Raises:
            InboxError: The file cannot be reached.
        """
        with wrap_source_errors(self.name):
            if _is_local(self.filesystem):
                stat = Path(self.path).stat()
                # The inode's time of change differs even for a file that was given its predecessor's size and times.
                return f"{stat.st_size}:{stat.st_mtime_ns}:{stat.st_ctime_ns}"
            self.filesystem.invalidate_cache()
            metadata = self.filesystem.info(self.path)
            versions = [f"{name}={metadata[name]}" for name in _VERSIONS if metadata.get(name)]
            return ":".join([str(metadata.get("size")), *versions]) if versions else ""

    @contextmanager
    def open(self) -> Iterator[BinaryIO]:
        """Open the file as it is, compressed or not.

        Raises:
            InboxError: It cannot be opened.
        """
        with wrap_source_errors(self.name):
            file = cast(BinaryIO, self.filesystem.open(self.path, "rb"))
        with file:
            yield file


def public_url(url: str) -> str:
    """Return the URL without its secret parts: user, password, query and fragment."""
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


@contextmanager
def wrap_source_errors(name: str, *passing: type[Exception]) -> Iterator[None]:
    """Raise the errors of any file system, whose classes differ, as `InboxError` of this feed; `passing` ones pass."""
    try:
        yield
    except passing:
        raise
    except (TypeError, AttributeError, NameError, AssertionError):  # faults of a program, not of a file system
        raise
    except Exception as error:
        message = f"{type(error).__name__} {' '.join(str(error).split())[:300]}".rstrip()
        # A password or a query may be secret, so neither this message nor the error behind it shows one.
        reason = re.sub(r"//[^/\s'\"]*@", "//", re.sub(r"\?[^\s'\"]*", "?...", redact(message)))
        raise InboxError(f"feed {name} cannot be reached: {reason}; correct its address, or bring it back") from None


def _is_local(filesystem: Any) -> bool:
    protocols = filesystem.protocol
    return any(each in LOCAL_PROTOCOLS for each in ([protocols] if isinstance(protocols, str) else protocols))
