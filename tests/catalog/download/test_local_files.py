"""Files of this machine are read below the roots only, whatever links lie there, within limits of size and time."""

import errno
import os
import time
from pathlib import Path
from typing import Any

import pytest

from catalog.download.fetched import UNKNOWN, Fetched, Validators
from catalog.download.image_roots import Roots
from catalog.download.local_files import ReadLimits, read_local
from catalog.images.statuses import Status

CONTENT = b"an image"


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    (folder / "shirts").mkdir(parents=True)
    (folder / "shirts" / "1.jpg").write_bytes(CONTENT)
    (tmp_path / "secret.jpg").write_bytes(b"secret")
    return folder


def read(photos: Path, path: str, known: Validators = UNKNOWN, max_bytes: int = 100, seconds: float = 60) -> Fetched:
    roots = Roots({"photos": str(photos)})
    limits = ReadLimits(max_bytes=max_bytes, deadline_s=time.monotonic() + seconds)
    return read_local(roots.find(f"photos:{path}"), [root.place for root in roots.roots], limits, known)


def test_file_is_read_with_its_size_and_time_as_version(photos: Path) -> None:
    fetched = read(photos, "shirts/1.jpg")
    assert (fetched.status, fetched.data) == (Status.OK, CONTENT)
    again = read(photos, "shirts/1.jpg", fetched.validators)
    assert (again.status, again.data, again.validators) == (Status.OK, None, fetched.validators)
    (photos / "shirts" / "1.jpg").write_bytes(b"another")
    assert read(photos, "shirts/1.jpg", fetched.validators).data == b"another"


def test_range_of_a_tar_is_read_and_one_beyond_its_end_is_corrupt(photos: Path) -> None:
    (photos / "0.tar").write_bytes(b"0123456789")
    assert read(photos, "0.tar#3+4").data == b"3456"
    assert read(photos, "0.tar#8+4").status is Status.CORRUPT
    assert read(photos, "0.tar#0+200").status is Status.TOO_LARGE


@pytest.mark.parametrize("target", ["secret.jpg", "."])
def test_link_that_leads_out_of_the_root_is_blocked(photos: Path, target: str) -> None:
    (photos / "link").symlink_to(photos.parent / target)
    path = "link/secret.jpg" if target == "." else "link"
    assert read(photos, path).status is Status.BLOCKED_ADDRESS


def test_link_that_stays_in_the_root_is_read(photos: Path) -> None:
    (photos / "link").symlink_to("shirts")
    assert read(photos, "link/1.jpg").data == CONTENT


def test_root_may_be_a_link_itself(photos: Path) -> None:
    root = photos.with_name("root")
    root.symlink_to(photos)
    assert read(root, "shirts/1.jpg").data == CONTENT


def test_missing_file_is_gone_but_not_with_its_whole_root(photos: Path) -> None:
    assert read(photos, "shirts/2.jpg").status is Status.GONE
    assert read(photos, "shirts/1.jpg/2.jpg").status is Status.GONE
    photos.rename(photos.with_name("unmounted"))
    assert read(photos, "shirts/1.jpg").status is Status.CONNECT_ERROR


def test_folders_pipes_and_devices_are_no_images(photos: Path) -> None:
    os.mkfifo(photos / "pipe.jpg")
    assert read(photos, "pipe.jpg").status is Status.NOT_AN_IMAGE
    assert read(photos, "shirts").status is Status.NOT_AN_IMAGE


def test_loop_of_links_and_a_name_that_is_too_long_are_final(photos: Path) -> None:
    (photos / "loop").symlink_to("loop")
    assert not read(photos, "loop").status.retryable
    assert read(photos, "a" * 300).status is Status.INVALID_URL


def test_unreadable_file_is_retried(photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    really = os.open

    def refuse(name: str, *arguments: Any, **options: Any) -> int:
        if name == "1.jpg":
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), name)
        return really(name, *arguments, **options)

    monkeypatch.setattr(os, "open", refuse)  # root may read every file
    assert read(photos, "shirts/1.jpg").status is Status.HOST_REFUSED


def test_limits_of_size_and_time_apply(photos: Path) -> None:
    assert read(photos, "shirts/1.jpg", max_bytes=len(CONTENT)).status is Status.OK
    assert read(photos, "shirts/1.jpg", max_bytes=len(CONTENT) - 1).status is Status.TOO_LARGE
    assert read(photos, "shirts/1.jpg", seconds=-1).status is Status.TIMEOUT
