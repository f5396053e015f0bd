"""Delimited text in other dialects than its suffix says, with quotes, titles, headers and line ends of all kinds."""

from tests.faults.dirty.feed_case import FeedCase

LINK = "https://shop.example/a.jpg"
ROW = {"title": "Red dress", "image_url": LINK, "category_id": 2271}


def _table(delimiter: str, end: str = "\n") -> bytes:
    rows = (
        ("id", "title", "image_link", "google_product_category"),
        ("a", "Red dress", LINK, "2271"),
        ("b", "Blue dress", LINK, "2271"),
    )
    return end.join(delimiter.join(row) for row in (*rows, ("",))).encode()


BOTH = {"a": ROW, "b": {"title": "Blue dress"}}


def _dialect(name: str, source: str, file: str, content: bytes) -> FeedCase:
    return FeedCase(name=name, source=source, file=file, content=content, products=BOTH)


def _one(name: str, source: str, file: str, content: bytes, title: str, **others: object) -> FeedCase:
    return FeedCase(name=name, source=source, file=file, content=content, products={"a": {"title": title, **others}})


CASES = (
    _dialect("semicolons-in-csv", "a German spreadsheet", "spring.csv", _table(";")),
    _dialect("tabs-in-csv", "a text feed renamed for an upload form", "spring.csv", _table("\t")),
    _dialect("bars-in-txt", "a mainframe's export", "spring.txt", _table("|")),
    _dialect("commas-in-tsv", "a CSV file renamed", "spring.tsv", _table(",")),
    _dialect("carets-in-txt", "a pharmacy wholesaler's export", "spring.txt", _table("^")),
    _dialect("tildes-in-csv", "an affiliate network's export", "spring.csv", _table("~")),
    _dialect("carriage-returns-alone", "Excel on an old Macintosh", "spring.csv", _table(",", "\r")),
    _dialect("windows-line-ends", "a Windows program", "spring.tsv", _table("\t", "\r\n")),
    _dialect("sep-line", "Excel's hint of a separator", "spring.csv", b"sep=;\r\n" + _table(";", "\r\n")),
    _dialect("blank-lines-first", "a template of a shop system", "spring.tsv", b"\n\r\n\n" + _table("\t")),
    _dialect(
        "title-and-comment-first",
        "a report with a title",
        "spring.csv",
        b'"Product export, Hansen GmbH"\n# created 2024-05-01 by ERP\n\n' + _table(","),
    ),
    _dialect(
        "spaces-after-commas",
        "a file written by hand",
        "spring.csv",
        b'id, title, image_link, google_product_category\na, "Red dress", %s, 2271\nb, "Blue dress", %s, 2271\n'
        % (LINK.encode(), LINK.encode()),
    ),
    _dialect(
        "trailing-delimiter-in-header",
        "a template that ends each header with a tab",
        "spring.tsv",
        _table("\t").replace(b"category\n", b"category\t\n"),
    ),
    _dialect(
        "trailing-delimiter-in-rows",
        "a script that writes a comma after each value",
        "spring.csv",
        _table(",").replace(b"2271\n", b"2271,\n"),
    ),
    _dialect(
        "empty-columns-at-the-end",
        "a spreadsheet with formatted empty columns",
        "spring.csv",
        _table(",").replace(b"\n", b",,,\n"),
    ),
    _one(
        "line-break-in-quotes-of-tsv",
        "a description of several lines in a text feed",
        "spring.tsv",
        b'id\ttitle\tdescription\timage_link\na\tRed dress\t"Made of cotton\n\nWash at 30"\t%s\n' % LINK.encode(),
        "Red dress",
        image_url=LINK,
    ),
    _one(
        "line-break-in-quotes-of-semicolons",
        "Windows line ends within a description",
        "spring.csv",
        b'id;description;title;image_link\r\na;"Cotton;\r\nred";Red dress;%s\r\n' % LINK.encode(),
        "Red dress",
        image_url=LINK,
    ),
    FeedCase(
        name="lone-quotes-for-inches",
        source="televisions in a text feed",
        file="spring.tsv",
        content=b'id\ttitle\timage_link\na\t"24 inch" TV\t%s\nb\t24" TV\t%s\nc\t"Best\t%s\nd\tHat"\t%s\n'
        % ((LINK.encode(),) * 4),
        products={
            "a": {"title": '"24 inch" TV'},
            "b": {"title": '24" TV'},
            "c": {"title": '"Best'},
            "d": {"title": 'Hat"'},
        },
    ),
    FeedCase(
        name="lone-quote-in-csv-swallows-nothing",
        source="televisions in a CSV file without quotes",
        file="spring.csv",
        content=b'id,title,image_link,price\na,"24 inch TV,%s,1 EUR\nb,TV 19",%s,2 EUR\nc,Hat,%s,3 EUR\n'
        % ((LINK.encode(),) * 3),
        products={"a": {"title": '"24 inch TV'}, "b": {"title": 'TV 19"'}, "c": {"title": "Hat"}},
    ),
    FeedCase(
        name="quote-that-is-never-closed",
        source="an export that forgets closing quotes",
        file="spring.csv",
        content=b'id,title,image_link\na,Shoe,%s\nb,"Hat,%s\nc,Bag,%s\n' % ((LINK.encode(),) * 3),
        products={"a": {}, "b": {"title": '"Hat'}, "c": {"title": "Bag"}},
    ),
    _one(
        "quotes-not-doubled",
        "a script that puts quotes around everything",
        "spring.csv",
        b'id,title,image_link\n"a","TV, 24" black","%s"\n' % LINK.encode(),
        'TV, 24" black',
    ),
    _one(
        "quotes-escaped-by-backslashes",
        "MySQL's INTO OUTFILE",
        "spring.csv",
        b'"id","title","image_link"\n"a","The \\"best\\", 24\\" TV","%s"\n' % LINK.encode(),
        'The "best", 24" TV',
        image_url=LINK,
    ),
    _one(
        "quotes-doubled",
        "Excel",
        "spring.csv",
        b'id,title,image_link\na,"24"" TV, ""new""",%s\n' % LINK.encode(),
        '24" TV, "new"',
    ),
    FeedCase(
        name="several-additional-image-columns",
        source="a shop system that numbers nothing",
        file="spring.csv",
        content=b"id,additional_image_link,title,additional_image_link,Additional Image Link\n"
        b"a,https://x/1.jpg,Dress,https://x/2.jpg,\nb,,Hat,,\n",
        products={"a": {"additional_image_urls": ["https://x/1.jpg", "https://x/2.jpg"]}, "b": {"title": "Hat"}},
    ),
    FeedCase(
        name="title-twice",
        source="an export with a title by language, both called title",
        file="spring.tsv",
        content=b"id\ttitle\tTitle\na\t\tDress\nb\tHat\tHut\n",
        products={"a": {"title": "Dress"}, "b": {"title": "Hat"}},
    ),
    FeedCase(
        name="header-again-in-the-middle",
        source="files that were joined",
        file="spring.csv",
        content=_table(",") + b"\xef\xbb\xbf" + _table(",").replace(b"\na,", b"\nc,").replace(b"\nb,", b"\nd,"),
        products={**BOTH, "c": ROW, "d": {"title": "Blue dress"}},
        rejected={"repeated_header": 1},
    ),
    FeedCase(
        name="rows-of-other-lengths",
        source="a text feed with stray tabs",
        file="spring.tsv",
        content=_table("\t") + b"c\tHat\n" + b"d\tA\tB\thttps://x/d.jpg\t2271\n",
        products=BOTH,
        rejected={"wrong_field_count": 2},
    ),
    FeedCase(
        name="trailing-delimiters-hide-no-stray-one",
        source="rows that end with a tab, one with another tab in its title",
        file="spring.tsv",
        content=_table("\t").replace(b"\n", b"\t\n") + b"d\tA\tB\thttps://x/d.jpg\t2271\t\n",
        products=BOTH,
        rejected={"wrong_field_count": 1},
    ),
    FeedCase(
        name="delimiter-by-setting",
        source="a header of one name, where nothing shows the delimiter",
        file="spring.csv",
        content=b"id|title,long|image_link\na|Dress, red|https://x/a.jpg\n",
        products={"a": {"image_url": "https://x/a.jpg"}},
        settings='delimiter = "|"',
    ),
    FeedCase(
        name="line-break-in-the-header",
        source="a spreadsheet with wrapped headers",
        file="spring.csv",
        content=b'id,"image\nlink",title\na,https://x/a.jpg,Dress\n',
        products={"a": {"image_url": "https://x/a.jpg", "title": "Dress"}},
    ),
    FeedCase(
        name="header-of-another-meaning",
        source="a list of customers",
        file="spring.csv",
        content=b"customer;street;town\nHansen;Weg 1;Kiel\n",
        refusal=r"no column 'id'; the header has 'customer', 'street', 'town'",
    ),
    FeedCase(
        name="only-a-header",
        source="an export without stock",
        file="spring.csv",
        content=b"id;title;image_link\r\n",
        refusal="no product in it",
    ),
)
