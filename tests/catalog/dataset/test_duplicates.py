import hashlib
import io
from collections.abc import Callable, Iterable
from itertools import pairwise

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageEnhance

from catalog.dataset import duplicates, hash_pairs
from catalog.dataset import thumbnails as looks
from catalog.dataset.duplicates import equal_images, group_duplicates, image_keys
from catalog.dataset.grouping import joined
from catalog.dataset.hash_pairs import near_hashes
from catalog.dataset.thumbnails import THUMBNAIL_SIDE, thumbnail
from catalog.images.decoding import dhash

SIDE = 112
Indices = NDArray[np.int32]


def sha256_of(names: Iterable[object]) -> pl.Series:
    """The SHA-256 of images whose bytes are these names."""
    return pl.Series([hashlib.sha256(str(name).encode()).hexdigest() for name in names], dtype=pl.String)


def garment(seed: int) -> Image.Image:
    """An image of its own: stripes, patches and a print on a gray body before white."""
    rng = np.random.default_rng(seed)
    image = Image.new("RGB", (SIDE, SIDE), "white")
    draw = ImageDraw.Draw(image)
    corners = [
        (x + rng.integers(-12, 12), y + rng.integers(-12, 12)) for x, y in [(30, 14), (84, 14), (88, 96), (26, 96)]
    ]
    draw.polygon([(int(x), int(y)) for x, y in corners], fill=tuple(int(c) for c in rng.integers(30, 160, 3)))
    for _ in range(8):
        x, y = (int(v) for v in rng.integers(26, 74, 2))
        width, height = (int(v) for v in rng.integers(8, 30, 2))
        draw.rectangle((x, y, x + width, y + height), fill=tuple(int(c) for c in rng.integers(0, 250, 3)))
    return image


def trousers(leg_width: int) -> Image.Image:
    image = Image.new("RGB", (SIDE, SIDE), "white")
    draw = ImageDraw.Draw(image)
    draw.rectangle((41, 8, 71, 30), fill=(25, 25, 30))
    for left in (36, 76 - leg_width):
        draw.rectangle((left, 30, left + leg_width, 104), fill=(25, 25, 30))
    return image


def jpeg(image: Image.Image, quality: int = 90) -> Image.Image:
    data = io.BytesIO()
    image.save(data, "JPEG", quality=quality)
    return Image.open(io.BytesIO(data.getvalue()))


def groups_of(images: list[Image.Image]) -> list[int]:
    """The groups of images that are all of different bytes."""
    thumbnails = np.stack([thumbnail(image) for image in images])
    hashes = np.array([dhash(image) for image in images], dtype=np.uint64)
    return list(group_duplicates(sha256_of(range(len(images))), hashes, lambda indices: thumbnails[indices]))


def refuse(indices: Indices) -> NDArray[np.uint8]:
    raise AssertionError(f"the pixels of {indices} were read")


COPIES: dict[str, Callable[[Image.Image], Image.Image]] = {
    "quality 50": lambda image: jpeg(image, 50),
    "quality 95": lambda image: jpeg(image, 95),
    "half the size": lambda image: jpeg(image.resize((56, 56), Image.Resampling.LANCZOS), 85),
    "larger": lambda image: jpeg(image.resize((168, 168), Image.Resampling.LANCZOS), 85),
    "5 % darker": lambda image: jpeg(ImageEnhance.Brightness(image).enhance(0.95), 85),
    "5 % brighter": lambda image: jpeg(ImageEnhance.Brightness(image).enhance(1.05), 85),
}


def test_equal_bytes_are_one_group_without_comparing_pixels() -> None:
    hashes = np.array([0, 2**64 - 1, 0, 2**32 - 1], dtype=np.uint64)
    assert group_duplicates(sha256_of("abac"), hashes, refuse).tolist() == [0, 1, 0, 3]


@pytest.mark.parametrize("copied", COPIES.values(), ids=COPIES.keys())
def test_a_copy_joins_its_original_and_nothing_else(copied: Callable[[Image.Image], Image.Image]) -> None:
    images = [jpeg(garment(seed)) for seed in range(20)]
    images += [copied(image) for image in images]
    thumbnails = np.stack([thumbnail(image) for image in images])
    # With one hash for all, every image meets every other, and the pixels alone decide.
    groups = group_duplicates(sha256_of(range(40)), np.zeros(40, dtype=np.uint64), lambda indices: thumbnails[indices])
    assert groups.tolist() == [*range(20), *range(20)]


def test_look_alike_trousers_do_not_chain_into_one_group() -> None:
    images = [jpeg(trousers(leg_width)) for leg_width in range(9, 19)]
    hashes = [dhash(image) for image in images]
    assert all((a ^ b).bit_count() <= 4 for a, b in pairwise(hashes))
    assert groups_of(images) == list(range(10))


def test_a_small_print_makes_another_image() -> None:
    plain, printed = trousers(16), trousers(16)
    ImageDraw.Draw(printed).rectangle((40, 14, 46, 19), fill=(220, 220, 220))
    images = [jpeg(plain), jpeg(printed), jpeg(plain, 80)]
    assert groups_of(images) == [0, 1, 0]


def test_faint_images_have_a_stricter_limit() -> None:
    def bars(positions: tuple[int, ...]) -> Image.Image:
        image = Image.new("L", (SIDE, SIDE), 250)
        for x in positions:
            ImageDraw.Draw(image).rectangle((x, 10, x + 6, 100), fill=232)
        return image

    images = [bars((20, 60)), bars((22, 62)), bars((20, 60)).point(lambda gray: gray - 2)]
    thumbnails = np.stack([thumbnail(image) for image in images])
    same_hash = np.zeros(3, dtype=np.uint64)
    assert group_duplicates(sha256_of("abc"), same_hash, lambda indices: thumbnails[indices]).tolist() == [
        0,
        1,
        0,
    ]


def test_only_images_with_near_hashes_are_read_and_only_once() -> None:
    requested: list[list[int]] = []

    def thumbnails(indices: Indices) -> NDArray[np.uint8]:
        requested.append(indices.tolist())
        return np.zeros((len(indices), THUMBNAIL_SIDE, THUMBNAIL_SIDE), dtype=np.uint8)

    hashes = np.array([0, 2**40 - 1, 0b1111, 2**64 - 1, 0b11111 << 50], dtype=np.uint64)
    assert group_duplicates(sha256_of("abcde"), hashes, thumbnails).tolist() == [0, 1, 0, 3, 4]
    assert requested == [[0, 2]]


def test_thumbnails_of_another_size_are_refused() -> None:
    with pytest.raises(ValueError, match=r"shape \(2, 16, 16\); expected \(2, 32, 32\)"):
        group_duplicates(sha256_of("ab"), np.zeros(2, np.uint64), lambda _: np.zeros((2, 16, 16), np.uint8))


def test_thousands_of_nearly_blank_images_cost_bounded_work_and_memory() -> None:
    hashes = np.zeros(2_500, dtype=np.uint64)
    sizes = [len(a) for a, _ in near_hashes(hashes, max_distance=4)]
    assert max(sizes) <= hash_pairs.PAIRS_PER_CHUNK + hash_pairs.MAX_NEIGHBORS
    assert sum(sizes) <= len(hashes) * hash_pairs.MAX_NEIGHBORS
    blank = np.full((2_500, THUMBNAIL_SIDE, THUMBNAIL_SIDE), 250, dtype=np.uint8)
    assert not group_duplicates(sha256_of(range(2_500)), hashes, lambda indices: blank[indices]).any()


def test_thumbnails_are_requested_in_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(looks, "THUMBNAILS_PER_CHUNK", 7)
    thumbnails = np.random.default_rng(0).integers(0, 256, (10, THUMBNAIL_SIDE, THUMBNAIL_SIDE)).astype(np.uint8)
    pieces: list[int] = []

    def some(indices: Indices) -> NDArray[np.uint8]:
        pieces.append(len(indices))
        return thumbnails[indices % 10]

    groups = group_duplicates(sha256_of(range(30)), np.zeros(30, dtype=np.uint64), some)
    assert groups.tolist() == [*range(10)] * 3
    assert pieces == [7, 7, 7, 7, 2]


def test_a_giant_set_of_one_image_under_many_hashes_is_still_one_group(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(duplicates, "MAX_PER_HASH", 2)
    monkeypatch.setattr(hash_pairs, "MAX_NEIGHBORS", 2)
    hashes = np.array([1 << bit for bit in range(8) for _ in range(20)], dtype=np.uint64)
    same = np.full((160, THUMBNAIL_SIDE, THUMBNAIL_SIDE), 9, dtype=np.uint8)
    assert not group_duplicates(sha256_of(range(160)), hashes, lambda indices: same[indices]).any()


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), max_size=30))
def test_equal_images_are_found_by_the_whole_key(drawn: list[tuple[int, int]]) -> None:
    keys = np.array(drawn, dtype=np.uint64).reshape(-1, 2)
    assert equal_images(keys).tolist() == [drawn.index(key) for key in drawn]


def test_a_key_is_the_beginning_of_its_sha_256() -> None:
    digits = "00000000000000ff00000000000001000" + "f" * 31
    assert image_keys(pl.Series([digits])).tolist() == [[255, 256]]
    with pytest.raises(ValueError, match="'p-1' is not a SHA-256 in hexadecimal digits"):
        image_keys(pl.Series(["p-1"]))


nearby_hashes = st.lists(
    st.tuples(st.sampled_from([0, 0x00FF00FF00FF00FF, 2**64 - 1]), st.lists(st.integers(0, 63), max_size=5)),
    max_size=40,
).map(lambda drawn: np.array([base ^ sum(1 << b for b in set(bits)) for base, bits in drawn], dtype=np.uint64))


@given(hashes=nearby_hashes, max_distance=st.integers(0, 6), num_agreeing=st.none() | st.integers(1, 3))
def test_blocks_find_exactly_the_pairs_that_comparing_all_finds(
    hashes: NDArray[np.uint64], max_distance: int, num_agreeing: int | None
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(hash_pairs, "PAIRS_PER_CHUNK", 7)
        found = [
            (min(pair), max(pair))
            for a, b in near_hashes(hashes, max_distance, num_agreeing=num_agreeing)
            for pair in zip(a.tolist(), b.tolist(), strict=True)
        ]
    numbers = hashes.tolist()
    expected = [
        (i, j) for j in range(len(numbers)) for i in range(j) if (numbers[i] ^ numbers[j]).bit_count() <= max_distance
    ]
    assert sorted(found) == sorted(expected)


@given(data=st.data(), num_members=st.integers(1, 30))
def test_joining_at_once_is_joining_one_after_another(data: st.DataObject, num_members: int) -> None:
    member = st.integers(0, num_members - 1)
    pairs = data.draw(st.lists(st.tuples(member, member), max_size=30))
    slow = list(range(num_members))
    for a, b in pairs:
        old, new = max(slow[a], slow[b]), min(slow[a], slow[b])
        slow = [new if root == old else root for root in slow]
    cut = data.draw(st.integers(0, len(pairs)))
    first = np.arange(num_members)
    for part in (pairs[:cut], pairs[cut:]):
        ends = np.array(part, dtype=np.int64).reshape(-1, 2)
        first = joined(first, ends[:, 0], ends[:, 1])
    assert first.tolist() == slow


def test_a_long_chain_of_pairs_in_random_order_is_one_group() -> None:
    num_members = 200_000
    a = np.random.default_rng(0).permutation(num_members - 1)
    assert not joined(np.arange(num_members), a, a + 1).any()


def slow_groups(names: list[str], hashes: NDArray[np.uint64], thumbnails: NDArray[np.uint8]) -> list[int]:
    """The plain twin: every pair compared in full, one after another."""
    centered = [image.astype(np.float64) - image.mean() for image in thumbnails]
    limits = [np.clip(0.25 * float(np.ptp(image)), 6, 24) for image in thumbnails]
    groups = list(range(len(names)))
    for j in range(len(names)):
        for i in range(j):
            is_near = (int(hashes[i]) ^ int(hashes[j])).bit_count() <= 4
            looks_same = np.abs(centered[i] - centered[j]).max() <= min(limits[i], limits[j])
            if names[i] == names[j] or (is_near and looks_same):
                old, new = max(groups[i], groups[j]), min(groups[i], groups[j])
                groups = [new if group == old else group for group in groups]
    return groups


@st.composite
def catalogs(draw: st.DrawFn) -> tuple[list[str], NDArray[np.uint64], NDArray[np.uint8]]:
    """Images near each other in hash and pixels, so that every result occurs."""
    num_images = draw(st.integers(1, 14))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    bases = rng.integers(0, 200, size=(2, THUMBNAIL_SIDE, THUMBNAIL_SIDE))
    noise = rng.integers(-12, 13, size=(num_images, THUMBNAIL_SIDE, THUMBNAIL_SIDE))
    thumbnails = (bases[rng.integers(2, size=num_images)] + 20 + noise * rng.integers(0, 2, (num_images, 1, 1))).astype(
        np.uint8
    )
    hashes = np.array(
        [sum(1 << int(b) for b in set(rng.integers(0, 64, 3))) for _ in range(num_images)], dtype=np.uint64
    )
    original = [draw(st.integers(0, position)) for position in range(num_images)]
    return [str(position) for position in original], hashes[original], thumbnails[original]


@settings(max_examples=60)
@given(catalog=catalogs())
def test_the_fast_grouping_is_the_slow_one(
    catalog: tuple[list[str], NDArray[np.uint64], NDArray[np.uint8]],
) -> None:
    names, hashes, thumbnails = catalog
    fast = group_duplicates(sha256_of(names), hashes, lambda indices: thumbnails[indices])
    assert fast.tolist() == slow_groups(names, hashes, thumbnails)


@settings(max_examples=60)
@given(catalog=catalogs(), data=st.data())
def test_later_images_never_rename_a_group(
    catalog: tuple[list[str], NDArray[np.uint64], NDArray[np.uint8]], data: st.DataObject
) -> None:
    names, hashes, thumbnails = catalog
    num_before = data.draw(st.integers(0, len(names)))
    before = group_duplicates(sha256_of(names[:num_before]), hashes[:num_before], lambda indices: thumbnails[indices])
    after = group_duplicates(sha256_of(names), hashes, lambda indices: thumbnails[indices])[:num_before]
    # A group keeps its name unless it joined an earlier one, and then as a whole.
    assert (after <= before).all()
    assert (after == after[before]).all()
    assert set(after) <= set(before)
