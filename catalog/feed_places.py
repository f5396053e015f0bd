"""Feed places: where a partner's feed file lies, in the inbox or behind a URL that the partner's settings name."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, cast
from urllib.parse import urlsplit, urlunsplit

from upath import UPath

from catalog.files import LOCAL_PROTOCOLS

PLAIN_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,79}")

# What file systems call the things that change whenever a file does, beside its size.
_VERSIONS = ("ETag", "etag", "mtime", "LastModified", "Last-Modified", "last_modified", "updated", "created", "md5Hash")


class InboxError(ValueError):
    """A feed file that cannot become a delivery: the message names the file and the way out."""


class UnsettledFeedError(InboxError):
    """A feed that is being written: it can be registered once it rests."""


@dataclass(frozen=True)
class FeedPlace:
    """A feed file of a partner. `name` is what records and messages call it: a URL's holds no password and no query."""

    partner_id: str
    name: str
    filesystem: Any = field(repr=False, compare=False)  # fsspec's
    path: str = field(repr=False, compare=False)

    @classmethod
    def in_inbox(cls, file: UPath) -> FeedPlace:
        """The place of a file in a partner's folder of the inbox."""
        partner_id = file.parent.name
        return cls(partner_id, f"{partner_id}/{file.name}", file.fs, file.path)

    @classmethod
    def behind(cls, partner_id: str, url: str) -> FeedPlace:
        """The place that any fsspec URL means. Raises `InboxError` for one that no installed file system reads."""
        from fsspec.core import url_to_fs

        name = public_url(url)
        with reached(name):
            return cls(partner_id, name, *url_to_fs(url))

    @property
    def is_url(self) -> bool:
        """Whether it lies outside the inbox."""
        return "://" in self.name

    @property
    def file_name(self) -> str:
        """The last part of the name, which tells the format."""
        return PurePosixPath(self.name).name

    @property
    def key(self) -> str:
        """``PARTNER.NAME``, a delivery's key; raises InboxError for a name that could not be a folder of its own."""
        stem = self.file_name.partition(".")[0]
        for part in (self.partner_id, stem):
            if not PLAIN_NAME.fullmatch(part):
                raise InboxError(
                    f"feed {self.name} is not taken: {part!r} is not a plain name; use letters, digits, '-' and '_'"
                )
        return f"{self.partner_id}.{stem}"

    def stamp(self) -> str:
        """Changes whenever the file does, at the price of a look; empty where its place tells nothing but a size.

        Raises `InboxError` where it cannot be looked at.
        """
        with reached(self.name):
            if _is_local(self.filesystem):
                stat = Path(self.path).stat()
                # The time of the inode's change tells even a file that was given its predecessor's size and times.
                return f"{stat.st_size}:{stat.st_mtime_ns}:{stat.st_ctime_ns}"
            self.filesystem.invalidate_cache()
            told = self.filesystem.info(self.path)
            versions = [f"{name}={told[name]}" for name in _VERSIONS if told.get(name)]
            return ":".join([str(told.get("size")), *versions]) if versions else ""

    @contextmanager
    def open(self) -> Iterator[BinaryIO]:
        """The file's bytes as they lie there. Raises `InboxError` where it cannot be opened."""
        with reached(self.name):
            file = cast(BinaryIO, self.filesystem.open(self.path, "rb"))
        with file:
            yield file


def public_url(url: str) -> str:
    """The URL without what may be secret in it: user, password, query and fragment."""
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


@contextmanager
def reached(name: str, *passing: type[Exception]) -> Iterator[None]:
    """Whatever a file system meets, told as `InboxError`, a problem of this feed: each kind has its own exceptions."""
    try:
        yield
    except passing:
        raise
    except (TypeError, AttributeError, NameError, AssertionError):  # faults of a program, not of a file system
        raise
    except Exception as error:
        told = f"{type(error).__name__} {' '.join(str(error).split())[:300]}".rstrip()
        # A password or a query may be secret, so neither this message nor the error behind it shows one.
        reason = re.sub(r"//[^/\s'\"]*@", "//", re.sub(r"\?[^\s'\"]*", "?...", told))
        raise InboxError(f"feed {name} cannot be reached: {reason}; correct its address, or bring it back") from None


def _is_local(filesystem: Any) -> bool:
    protocols = filesystem.protocol
    return any(each in LOCAL_PROTOCOLS for each in ([protocols] if isinstance(protocols, str) else protocols))
