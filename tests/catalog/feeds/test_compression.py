"""Compressed feeds are streamed; damaged ones and bombs are refused by name."""

import bz2
import gzip
import io
import lzma
import tracemalloc
from collections.abc import Callable

import pyarrow as pa
import pytest

from catalog.feeds import compression
from catalog.feeds.compression import COMPRESSIONS, compression_of, decompressed
from catalog.feeds.feed import FeedError
from tests.catalog.feeds.reading import Trickle

CONTENT = b"".join(b"id%d\tShoe %d\n" % (n, n * 7919 % 100_003) for n in range(20_000))


def zstd(content: bytes) -> bytes:
    packed: bytes = pa.compress(content, "zstd", asbytes=True)
    return packed


PACKERS: dict[str, Callable[[bytes], bytes]] = {
    ".gz": gzip.compress,
    ".zst": zstd,
    ".bz2": bz2.compress,
    ".xz": lzma.compress,
}
BY_SUFFIX = {each.suffix: each for each in COMPRESSIONS}


def unpack(packed: bytes, suffix: str) -> bytes:
    return decompressed(io.BytesIO(packed), BY_SUFFIX[suffix], "acme/feed").read()


@pytest.mark.parametrize("suffix", PACKERS)
def test_packed_content_is_unpacked(suffix: str) -> None:
    packed = PACKERS[suffix](CONTENT)
    assert unpack(packed, suffix) == CONTENT
    slow = decompressed(Trickle(packed, 100), BY_SUFFIX[suffix], "acme/feed")  # type: ignore[arg-type]
    assert slow.read() == CONTENT
    assert not slow.seekable()


def test_several_gzip_members_are_one_content() -> None:
    assert unpack(gzip.compress(b"id\n") + gzip.compress(b"a\n"), ".gz") == b"id\na\n"


@pytest.mark.parametrize("suffix", PACKERS)
def test_a_compression_is_known_by_the_first_bytes(suffix: str) -> None:
    assert compression_of(PACKERS[suffix](CONTENT)) is BY_SUFFIX[suffix]
    assert compression_of(PACKERS[suffix](b"")) is BY_SUFFIX[suffix]
    assert compression_of(CONTENT) is None


def test_every_compression_is_tested_here() -> None:
    assert set(PACKERS) == set(BY_SUFFIX)


@pytest.mark.parametrize("suffix", PACKERS)
@pytest.mark.parametrize("share", [0.25, 0.5, 0.75, 0.999])
def test_a_file_that_is_cut_off_is_refused_by_name(suffix: str, share: float) -> None:
    packed = PACKERS[suffix](CONTENT)
    with pytest.raises(FeedError, match=r"acme/feed: damaged or cut off \(.*\); deliver it again, whole"):
        unpack(packed[: int(share * len(packed))], suffix)


@pytest.mark.parametrize("suffix", PACKERS)
def test_a_file_of_another_kind_or_damaged_is_refused(suffix: str) -> None:
    packed = bytearray(PACKERS[suffix](CONTENT))
    packed[len(packed) // 2] ^= 0xFF
    for broken in (bytes(packed), b"id\ttitle\na\tShoe\n"):
        with pytest.raises(FeedError, match=r"acme/feed: damaged or cut off"):
            unpack(broken, suffix)


@pytest.mark.parametrize("suffix", PACKERS)
def test_a_bomb_is_refused_in_a_few_megabytes_of_memory(suffix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compression, "FREE_BYTES", 1_000_000)
    packed = PACKERS[suffix](bytes(40_000_000))
    tracemalloc.start()
    try:
        content = decompressed(io.BytesIO(packed), BY_SUFFIX[suffix], "acme/feed")
        with pytest.raises(FeedError, match="unpacks to more than 500 times its size"):
            while content.read(1 << 20):
                pass
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak_bytes < 20_000_000
