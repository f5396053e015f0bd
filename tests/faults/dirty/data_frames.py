"""Parquet as pandas and others write it: numbers with gaps as floats, categoricals, decimals, lists, indexes."""

import datetime
import decimal
import io
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tests.faults.dirty.feed_case import FeedCase

LINK = "https://shop.example/a.jpg"


def _pandas(index: str | None = None, **columns: Any) -> bytes:
    import pandas as pd

    frame = pd.DataFrame(columns)
    if index is not None:
        frame = frame.set_index(index)
    file = io.BytesIO()
    frame.to_parquet(file)
    return file.getvalue()


def _arrow(**columns: pa.Array) -> bytes:
    file = io.BytesIO()
    pq.write_table(pa.table(columns), file)
    return file.getvalue()


def _categorical() -> bytes:
    import pandas as pd

    return _pandas(id=["a"], title=pd.Categorical(["Dress"]), google_product_category=pd.Categorical([2271]))


def _case(name: str, source: str, content: Any, **products: Any) -> FeedCase:
    return FeedCase(name=name, source=source, file="spring.parquet", content=content, products=products)


CASES = (
    FeedCase(
        name="parquet-float-ids-and-categories",
        source="pandas, of columns with missing values",
        file="spring.parquet",
        content=lambda: _pandas(
            id=[4711.0, None, 13.0], title=["Dress", "Hat", "Bag"], google_product_category=[2271.0, None, None]
        ),
        products={"4711": {"title": "Dress", "category_id": 2271}, "13": {"title": "Bag", "category_id": None}},
        rejected={"missing_id": 1},
    ),
    _case(
        "parquet-index-is-the-id",
        "pandas, of a frame indexed by id",
        lambda: _pandas(index="id", id=[7, 8], title=["Dress", "Hat"]),
        **{"7": {"title": "Dress"}, "8": {"title": "Hat"}},
    ),
    _case("parquet-categoricals", "pandas", _categorical, a={"title": "Dress", "category_id": 2271}),
    _case(
        "parquet-decimals",
        "a database's export by Spark",
        lambda: _arrow(id=pa.array([decimal.Decimal("123.00")]), title=pa.array(["Dress"])),
        **{"123": {"title": "Dress"}},
    ),
    _case(
        "parquet-lists",
        "a crawler's export",
        lambda: _arrow(
            id=pa.array(["a", "b"]),
            image_link=pa.array([[LINK, "https://x/2.jpg"], []]),
            additional_image_link=pa.array([["https://x/2.jpg", "https://x/3.jpg"], None]),
        ),
        a={"image_url": LINK, "additional_image_urls": ["https://x/2.jpg", "https://x/3.jpg"]},
        b={"image_url": None},
    ),
    _case(
        "parquet-bools-and-dates",
        "a data team's export",
        lambda: _arrow(
            id=pa.array(["a"]),
            color=pa.array([True]),
            size=pa.array([datetime.date(2024, 5, 1)]),
            title=pa.array([2.5]),
        ),
        a={"color": "true", "size": "2024-05-01", "title": "2.5"},
    ),
    FeedCase(
        name="parquet-struct-as-a-link",
        source="an export of nested documents",
        file="spring.parquet",
        content=lambda: _arrow(id=pa.array(["a"]), image_link=pa.array([{"src": LINK}])),
        refusal="column 'image_link' holds struct",
    ),
)
