"""Every shape of feeds that the documentation shows is read as it says."""

import re
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY
from tests.faults.dirty.feed_case import FeedCase
from tests.faults.dirty.running import parsed

PAGE = (REPOSITORY / "docs/how-to/bring-a-feed.md").read_text()
SHAPES = re.findall(r"^`([a-z]+\.[a-z]+)`[^\n]*\n\n```[a-z]+\n(.*?)```$", PAGE, flags=re.MULTILINE | re.DOTALL)
SPELLINGS = re.findall(r"^\| `google_product_category:(\w+)` \| (.*?) \|", PAGE, flags=re.MULTILINE)


@pytest.mark.parametrize(("file", "content"), SHAPES, ids=[file for file, _ in SHAPES])
def test_documented_shape_is_read(file: str, content: str, tmp_path: Path) -> None:
    case = FeedCase(name=file, source="", file=file, content=content.encode(), settings="currency = 'EUR'")
    feed = parsed(case, tmp_path)
    assert feed.rejected.is_empty()
    columns = ("item_id", "title", "image_url", "price", "currency", "category_id")
    assert feed.products.select(columns).rows() == [("a", "Shoe", "https://shop/a.jpg", 9.99, "EUR", 187)]


def test_all_shapes_are_found_on_the_page() -> None:
    assert len(SHAPES) == 8


@pytest.mark.parametrize(("kind", "texts"), SPELLINGS, ids=[kind for kind, _ in SPELLINGS])
def test_documented_spelling_has_that_source(kind: str, texts: str, tmp_path: Path) -> None:
    examples = re.findall("`([^`]{4,})`", texts)  # shorter ones are separators
    rows = "".join(f'{number},"{text}"\n' for number, text in enumerate(examples))
    case = FeedCase(
        name=kind,
        source="",
        file="feed.csv",
        content=f"id,google_product_category\n{rows}".encode(),
        settings="categories = 'own.csv'",
        files={"own.csv": "google_product_category,category\nSchuhe > Damen,187\n"},
    )
    sources = parsed(case, tmp_path).products["category_source"].to_list()
    assert sources == [f"google_product_category:{kind}"] * len(examples)
    assert examples
