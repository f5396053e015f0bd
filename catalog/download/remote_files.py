"""Remote files: reads images of object stores and other file systems of fsspec."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from catalog.download.fetched import Fetched, Validators
from catalog.download.image_roots import FileLink, ImageRootError, Root
from catalog.images.statuses import Status

_TAGS = ("ETag", "etag", "md5Hash", "content_md5")
_TIMES = ("LastModified", "Last-Modified", "last_modified", "mtime", "updated", "created")


class RemoteFiles:
    """The file system of one remote root."""

    def __init__(self, root: Root) -> None:
        """Opens the file system.

        Raises:
            ImageRootError: no installed package reads such URLs.
        """
        self._filesystem, self._path = filesystem_of(root)
        self._was_seen = False

    def read(self, link: FileLink, max_bytes: int, known: Validators) -> Fetched:
        """Reads the file of a link, or the range of its bytes; never raises for a file.

        The version is the store's entity tag or, where it has none, size and time. A missing file is GONE, unless
        its whole root is missing.
        """
        path = self._filesystem._strip_protocol(link.place)
        try:
            info = self._filesystem.info(path)
            self._was_seen = True
            return self._read(path, info, link, max_bytes, known)
        except FileNotFoundError:
            return Fetched(status=Status.GONE if self._is_there() else Status.CONNECT_ERROR, attempts=1)
        except (PermissionError, IsADirectoryError) as error:
            is_folder = isinstance(error, IsADirectoryError)
            return Fetched(status=Status.NOT_AN_IMAGE if is_folder else Status.HOST_REFUSED, attempts=1)
        except TimeoutError:
            return Fetched(status=Status.TIMEOUT, attempts=1)
        except (TypeError, AttributeError, NameError, AssertionError):  # faults of a program, not of a file system
            raise
        except Exception:  # clients raise their own types: botocore's are not OSErrors
            return Fetched(status=Status.CONNECT_ERROR, attempts=1)

    def _read(self, path: str, info: Mapping[str, Any], link: FileLink, max_bytes: int, known: Validators) -> Fetched:
        if info.get("type") == "directory":
            return Fetched(status=Status.NOT_AN_IMAGE, attempts=1)
        version = Validators(etag=version_of(info))
        if known.etag is not None and known.etag == version.etag:
            return Fetched(status=Status.OK, validators=known, attempts=1)
        size = info.get("size")
        num_bytes = size if link.length is None else link.length
        if (num_bytes or 0) > max_bytes:
            return Fetched(status=Status.TOO_LARGE, attempts=1)
        start = link.offset or 0
        if num_bytes == 0 or (size is not None and start >= size):
            data = b""
        else:  # one byte more than allowed, of a file that has grown since
            data = self._filesystem.cat_file(path, start=start, end=start + (link.length or max_bytes + 1))
        if len(data) > max_bytes:
            return Fetched(status=Status.TOO_LARGE, attempts=1)
        if link.length is not None and len(data) < link.length:
            return Fetched(status=Status.CORRUPT, attempts=1)
        return Fetched(status=Status.OK, data=data, validators=version, attempts=1)

    def _is_there(self) -> bool:
        self._was_seen = self._was_seen or bool(self._filesystem.exists(self._path))
        return self._was_seen


def version_of(info: Mapping[str, Any]) -> str | None:
    """Returns the version of a file by a file system's information about it; None where it has only a size."""
    tag = next((str(info[name]) for name in _TAGS if info.get(name)), None)
    time = next((str(info[name]) for name in _TIMES if info.get(name)), None)
    return tag or (f"{info.get('size')}-{time}" if time else None)


@cache
def filesystem_of(root: Root) -> tuple[Any, str]:
    """Returns the file system of a root and the root's path in it.

    Raises:
        ImageRootError: no installed package reads such URLs, or the URL is not complete.
    """
    from catalog.network.http_files import open_filesystem

    try:
        return open_filesystem(root.place, use_listings_cache=False)
    except (ImportError, ValueError) as error:
        raise ImageRootError(
            f"image_roots has {root.name} = {root.place!r}: {error}; install the package that reads it, such as s3fs"
        ) from error
