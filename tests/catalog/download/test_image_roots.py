"""A link reaches files below the image roots of a project, in any of its forms, and nothing else."""

import os
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.download.hosts import host_of
from catalog.download.image_roots import ImageRootError, Roots
from catalog.download.system_folders import system_folder_of
from catalog.network.guards import BlockedAddressError, InvalidUrlError

PHOTOS = Roots({"photos": "/data/photos"})
SEVERAL = Roots({"photos": "/data/photos", "bucket": "s3://shop/images", "inner": "/data/photos/inner"}, "/store/parts")
OUTSIDE = ["/etc/passwd", "/data/photos2/1.jpg", "photos:/etc/passwd", "../1.jpg", "photos:a/../1.jpg"]
BAD = ["other:1.jpg", "photos:", "photos:a/", "photos:a\0.jpg", "a\\b.jpg", "s3://shop/1.jpg", "ftp://shop/1.jpg", "."]
OF_PARTS = ["/store/parts/a/b/1.images#0+1", "part:a/b/00001.images", "part:../../secret.tar#0+1"]


@pytest.mark.parametrize(
    ("link", "root", "place"),
    [
        ("photos:a/1.jpg", "photos", "/data/photos/a/1.jpg"),
        (" photos:./a/1.jpg ", "photos", "/data/photos/a/1.jpg"),
        ("/data/photos/a/1.jpg", "photos", "/data/photos/a/1.jpg"),
        ("file:///data/photos/a%20b.jpg", "photos", "/data/photos/a b.jpg"),
        ("file://localhost/data/photos/1.jpg", "photos", "/data/photos/1.jpg"),
        ("photos:100%25.jpg", "photos", "/data/photos/100%25.jpg"),
        ("/data/photos/inner/1.jpg", "inner", "/data/photos/inner/1.jpg"),
        ("bucket:1.jpg", "bucket", "s3://shop/images/1.jpg"),
        ("s3://shop/images/a//1.jpg", "bucket", "s3://shop/images/a//1.jpg"),
        ("s3a://shop/images/1.jpg", "bucket", "s3://shop/images/1.jpg"),
    ],
)
def test_link_of_each_form_finds_its_root_and_place(link: str, root: str, place: str) -> None:
    found = SEVERAL.find(link)
    assert (found.root.name, found.place, found.offset) == (root, place, None)


def test_range_of_bytes_is_read_from_tar_files_and_parts_only() -> None:
    found = SEVERAL.find("photos:shards/0.tar#512+2048")
    assert (found.place, found.offset, found.length) == ("/data/photos/shards/0.tar", 512, 2048)
    assert SEVERAL.find("part:hansen.spring/ab12-9/00001.images#0+7").length == 7
    assert SEVERAL.find("photos:a.jpg#512+2048").place == "/data/photos/a.jpg#512+2048"


def test_relative_path_is_below_the_only_root_or_the_default_one() -> None:
    assert PHOTOS.find("a/1.jpg").place == "/data/photos/a/1.jpg"
    default = Roots({"default": "/data/default", "photos": "/data/photos"})
    assert default.find("photos/1.jpg").place == "/data/default/photos/1.jpg"
    with pytest.raises(InvalidUrlError, match="several image roots"):
        SEVERAL.find("a/1.jpg")


@pytest.mark.parametrize("link", OUTSIDE)
def test_link_out_of_the_roots_is_blocked(link: str) -> None:
    with pytest.raises(BlockedAddressError):
        PHOTOS.find(link)


@pytest.mark.parametrize("link", BAD)
def test_link_of_no_root_is_invalid(link: str) -> None:
    with pytest.raises(InvalidUrlError):
        PHOTOS.find(link)


@pytest.mark.parametrize("link", OF_PARTS)
def test_parts_are_reached_by_their_own_links_alone(link: str) -> None:
    with pytest.raises((InvalidUrlError, BlockedAddressError)):
        Roots({"photos": "/data/photos"}, "/store/parts").find(link)


SIGNS = ["..", ".", "/", "//", "%2e%2e", "%2F", "%00", "\0", "~", "::", "#0+9", "\\", " "]
PIECES = st.sampled_from([*SIGNS, "a", "etc", ".tar"])
STARTS = st.sampled_from(["photos:", "file://", "/data/photos/", "/", "", "local://", "s3://", "bucket:", "part:"])


@given(STARTS, st.one_of(st.lists(PIECES, max_size=10).map("".join), st.text(max_size=20)))
def test_no_text_of_a_link_leads_out_of_the_roots(start: str, rest: str) -> None:
    try:
        found = SEVERAL.find(start + rest)
    except (InvalidUrlError, BlockedAddressError):
        return
    place = found.place if "://" in found.place else os.path.normpath(found.place)
    assert place.startswith(f"{found.root.place}/")
    assert ".." not in place.split("/")
    assert "\0" not in place


@given(STARTS, st.one_of(st.lists(PIECES, max_size=10).map("".join), st.text(max_size=20)))
def test_every_link_that_is_found_counts_as_its_roots_host(start: str, rest: str) -> None:
    link = start + rest
    try:
        found = SEVERAL.find(link)
    except (InvalidUrlError, BlockedAddressError):
        return
    host = pl.DataFrame({"url": [link]}).select(host_of("url", SEVERAL.roots)).item()
    if "%" not in link and not link.startswith("file://localhost"):
        assert host == found.root.host


@pytest.mark.parametrize(
    ("name", "place", "reason"),
    [
        ("Photos", "/data", "the name is not possible"),
        ("part", "/data", "the name is not possible"),
        ("file", "/data", "the name is not possible"),
        ("photos", "data", "not absolute"),
        ("photos", "", "not absolute"),
        ("photos", "https://shop.example/images", "need no root"),
        ("photos", "simplecache::s3://shop", "write the absolute path"),
        ("photos", "/data/../etc", "write the absolute path"),
        ("photos", "/etc", "a folder of the operating system"),
        ("photos", "/proc/self", "a folder of the operating system"),
        ("photos", "file:///etc/ssl", "a folder of the operating system"),
        ("photos", "/", "a folder of the operating system"),
        ("photos", str(Path.home()), "a folder of the operating system"),
    ],
)
def test_bad_root_is_refused_with_its_name_and_value(name: str, place: str, reason: str) -> None:
    with pytest.raises(ImageRootError, match=reason) as refused:
        Roots({name: place})
    assert f"{name} = {place!r}" in str(refused.value)


def test_root_that_is_a_link_to_a_system_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "photos").symlink_to("/etc")
    with pytest.raises(ImageRootError, match="leads to '/etc'"):
        Roots({"photos": str(tmp_path / "photos")})
    assert system_folder_of(tmp_path) is None
