"""Feeds that are only a little odd: their readers have always taken them."""

from tests.faults.dirty.feed_case import FeedCase

CASES = (
    FeedCase(
        name="tsv-headers-in-capitals-with-spaces",
        source="a text feed whose header a person typed",
        file="spring.tsv",
        content=b"ID\tTitle\tImage Link\tGoogle Product Category\na\tRed dress\thttps://shop/a.jpg\t2271\n",
        products={"a": {"title": "Red dress", "image_url": "https://shop/a.jpg", "category_id": 2271}},
    ),
    FeedCase(
        name="csv-with-an-unknown-category",
        source="a spreadsheet export",
        file="spring.csv",
        content=b'id,title,image_link,google_product_category\na,"Dress, red",https://shop/a.jpg,Nonsense\n',
        products={"a": {"title": "Dress, red", "category_id": None}},
        rejected={"unknown_category": 1},
    ),
    FeedCase(
        name="empty-file",
        source="an export that was interrupted before its first byte",
        file="spring.tsv",
        content=b"",
        refusal="spring.tsv",
    ),
)
