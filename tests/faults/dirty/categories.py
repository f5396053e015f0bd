"""Categories as partners write them, and texts that may mean two, which label nothing."""

from tests.faults.dirty.feed_case import FeedCase

_COLUMN = "google_product_category"


def _category(name: str, source: str, text: str, category_id: int | None, how: str = "") -> FeedCase:
    found = f"{_COLUMN}:{how}" if how else _COLUMN
    return FeedCase(
        name=f"category-{name}",
        source=source,
        file="feed.csv",
        content=f'id,{_COLUMN}\na,"{text}"\n'.encode(),
        products={"a": {"category_id": category_id, "category_source": found if category_id else None}},
        rejected={} if category_id else {"unknown_category": 1},
    )


_SHOES = "Apparel & Accessories > Shoes"

CASES = (
    _category("escaped", "HTML in a text feed", "Apparel &amp; Accessories &gt; Shoes", 187, "escaped"),
    _category(
        "escaped-twice", "the same, escaped again", "Apparel &amp;amp; Accessories &amp;gt; Shoes", 187, "escaped"
    ),
    _category("google-s-line", "a line of Google's file", f"187 - {_SHOES}", 187, "line"),
    _category("line-that-contradicts-itself", "an id and the path of another", "187 - Furniture > Chairs", None),
    _category("line-of-other-ids", "a shop's own numbers before names", "5 - Shoes", None),
    _category("line-in-parentheses", "the id behind the path", f"{_SHOES} (187)", 187, "line"),
    _category("number", "pandas, for a column with missing values", "187.0", 187, "number"),
    _category("number-with-a-comma", "the same in a German locale", "187,0", 187, "number"),
    _category("number-of-no-category", "a number with thousands", "1,604", None),
    _category("slashes", "an export with slashes", "Apparel & Accessories/Clothing/Dresses", 2271, "separator"),
    _category("pipes", "an export with pipes", "Apparel & Accessories | Clothing | Dresses", 2271, "separator"),
    _category("guillemets", "a breadcrumb", "Apparel & Accessories » Shoes", 187, "separator"),
    _category("angle-quotes", "a breadcrumb", "Apparel & Accessories › Shoes", 187, "separator"),  # noqa: RUF001
    _category("colons", "an export with colons", "Apparel & Accessories::Shoes", 187, "separator"),
    _category("arrows", "an export with arrows", "Apparel & Accessories -> Shoes", 187, "separator"),
    _category("commas", "an export with commas", "Furniture, Chairs", 443, "separator"),
    _category("commas-in-a-name", "a name with a comma is no list", "Food, Beverages & Tobacco", 412),
    _category("trailing", "a separator behind the path", f"{_SHOES} >", 187, "ends"),
    _category("case-and-spaces", "typed by hand", "  apparel  & ACCESSORIES >shoes ", 187),
    _category("name-alone", "only the last name, of which there is one", "Dresses", 2271, "name"),
    _category("end-of-a-path", "a path without its root", "Clothing > Dresses", 2271, "name"),
    _category("several-on-one-path", "a path and its parents", "166; 1604; 2271", 2271, "several"),
    _category("several-paths", "paths of one branch", f"{_SHOES}, Apparel & Accessories", 187, "several"),
    _category("several-with-something-in-common", "two of one department", "187|2271", 166, "common"),
    _category("several-with-nothing-in-common", "two departments, the first is the main one", "443;187", 443, "first"),
    _category("several-of-which-one-is-unknown", "a list with a shop's own name", "Shoes; Sale", None),
    _category("unknown", "a shop's own path", "Damen > Schuhe", None),
    _category("under-another-root", "a known path below an unknown root", f"Sale > {_SHOES}", None),
    _category("hostile", "ten thousand separators", "> " * 10_000, None),
    FeedCase(
        name="category-confirmed-by-a-person",
        source="a text that the partner's file of categories has, and one that nobody confirmed",
        file="feed.csv",
        content=b"id,google_product_category\na,Schuhe &gt; Damen\nb,schuhe  > damen\nc,Hosen\n",
        settings="categories = 'categories.csv'",
        files={
            "categories.csv": "google_product_category,category,confirmed,score,products\n"
            "Schuhe > Damen,187,yes,0.6,2\nSchuhe > Damen,2271,,0.5,2\nHosen,212,,0.5,1\n"
        },
        products={
            "a": {"category_id": 187, "category_source": f"{_COLUMN}:confirmed"},
            "b": {"category_id": 187},
            "c": {"category_id": None},
        },
        rejected={"unknown_category": 1},
    ),
    FeedCase(
        name="product-type-escaped",
        source="an escaped product type that the partner's file has unescaped",
        file="feed.csv",
        content=b"id,product_type\na,Damen &gt; Schuhe &amp; Stiefel\n",
        settings="product_types = 'types.csv'",
        files={"types.csv": "product_type,category\nDamen > Schuhe & Stiefel,187\n"},
        products={"a": {"category_id": 187, "product_type": "Damen > Schuhe & Stiefel"}},
    ),
)
