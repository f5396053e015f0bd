"""Image roots: the named folders and object stores from which images may be read besides http and https.

A link of a feed reaches an image below a root in one of these forms::

    photos:shirts/1.jpg             the root `photos` and the path below it
    shirts/1.jpg                    below the only root or, where there are several, the root `default`
    /data/photos/shirts/1.jpg       an absolute path, as file:///data/photos/shirts/1.jpg
    s3://bucket/photos/1.jpg        any URL of fsspec below a root that is one

`#OFFSET+LENGTH` after the name of a tar file or of a delivery's part selects these bytes of it. `Roots.find` decides by
the text of the link alone; folders of this machine are checked once more by real path where a file is opened
(`catalog.download.local_files`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

from catalog.download.system_folders import system_folder_of
from catalog.feeds.deliveries import IMAGE_SCHEME
from catalog.network.guards import MAX_URL_LENGTH, BlockedAddressError, InvalidUrlError

DEFAULT_ROOT = "default"
PARTS_ROOT = IMAGE_SCHEME  # the images of feeds that bring them, which lie in the parts of deliveries
HOST_PREFIX = "image_roots/"  # of a root's name in limits of hosts; no host has a slash

_NAME = re.compile(r"[a-z][a-z0-9_-]{1,39}")
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
_NAMED = re.compile(r"([A-Za-z][A-Za-z0-9_-]*):")
_WEB = re.compile(r" *https?:", re.IGNORECASE)
_LOCAL_SCHEMES = frozenset({"file", "local"})
_RESERVED = frozenset({"http", "https", *_LOCAL_SCHEMES, PARTS_ROOT})
_SAME_SCHEME = {"s3a": "s3", "gcs": "gs"}
_FORBIDDEN = re.compile(r"[\x00-\x1f\x7f\\]")
_RANGE = re.compile(r"(.+\.(?:tar|images))#([0-9]{1,15})\+([0-9]{1,12})")


class ImageRootError(ValueError):
    """An image root that cannot be used; the message names it, its value and the way out."""


@dataclass(frozen=True, slots=True)
class Root:
    """A root: `place` is an absolute path of this machine, or a URL of fsspec without a slash at its end."""

    name: str
    place: str

    @property
    def is_local(self) -> bool:
        return not self.scheme

    @property
    def scheme(self) -> str:
        """The scheme of a URL; empty for a folder of this machine."""
        return self.place.partition("://")[0] if "://" in self.place else ""

    @property
    def host(self) -> str:
        """The name of the root among hosts: all of its links count as one host."""
        return f"{HOST_PREFIX}{self.name}"


@dataclass(frozen=True, slots=True)
class FileLink:
    """A link below a root: `place` is the absolute path or URL, `offset` and `length` a range of its bytes."""

    root: Root
    place: str
    offset: int | None = None
    length: int | None = None


class Roots:
    """The roots of a project, checked, and the search for the root of a link."""

    def __init__(self, places: Mapping[str, str], parts: str = "") -> None:
        """Checks the roots.

        Args:
            places: a folder or URL by name, as `FetchSettings.image_roots`.
            parts: the folder or URL of the deliveries' parts; none where it is empty.

        Raises:
            ImageRootError: a root has a bad name or place.
        """
        named = [Root(name, checked_place(name, place)) for name, place in places.items()]
        self._default = named[0] if len(named) == 1 else next((r for r in named if r.name == DEFAULT_ROOT), None)
        if parts:
            named.append(Root(PARTS_ROOT, _plain(parts)))
        self.roots = tuple(named)
        self._by_name = {root.name: root for root in named}

    def find(self, link: str) -> FileLink:
        """Returns the place of a link that is not http or https.

        Raises:
            InvalidUrlError: the link has none of the forms, or names a root that there is not.
            BlockedAddressError: it leads out of every root.
        """
        if len(link) > MAX_URL_LENGTH or _FORBIDDEN.search(link):
            raise InvalidUrlError("link is too long, or has a control character or a backslash")
        text = link.strip(" ")
        ranged = _RANGE.fullmatch(text)
        root, place = self._located(ranged[1] if ranged else text)
        if root.name == PARTS_ROOT and not ranged:
            raise InvalidUrlError(f"link {link!r} names no bytes of a part; write #OFFSET+LENGTH")
        return FileLink(root, place, int(ranged[2]), int(ranged[3])) if ranged else FileLink(root, place)

    def _located(self, text: str) -> tuple[Root, str]:
        if scheme := _SCHEME.match(text):
            return self._at_url(scheme[1].lower(), text[scheme.end() :])
        if text.startswith("/"):
            return self._containing(text)
        if named := _NAMED.match(text):
            root = self._by_name.get(named[1])
            if root is None:
                raise InvalidUrlError(f"there is no image root {named[1]!r}")
            return root, _below(root, text[named.end() :])
        if self._default is None:
            raise InvalidUrlError(f"{text!r} is relative, and there are several image roots; write NAME:PATH")
        return self._default, _below(self._default, text)

    def _at_url(self, scheme: str, rest: str) -> tuple[Root, str]:
        if scheme not in _LOCAL_SCHEMES:
            return self._containing(f"{_SAME_SCHEME.get(scheme, scheme)}://{rest}")
        try:
            path = unquote(rest.removeprefix("localhost"), errors="strict")
        except UnicodeDecodeError as error:
            raise InvalidUrlError(f"{scheme}://{rest} is not UTF-8") from error
        if not path.startswith("/") or _FORBIDDEN.search(path):
            raise InvalidUrlError(f"{scheme}://{rest} names no file of this machine")
        return self._containing(path)

    def _containing(self, place: str) -> tuple[Root, str]:
        """Returns the innermost root that contains an absolute place."""
        scheme = Root("", place).scheme
        alike = [root for root in self._by_name.values() if root.scheme == scheme and root.name != PARTS_ROOT]
        if not alike:
            raise InvalidUrlError(f"{place!r} is no link of http or https, and no image root is of its kind")
        inside = [root for root in alike if place.startswith(f"{root.place}/")]
        if not inside:
            raise BlockedAddressError(f"{place!r} is below no image root")
        root = max(inside, key=lambda each: len(each.place))
        return root, _below(root, place[len(root.place) + 1 :])


def is_web_link(link: str) -> bool:
    """Returns True for a link of http or https, valid or not."""
    return _WEB.match(link) is not None


def checked_place(name: str, place: str) -> str:
    """Returns the place of a root as an absolute path or URL without a slash at its end.

    Raises:
        ImageRootError: the name is not plain, or the place is empty, relative, a link of http or https, a chain of file
            systems, or a folder of the operating system, be it by a link.
    """
    where = f"image_roots has {name} = {place!r}"
    if not _NAME.fullmatch(name) or name in _RESERVED:
        raise ImageRootError(
            f"{where}: the name is not possible; use 2 to 40 of a-z, 0-9, '_' and '-', and none of "
            f"{', '.join(sorted(_RESERVED))}"
        )
    scheme = _SCHEME.match(place)
    if scheme and scheme[1].lower() in {"http", "https"}:
        raise ImageRootError(f"{where}: links of http and https need no root; remove it")
    if "::" in place or _FORBIDDEN.search(place) or ".." in place.split("/"):
        raise ImageRootError(f"{where}: write the absolute path of a folder, or a URL such as s3://bucket/folder")
    if scheme and scheme[1].lower() not in _LOCAL_SCHEMES:
        return f"{_SAME_SCHEME.get(scheme[1].lower(), scheme[1].lower())}://{place[scheme.end() :].rstrip('/')}"
    path = unquote(place[scheme.end() :]) if scheme else place
    if not path.startswith("/"):
        raise ImageRootError(f"{where}: the folder is not absolute; write its whole path")
    if folder := system_folder_of(Path(path)):
        raise ImageRootError(
            f"{where}: it leads to {folder!r}, a folder of the operating system; move the images to their own folder"
        )
    return path.rstrip("/")


def _plain(place: str) -> str:
    return place.removeprefix("file://").rstrip("/")


def _below(root: Root, path: str) -> str:
    """Joins a relative path to its root; refuses one that could lead out of it."""
    if path.startswith("/") or ".." in path.split("/") or ("::" in path and not root.is_local):
        raise BlockedAddressError(f"{path!r} leads out of the image root {root.name!r}")
    parts = [part for part in path.split("/") if part != "."]
    if not parts or not parts[-1]:
        raise InvalidUrlError(f"{path!r} names no file of the image root {root.name!r}")
    return f"{root.place}/{'/'.join(parts)}"
