"""XML documents with something wrong around their products: junk, wrong encodings, missing ends, attacks."""

from tests.faults.dirty.feed_case import FeedCase
from tests.faults.dirty.xml_feed import CLOSE, DECLARATION, FIRST, LAST, OPEN, SHOE, case, feed, item_b

CASES = (
    # around the document
    case(
        "blank-line-before-the-declaration",
        "a PHP file with an empty line",
        b"",
        content=feed(item_b(b""), b"\n\n" + DECLARATION),
        kept=SHOE,
    ),
    case(
        "two-byte-order-marks",
        "two editors, one after the other",
        b"",
        content=b"\xef\xbb\xbf" * 2 + feed(item_b(b"")),
        kept=SHOE,
    ),
    case(
        "warning-before-the-declaration",
        "a PHP script with a notice",
        b"",
        content=b"<br />\n<b>Warning</b>: Undefined index: sku in <b>/feed.php</b> on line <b>3</b><br>\n"
        + feed(item_b(b"")),
        kept=SHOE,
    ),
    case(
        "garbage-after-the-root",
        "a server that appends its statistics",
        b"",
        content=feed(item_b(b"")) + b"<!-- 0.3s --><b>cache & hit\0",
        kept=SHOE,
    ),
    case(
        "end-of-the-root-twice",
        "a template whose footer is included twice",
        b"",
        content=feed(item_b(b"")) + CLOSE,
        kept=SHOE,
    ),
    case(
        "two-documents",
        "two exports, appended to one file",
        b"",
        content=feed(item_b(b"")) + DECLARATION + OPEN + b"<item><g:id>c</g:id></item>" + CLOSE,
        kept=SHOE,
        more={"c": {}},
    ),
    case(
        "namespace-not-declared",
        "a template that lost its first line",
        b"",
        content=feed(item_b(b"")).replace(b' xmlns:g="http://base.google.com/ns/1.0"', b""),
        kept=SHOE,
    ),
    case(
        "channel-not-closed",
        "a template without its footer's half",
        b"",
        content=feed(item_b(b""), end=b"</rss>"),
        kept=SHOE,
    ),
    case(
        "no-declaration",
        "a hand-made feed in UTF-8",
        b"",
        content=feed(item_b(b"", "Größe".encode()), b""),
        kept={"title": "Größe"},
    ),
    # encodings
    case(
        "declared-utf-8-but-windows-1252",
        "a database of Windows",
        b"",
        content=feed(item_b(b"", "Größe \u2013 5 €".encode("cp1252"))),
        kept={"title": "Größe \u2013 5 €"},
    ),
    case(
        "declared-utf-16-but-utf-8",
        "a string of .NET, saved in UTF-8",
        b"",
        content=feed(item_b(b"", "Größe".encode()), DECLARATION.replace(b"UTF-8", b"utf-16")),
        kept={"title": "Größe"},
    ),
    case(
        "declared-iso-8859-1-but-utf-8",
        "an export that changed its database, not its header",
        b"",
        content=feed(item_b(b"", "Größe".encode()), DECLARATION.replace(b"UTF-8", b"ISO-8859-1")),
        kept={"title": "Größe"},
    ),
    case(
        "declared-iso-8859-1-with-quotes-of-windows",
        "a shop of the nineties",
        b"",
        content=feed(item_b(b"", b"\x93Shoe\x94"), DECLARATION.replace(b"UTF-8", b"ISO-8859-1")),
        kept={"title": "“Shoe”"},
    ),
    case(
        "declared-in-an-unknown-encoding",
        "an exporter with a setting of its own",
        b"",
        content=feed(item_b(b"", "Größe".encode()), DECLARATION.replace(b"UTF-8", b"utf8mb4")),
        kept={"title": "Größe"},
    ),
    case(
        "utf-16-without-a-mark",
        "SQL Server's FOR XML",
        b"",
        content=feed(item_b(b"", "Größe".encode())).decode().replace("UTF-8", "UTF-16").encode("utf-16-le"),
        kept={"title": "Größe"},
    ),
    case(
        "wrong-byte-in-a-title",
        "one row of another encoding in a feed of UTF-8",
        item_b("<g:brand>Köln und Görlitz</g:brand>".encode(), b"Sch\xf6n"),
        {"title": "", "brand": "Köln und Görlitz"},
        "broken_attribute",
    ),
    case(
        "wrong-byte-in-an-id",
        "one row of another encoding in a feed of UTF-8",
        "<item><g:title>äöü</g:title>".encode() + b"<g:id>b\xf6</g:id></item>",
        rejected="broken_xml",
    ),
    # what stays refused
    FeedCase(
        name="xml-cut-off-in-a-product",
        source="a download that broke off",
        file="spring.xml",
        content=feed(item_b(b""))[:-60],
        refusal="broken XML .*it was cut off.*deliver it again",
    ),
    FeedCase(
        name="xml-cut-off-between-products",
        source="an export that ran out of time",
        file="spring.xml",
        content=DECLARATION + OPEN + FIRST + LAST,
        refusal="ends within <channel>, line 5: it was cut off",
    ),
    FeedCase(
        name="xml-cut-off-second-document",
        source="two exports, the second cut off",
        file="spring.xml",
        content=feed(item_b(b"")) + DECLARATION + OPEN + FIRST,
        refusal="it was cut off",
    ),
    FeedCase(
        name="xml-entity-bomb",
        source="an attacker",
        file="spring.xml",
        content=b'<!DOCTYPE rss [<!ENTITY a "b"><!ENTITY c "&a;&a;">]>'
        + OPEN
        + b"<item><g:id>&c;</g:id></item>"
        + CLOSE,
        refusal="declares a document type.*remove the DOCTYPE",
    ),
    FeedCase(
        name="xml-external-entity",
        source="an attacker",
        file="spring.xml",
        content=b'<!DOCTYPE rss [<!ENTITY f SYSTEM "file:///etc/passwd">]>'
        + OPEN
        + b"<item><g:id>&f;</g:id></item>"
        + CLOSE,
        refusal="declares a document type.*remove the DOCTYPE",
    ),
    FeedCase(
        name="xml-server-error",
        source="a server's message instead of a feed",
        file="spring.xml",
        content=b"503 Service Unavailable\n",
        refusal="broken XML .it has no element",
    ),
)
