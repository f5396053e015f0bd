"""Placeholders: what is found by content, by repetition, by both, by the list, and what is not."""

from collections.abc import Sequence

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray
from PIL import Image

from catalog.dataset.placeholder_list import PlaceholderList, PlaceholderListError, parse_placeholder_list
from catalog.dataset.placeholders import find_placeholders
from catalog.images.graphics import graphic_features
from tests.catalog.dataset.building import sha256_of

NOTHING_LISTED = PlaceholderList({}, {})
BRANCHES = {leaf: leaf % 10 for leaf in range(100)}
UNRELATED = (
    "Lamp",
    "Shirt",
    "Cable",
    "Teapot",
    "Novel",
    "Drill",
    "Sofa",
    "Perfume",
    "Leash",
    "Racket",
    "Puzzle",
    "Tent",
)


def shown_by(image: str, titles: Sequence[str], **columns: object) -> pl.DataFrame:
    """Products of these titles that show one image; its dhash follows from its name."""
    num = len(titles)
    rows = {
        "product_id": [f"{image}:{number}" for number in range(num)],
        "partner_id": ["acme"] * num,
        "item_group_id": [None] * num,
        "title": list(titles),
        "category_id": list(range(num)),
        "delivery": ["1"] * num,
        "shard": ["s"] * num,
        "sha256": [sha256_of(image)] * num,
        "dhash": [int(sha256_of(image)[:16], 16)] * num,
        **columns,
    }
    schema = {"item_group_id": pl.String, "category_id": pl.Int64, "dhash": pl.UInt64}
    return pl.DataFrame(rows, schema_overrides=schema)


def thumbnails(rows: pl.DataFrame) -> NDArray[np.uint8]:
    return np.zeros((len(rows), 32, 32), dtype=np.uint8)


def verdict(products: pl.DataFrame, content: float, listed: PlaceholderList = NOTHING_LISTED) -> tuple[str, str] | None:
    """The verdict and evidence of the only image."""
    scores = products.select("sha256").unique().with_columns(content=pl.lit(content))
    found = find_placeholders(products, scores, listed, branches=BRANCHES, thumbnails=thumbnails)
    return None if found.is_empty() else found.select("verdict", "evidence").row(0)


@pytest.mark.parametrize(
    ("titles", "columns", "content", "expected"),
    [
        (["Lamp"], {}, 0.995, ("placeholder", "content")),
        (["Lamp"], {}, 0.5, ("suspected", "drawn, perhaps")),
        (["Lamp"], {}, 0.4, None),
        (UNRELATED[:3], {}, 0.15, ("placeholder", "content and repetition")),
        (UNRELATED[:2], {}, 0.5, ("suspected", "drawn, perhaps")),
        (UNRELATED, {}, 0.0, ("placeholder", "repetition")),
        (UNRELATED[:5], {}, 0.0, ("suspected", "repeated, perhaps")),
        (UNRELATED, {"partner_id": [f"p{n}" for n in range(12)]}, 0.0, ("placeholder", "repetition")),
        # What one photograph is shared by, legitimately.
        (["Shirt red", "Shirt blue", *(f"Shirt {n}" for n in range(20))], {}, 0.0, None),
        (UNRELATED, {"item_group_id": ["g"] * 12}, 0.0, None),
        (UNRELATED, {"item_group_id": ["g"] * 12}, 0.5, ("suspected", "drawn, perhaps")),
        ([f"Size {n}" for n in range(12)], {"category_id": [7] * 12}, 0.0, None),
        (UNRELATED, {"category_id": [7] * 12}, 0.0, None),
        (UNRELATED, {"category_id": [7] * 12}, 0.5, ("suspected", "drawn, perhaps")),
        (UNRELATED, {"category_id": [7, 17] * 6}, 0.0, ("suspected", "repeated, perhaps")),
        (UNRELATED, {"category_id": [None] * 12}, 0.0, ("suspected", "repeated, perhaps")),
        ((*UNRELATED, *"abcdefghij"), {"category_id": [None] * 22}, 0.0, ("placeholder", "repetition")),
        ([None] * 12, {}, 0.0, ("placeholder", "repetition")),
    ],
)
def test_the_verdict_follows_from_content_and_repetition(
    titles: Sequence[str], columns: dict[str, object], content: float, expected: tuple[str, str] | None
) -> None:
    assert verdict(shown_by("image", titles, **columns), content) == expected


def test_copies_share_their_evidence() -> None:
    copies = [shown_by(f"copy{n}", [UNRELATED[n]], category_id=[n], dhash=[0x0F0F0F0F0F0F0F0F ^ n]) for n in range(4)]
    products = pl.concat(copies)
    scores = products.select("sha256", content=pl.Series([0.5, 0.05, 0.3, 0.4]))
    found = find_placeholders(products, scores, NOTHING_LISTED, branches=BRANCHES, thumbnails=thumbnails)
    assert (
        found["evidence"].to_list() == ["content and repetition"] * 3
    )  # the other was not drawn enough to be compared
    assert found["image_group"].n_unique() == 1
    shuffled = find_placeholders(
        products.reverse(), scores.reverse(), NOTHING_LISTED, branches=BRANCHES, thumbnails=thumbnails
    )
    assert shuffled.equals(found)


HEADER = "image,verdict,reason,who\n"


def listed(*lines: str) -> PlaceholderList:
    return parse_placeholder_list([HEADER, *(f"{line}\n" for line in lines)], "placeholders.csv")


def test_the_list_counts_before_everything() -> None:
    products = shown_by("image", UNRELATED)
    sha256, dhash = products["sha256"][0], f"{products['dhash'][0]:016x}"
    assert verdict(products, 0.999, listed(f"{sha256},not,a poster,ann")) == ("not", "listed")
    assert verdict(products, 0.999, listed(f"{dhash.upper()},NOT,,")) == ("not", "listed")
    assert verdict(products.head(1), 0.0, listed(f"{sha256},placeholder,,")) == ("placeholder", "listed")
    near = f"{int(dhash, 16) ^ 0b11:016x}"
    assert verdict(products.head(1), 0.0, listed(f"{near},placeholder,,")) == ("placeholder", "listed")
    assert verdict(products.head(1), 0.0, listed(f"{int(dhash, 16) ^ 0b111:016x},placeholder,,")) is None
    assert verdict(products, 0.0, listed(f"{dhash},placeholder,,", f"{sha256},not,,")) == ("not", "listed")


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["x,placeholder,,"], "placeholders.csv:2: the image is 'x'; write the sha256"),
        (["ab" * 32 + ",maybe,,"], "placeholders.csv:2: the verdict is 'maybe'; write placeholder or not"),
        (["0" * 16 + ",placeholder,,"], "many plain images have the dhash"),
        (["ab" * 32 + ",not,,", "AB" * 32 + ",placeholder,,"], "placeholders.csv:3: .* has the other verdict"),
        (["ab" * 32 + ",not,a,b,c"], "more than 4 columns"),
        (["ab" * 32 + ',not,"a'], "not a CSV line"),
    ],
)
def test_a_wrong_line_is_named(lines: list[str], message: str) -> None:
    with pytest.raises(PlaceholderListError, match=message):
        listed(*lines)


def test_another_header_is_refused() -> None:
    with pytest.raises(PlaceholderListError, match="expected image,verdict,reason,who"):
        parse_placeholder_list(["sha256,verdict\n"], "placeholders.csv")


@pytest.mark.parametrize("size", [(16, 16), (16, 2_000), (1, 1), (3, 700)])
def test_features_are_finite_at_any_size_and_mode(size: tuple[int, int]) -> None:
    for mode in ("L", "RGB"):
        assert np.isfinite(graphic_features(Image.new(mode, size))).all()
