"""Images come from the shards as they are, by names that lead nowhere else; thumbnails are small and few are kept."""

import hashlib
import io
import os
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from PIL import Image
from starlette.testclient import TestClient

from catalog.images.shard_files import images_table
from catalog.images.stored_image import StoredImage
from resources.store import Store
from shelfsight.explorer.errors import NotFoundError
from shelfsight.explorer.shard_images import THUMBNAIL_PX, ImageName, ShardImages, _Recent
from tests.tiny_catalog import TinyCatalog

SHARD = "shard-00000-0123456789abcdef"


def jpeg(side: int, color: int) -> bytes:
    made = io.BytesIO()
    Image.new("RGB", (side, side // 2), (color, 10, 10)).save(made, "JPEG")
    return made.getvalue()


def write_shard(root: Path, images: list[bytes], *, compression: str = "none") -> list[ImageName]:
    folder = root / "images" / "delivery=a.b"
    folder.mkdir(parents=True, exist_ok=True)
    hashes = [hashlib.sha256(each).hexdigest() for each in images]
    stored = {
        f"a:{at}": StoredImage(data=data, width=1, height=1, sha256=sha256, dhash=0)
        for at, (data, sha256) in enumerate(zip(images, hashes, strict=True))
    }
    pq.write_table(images_table(stored), folder / f"{SHARD}.parquet", compression=compression, use_dictionary=False)
    return [ImageName("a.b", SHARD, sha256) for sha256 in hashes]


@pytest.mark.parametrize("compression", ["none", "zstd"])
def test_images_are_the_bytes_of_the_shard(compression: str, tmp_path: Path) -> None:
    images = [jpeg(300, color) for color in range(8)]
    names = write_shard(tmp_path, images, compression=compression)
    reader = ShardImages(Store(root=str(tmp_path)))
    assert [reader.image(name) for name in reversed(names)] == list(reversed(images))


def test_a_thumbnail_is_small_and_a_small_image_stays_as_it_is(tmp_path: Path) -> None:
    large, small = write_shard(tmp_path, [jpeg(800, 1), jpeg(100, 2)])
    reader = ShardImages(Store(root=str(tmp_path)))
    with Image.open(io.BytesIO(reader.thumbnail(large))) as image:
        assert image.size == (THUMBNAIL_PX, THUMBNAIL_PX // 2)
    assert reader.thumbnail(small) == jpeg(100, 2)


def test_a_shard_that_was_written_again_is_read_again(tmp_path: Path) -> None:
    reader = ShardImages(Store(root=str(tmp_path)))
    [former] = write_shard(tmp_path, [jpeg(64, 1)])
    reader.image(former)
    [latter] = write_shard(tmp_path, [jpeg(64, 200)])
    os.utime(tmp_path / "images" / "delivery=a.b" / f"{SHARD}.parquet", (1, 1))
    assert reader.image(latter) == jpeg(64, 200)
    with pytest.raises(NotFoundError):
        reader.image(former)


@pytest.mark.parametrize(
    ("delivery", "shard", "sha256"),
    [
        ("../../etc", SHARD, "0" * 64),
        ("a/b", SHARD, "0" * 64),
        ("a\0b", SHARD, "0" * 64),
        ("", SHARD, "0" * 64),
        ("a" * 256, SHARD, "0" * 64),
        ("a.b", "../../../etc/passwd", "0" * 64),
        ("a.b", "shard-*", "0" * 64),
        ("a.b", SHARD, "0" * 63),
        ("a.b", SHARD, "g" * 64),
    ],
)
def test_a_name_that_is_a_path_is_no_image(delivery: str, shard: str, sha256: str) -> None:
    with pytest.raises(NotFoundError):
        ImageName(delivery, shard, sha256)


def test_a_link_out_of_the_store_is_not_followed(tmp_path: Path) -> None:
    [name] = write_shard(tmp_path / "elsewhere", [jpeg(64, 1)])
    folder = tmp_path / "store" / "images" / "delivery=a.b"
    folder.mkdir(parents=True)
    (folder / f"{SHARD}.parquet").symlink_to(tmp_path / "elsewhere/images/delivery=a.b" / f"{SHARD}.parquet")
    with pytest.raises(NotFoundError):
        ShardImages(Store(root=str(tmp_path / "store"))).image(name)
    (tmp_path / "linked").symlink_to(tmp_path / "elsewhere")  # the store itself may be one
    assert ShardImages(Store(root=str(tmp_path / "linked"))).image(name) == jpeg(64, 1)


def test_recent_values_are_kept_up_to_a_size() -> None:
    recent: _Recent[int, bytes] = _Recent(10, len)
    for key in range(4):
        recent.put(key, b"1234")
    assert [key for key in range(4) if recent.get(key)] == [2, 3]
    recent.put(2, b"12")
    recent.put(4, b"1234")
    assert [key for key in range(5) if recent.get(key)] == [2, 3, 4]


def test_the_address_of_an_image_has_its_hash_and_is_kept(explorer: TestClient, tiny_catalog: TinyCatalog) -> None:
    outcomes = Store(root=str(tiny_catalog.root)).scan("outcomes").filter(status="ok").head(1).collect()
    [row] = outcomes.to_dicts()
    address = f"{row['delivery']}/{row['shard']}/{row['sha256']}.jpg"
    for kind in ("images", "thumbnails"):
        response = explorer.get(f"/{kind}/{address}")
        assert response.headers["etag"] == f'"{row["sha256"]}"'
        assert "immutable" in response.headers["cache-control"]
        again = explorer.get(f"/{kind}/{address}", headers={"if-none-match": response.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")
    assert hashlib.sha256(explorer.get(f"/images/{address}").content).hexdigest() == row["sha256"]
    assert explorer.get(f"/images/{row['delivery']}/{row['shard']}/{'0' * 64}.jpg").status_code == 404
    for path in ("/images/..%2F..%2Fetc/passwd/x.jpg", "/images/%00/shard-00000/x.jpg", "/static/../server.py"):
        assert explorer.get(path).status_code == 404
