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
from catalog.feeds.feed_access import DEFAULT_ACCESS, FeedAccess
from catalog.feeds.inbox_entries import EntryRefusedError, open_entry, printable
from catalog.storage.files import LOCAL_PROTOCOLS

MAX_CAUSES = 8  # of an error
PLAIN_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,79}")

# Metadata of file systems that change whenever a file does, beside its size.
_VERSIONS = ("ETag", "etag", "mtime", "LastModified", "Last-Modified", "last_modified", "updated", "created", "md5Hash")


class InboxError(ValueError):
    """A feed file that cannot become a delivery; the message names the file and the way out."""


class UnreachableFeedError(InboxError):
    """A feed at a URL that cannot be reached now, or not within the limits of its fetch; a retry may reach it."""


class UnsettledFeedError(InboxError):
    """A feed that is still changing; it is registered when it no longer does."""


@dataclass(frozen=True)
class FeedFile:
    """A feed file of a partner. `name` is its path below the inbox, or its URL without password and query.

    `is_entry` is True for an entry of the inbox, which counts only if it is a file, not a link to one. Without a file
    system `path` is a URL, whose file system is opened where it is used: some of them connect as they are opened.
    """

    partner_id: str
    name: str
    filesystem: Any = field(repr=False, compare=False)  # fsspec's; None for a URL
    path: str = field(repr=False, compare=False)
    is_entry: bool = field(default=False, repr=False, compare=False)
    access: FeedAccess = field(default=DEFAULT_ACCESS, repr=False, compare=False)  # of a URL
    known_stamp: str | None = field(default=None, repr=False, compare=False)  # of a copy: that of the original

    @classmethod
    def in_inbox(cls, file: UPath) -> FeedFile:
        """Return the feed of a file in a partner's folder of the inbox."""
        partner_id = file.parent.name
        return cls(partner_id, f"{partner_id}/{file.name}", file.fs, file.path, is_entry=True)

    @classmethod
    def at_path(cls, path: Path) -> FeedFile:
        """Return the feed of a file that a person names; it may be a link."""
        file = UPath(path.absolute())
        return cls(file.parent.name, f"{file.parent.name}/{file.name}", file.fs, file.path)

    @classmethod
    def at_url(cls, partner_id: str, url: str, access: FeedAccess = DEFAULT_ACCESS) -> FeedFile:
        """Return the feed at an fsspec URL; nothing is connected to yet.

        Raises:
            InboxError: No installed file system reads such URLs.
        """
        from catalog.network.http_files import check_protocols  # and with it a client, which the inbox does without

        name = public_url(url)
        with wrap_source_errors(name):
            check_protocols(url)
        return cls(partner_id, name, None, url, access=access)

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
                    f"feed {printable(self.name)} is refused: {printable(part)!r} is not a plain name; use letters, "
                    "digits, '-' and '_'"
                )
        if printable(self.name) != self.name:
            raise InboxError(
                f"feed {printable(self.name)} is refused: its name has a character that cannot be printed; rename it"
            )
        return f"{self.partner_id}.{stem}"

    def stamp(self) -> str:
        """Return a text that changes whenever the file does; empty where its file system reports only a size.

        Raises:
            InboxError: The file cannot be reached.
        """
        if self.known_stamp is not None:
            return self.known_stamp
        with wrap_source_errors(self.name):
            filesystem, path = self._opened()
            if _is_local(filesystem):
                stat = Path(path).stat(follow_symlinks=not self.is_entry)
                # The inode's time of change differs even for a file that was given its predecessor's size and times.
                return f"{stat.st_size}:{stat.st_mtime_ns}:{stat.st_ctime_ns}"
            filesystem.invalidate_cache()
            metadata = filesystem.info(path)
            versions = [f"{name}={metadata[name]}" for name in _VERSIONS if metadata.get(name)]
            return ":".join([str(metadata.get("size")), *versions]) if versions else ""

    def _opened(self) -> tuple[Any, str]:
        """Returns the file system and the path in it; fsspec keeps file systems, so they are opened once."""
        if self.filesystem is not None:
            return self.filesystem, self.path
        from catalog.network.http_files import open_filesystem

        limits = {"timeout_s": self.access.timeout_s, "idle_s": self.access.idle_s}
        return open_filesystem(self.path, self.access.allowed_networks, limits)

    @contextmanager
    def open(self) -> Iterator[BinaryIO]:
        """Open the file as it is, compressed or not.

        Raises:
            InboxError: It cannot be opened.
        """
        with wrap_source_errors(self.name):
            filesystem, path = self._opened()
            if self.is_entry and _is_local(filesystem):
                file = open_entry(Path(path))
            elif _is_of(filesystem, ("http", "https")):  # in one request, whose size nobody has to know
                file = cast(BinaryIO, filesystem.open(path, "rb", block_size=0, size=1))
            else:
                file = cast(BinaryIO, filesystem.open(path, "rb"))
        with file:
            yield file


def public_url(url: str) -> str:
    """Return the URL without its secret parts: user, password, query and fragment."""
    try:
        parts = urlsplit(url)
    except ValueError:  # brackets around what is no address; fetching it has the reason
        return re.sub(r"//[^/]*@", "//", re.sub(r"[?#].*", "", url))
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
    except EntryRefusedError as error:
        raise InboxError(f"feed {name} is refused: {error}") from None
    except Exception as error:
        from catalog.network.guards import BlockedAddressError  # only a refusal needs it

        # Of a file in the inbox, or an address that is refused, a retry would say the same.
        is_final = "://" not in name or any(isinstance(each, BlockedAddressError) for each in _causes(error))
        kind = InboxError if is_final else UnreachableFeedError
        raise kind(f"feed {name} cannot be reached: {_reason(error)}; correct its address, or bring it back") from None


def _reason(error: Exception) -> str:
    """Returns why a source cannot be reached: of a response only the status, since its text is the server's."""
    from aiohttp.http_exceptions import HttpProcessingError  # only a refusal needs these

    from catalog.network.guards import BlockedAddressError

    causes = list(_causes(error))
    if blocked := next((each for each in causes if isinstance(each, BlockedAddressError)), None):
        return f"{blocked}, a setting for addresses that are meant"
    if any(isinstance(each, HttpProcessingError) for each in causes):
        return "its server's response is not valid HTTP"
    statuses = (getattr(each, "status", None) for each in causes)
    if (status := next((each for each in statuses if isinstance(each, int)), None)) is not None:
        return f"its server returned HTTP status {status}"
    if isinstance(error, TimeoutError):
        return "its server takes too long to respond"
    message = f"{type(error).__name__} {' '.join(str(error).split())[:300]}".rstrip()
    # A password or a query may be secret, so neither this message nor the error behind it shows one.
    return printable(re.sub(r"//[^/\s'\"]*@", "//", re.sub(r"\?[^\s'\"]*", "?...", redact(message))))


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    for _ in range(MAX_CAUSES):
        if error is None:
            return
        yield error
        error = error.__cause__ or error.__context__


def _is_local(filesystem: Any) -> bool:
    return _is_of(filesystem, LOCAL_PROTOCOLS)


def _is_of(filesystem: Any, protocols: tuple[str, ...]) -> bool:
    own = filesystem.protocol
    return any(each in protocols for each in ([own] if isinstance(own, str) else own))
