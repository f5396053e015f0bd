"""Values as shops write them: prices with signs and dashes, escaped texts and links, numbers that spreadsheets cut."""

from tests.faults.dirty.feed_case import FeedCase


def _price(
    name: str, source: str, text: str, price: float | None, currency: str | None, settings: str = ""
) -> FeedCase:
    return FeedCase(
        name=f"price-{name}",
        source=source,
        file="feed.tsv",
        content=f"id\ttitle\timage_link\tprice\na\tShoe\thttps://shop/a.jpg\t{text}\n".encode(),
        settings=settings,
        products={"a": {"price": price, "currency": currency}},
        rejected={} if price is not None else {"bad_price": 1},
    )


def _texts(name: str, source: str, header: str, values: str, **product: object) -> FeedCase:
    return FeedCase(
        name=f"text-{name}",
        source=source,
        file="feed.tsv",
        content=f"id\t{header}\na\t{values}\n".encode(),
        products={"a": product},
    )


CASES = (
    _price("german", "a German shop", "1.299,00 €", 1299.0, "EUR"),
    _price("sign-first", "an Austrian or Dutch shop", "€ 9,99", 9.99, "EUR"),
    _price("code-without-space", "a template", "9.99EUR", 9.99, "EUR"),
    _price("polish", "a Polish shop, with non-breaking spaces", "1\u00a0299,00\u00a0zł", 1299.0, "PLN"),
    _price("american", "an American shop", "$1,299.00", 1299.0, "USD"),
    _price("dollar-of-the-partner", "a Canadian shop", "$1,299.00", 1299.0, "CAD", "currency = 'CAD'"),
    _price("sign-and-code", "a shop that writes both", "$ 9.99 CAD", 9.99, "CAD"),
    _price("swiss", "a Swiss shop", "1'299.00 CHF", 1299.0, "CHF"),
    _price("dash", "a whole amount as on a price tag", "12,- €", 12.0, "EUR"),
    _price("indian", "lakhs", "₹1,29,999.00", 129999.0, "INR"),
    _price("escaped", "HTML in a text feed", "1.299,00&nbsp;&euro;", 1299.0, "EUR"),
    _price("krone-of-nobody", "kr is the sign of four currencies", "99 kr", None, None),
    _price("krone-of-the-partner", "the same with the partner's currency", "99 kr", 99.0, "SEK", "currency = 'SEK'"),
    _price("without-currency", "a column of numbers", "9.99", None, None),
    _price("without-currency-of-the-partner", "the same", "9,99", 9.99, "EUR", "currency = 'EUR'"),
    _price("three-digits-after-a-dot", "thousands, as the euro has two decimals", "1.299 €", 1299.0, "EUR"),
    _price("three-decimals", "a dinar has three decimals", "1.299 KWD", 1.299, "KWD"),
    _price("range", "a product of several prices", "9.99 - 12.99 EUR", None, None),
    _price("from", "a lowest price", "ab 9,99 €", None, None),
    _price("per-unit", "a price per kilogram", "9,99 €/kg", None, None),
    _texts("entities", "a text feed of a web shop", "title", "Salt &amp; Pepper&#39;s", title="Salt & Pepper's"),
    _texts("twice", "an escaped feed escaped again", "title", "Salt &amp;amp; Pepper", title="Salt & Pepper"),
    _texts("ampersand", "a name that is no entity", "title\tbrand", "AT&T phone\tR&D", title="AT&T phone", brand="R&D"),
    _texts("unknown-entity", "text that only looks escaped", "title", "A &foo; B", title="A &foo; B"),
    _texts("space", "non-breaking spaces", "title", "Red&nbsp;dress &nbsp;", title="Red dress"),
    _texts("tags", "a title of an editor", "title", "<b>Red</b> dress<br/>long", title="Red dress long"),
    _texts("escaped-tags", "the same, escaped", "title", "&lt;b&gt;Red&lt;/b&gt; dress", title="Red dress"),
    _texts("no-tags", "comparisons and hearts", "title", "I <3 tea, 5 < 6", title="I <3 tea, 5 < 6"),
    _texts("nothing-left", "a title of an empty tag", "title", "<p></p>", title=""),
    FeedCase(
        name="links-escaped",
        source="links of an XML feed in a text feed, one escaped by WordPress",
        file="feed.tsv",
        content=b"id\timage_link\tadditional_image_link\n"
        b"a\thttps://shop/i?id=1&amp;size=2&copy=3\thttps://shop/1?a&#038;b,https://shop/2?c&amp;amp;d\n",
        products={
            "a": {
                "image_url": "https://shop/i?id=1&size=2&copy=3",
                "additional_image_urls": ["https://shop/1?a&b", "https://shop/2?c&d"],
            }
        },
    ),
    FeedCase(
        name="links-without-scheme",
        source="links of a page's source",
        file="feed.tsv",
        content=b"id\timage_link\tadditional_image_link\na\t//cdn.shop/a.jpg\t//cdn.shop/b.jpg, https://x/c.jpg\n",
        products={
            "a": {
                "image_url": "https://cdn.shop/a.jpg",
                "additional_image_urls": ["https://cdn.shop/b.jpg", "https://x/c.jpg"],
            }
        },
    ),
    FeedCase(
        name="links-relative",
        source="paths below a media folder",
        file="feed.tsv",
        content=b"id\timage_link\na\t/a/b.jpg\nb\tc.jpg\nc\thttps://other/d.jpg\nd\t\n",
        settings="image_base = 'https://shop/media'",
        products={
            "a": {"image_url": "https://shop/media/a/b.jpg"},
            "b": {"image_url": "https://shop/media/c.jpg"},
            "c": {"image_url": "https://other/d.jpg"},
            "d": {"image_url": None},
        },
    ),
    FeedCase(
        name="gtins-of-a-spreadsheet",
        source="numbers of a spreadsheet: one with a fraction, one that was rounded",
        file="feed.tsv",
        content=b"id\tgtin\na\t4006381333931.0\nb\t4.00638E+12\n",
        products={"a": {"gtin": "4006381333931"}, "b": {"gtin": None}},
        rejected={"bad_gtin": 1},
    ),
    FeedCase(
        name="ids-of-a-spreadsheet",
        source="ids that a spreadsheet rounded, so that two are the same",
        file="feed.tsv",
        content=b"id\ttitle\n4.00638E+12\tA\n4.00638E+12\tB\n1E10\tC\n",
        products={"4.00638E+12": {"title": "A"}, "1E10": {"title": "C"}},
        rejected={"rounded_id": 2, "duplicate_id": 1},
    ),
)
