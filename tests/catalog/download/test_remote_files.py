"""Images of an object store are read below its roots, with entity tags as versions."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from s3fs import S3FileSystem
from upath import UPath

from catalog.download.fetched import UNKNOWN, Fetched, Validators
from catalog.download.image_roots import ImageRootError, Root, Roots
from catalog.download.remote_files import RemoteFiles, filesystem_of, version_of
from catalog.images.statuses import Status
from tests.catalog.download.download_until_killed import SETTINGS, download
from tests.catalog.download.shop_deliveries import check_complete, image, stored
from tests.catalog.download.test_file_downloads import rows, statuses
from tests.production.s3 import s3_server

# Of the server's client; none is ours.
pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]


@pytest.fixture(scope="module")
def bucket() -> Iterator[str]:
    """A folder of thirty images in a bucket, with a tar file."""
    forget()
    with s3_server():
        root = UPath("s3://catalog/photos", use_listings_cache=False)
        for index in range(30):
            root.joinpath(f"p{index}.jpg").write_bytes(image(f"p{index}"))
        root.joinpath("0.tar").write_bytes(b"head" + image("p40") + b"tail")
        UPath("s3://catalog/secret.jpg").write_bytes(image("p1"))
        yield str(root)
    forget()


def forget() -> None:
    """Forgets file systems of another server."""
    filesystem_of.cache_clear()
    S3FileSystem.clear_instance_cache()


def test_delivery_is_downloaded_from_a_bucket(bucket: str, tmp_path: Path) -> None:
    settings = replace(SETTINGS, image_roots={"photos": bucket})
    folder = UPath(tmp_path / "store")
    wanted = rows(
        {f"p{index}": f"photos:p{index}.jpg" for index in range(30)}
        | {
            "url": "s3://catalog/photos/p3.jpg",
            "tar": f"photos:0.tar#4+{len(image('p40'))}",
            "missing": "photos:none.jpg",
            "outside": "s3://catalog/secret.jpg",
            "other": "s3://elsewhere/photos/p1.jpg",
            "parent": "photos:../secret.jpg",
        }
    )
    outcomes = download(wanted, folder, settings)
    check_complete(wanted, outcomes, folder)
    expected = {f"p{index}": "ok" for index in range(30)} | {"url": "ok", "tar": "ok", "missing": "gone"}
    assert statuses(outcomes) == expected | dict.fromkeys(["outside", "other", "parent"], "blocked_address")
    assert stored(folder)["partner:tar"] == image("p40")
    assert download(wanted, folder, settings).equals(outcomes)


def test_known_version_is_not_read_and_limits_hold(bucket: str) -> None:
    roots = Roots({"photos": bucket})
    files = RemoteFiles(roots.roots[0])

    def read(link: str, max_bytes: int = 10_000, known: Validators = UNKNOWN) -> Fetched:
        return files.read(roots.find(link), max_bytes, known)

    first = read("photos:p1.jpg")
    assert first.data == image("p1")
    assert read("photos:p1.jpg", known=first.validators).data is None
    assert read("photos:p1.jpg", max_bytes=10).status is Status.TOO_LARGE
    assert read("photos:0.tar#9999999+5").status is Status.CORRUPT


def test_missing_bucket_is_retried(bucket: str) -> None:
    roots = Roots({"photos": "s3://no-such-bucket/photos"})
    fetched = RemoteFiles(roots.roots[0]).read(roots.find("photos:p1.jpg"), 100, UNKNOWN)
    assert fetched.status is Status.CONNECT_ERROR


def test_versions_are_tags_or_size_and_time() -> None:
    assert version_of({"ETag": '"ab"', "size": 3}) == '"ab"'
    assert version_of({"size": 3, "mtime": 12.5}) == "3-12.5"
    assert version_of({"size": 3}) is None


def test_url_that_no_package_reads_is_refused_by_name() -> None:
    with pytest.raises(ImageRootError, match="image_roots has photos = 'nosuch://bucket'"):
        filesystem_of(Root("photos", "nosuch://bucket"))
