"""Products whose XML is broken, as shops deliver them: what it costs is the product, an attribute or nothing."""

from tests.faults.dirty.xml_feed import CLOSE, DECLARATION, FIRST, LAST, OPEN, SHOE, case, feed, item_b

LINK = b"<g:image_link>https://s/b.jpg</g:image_link>"
CASES = (
    # characters and references: nothing is lost
    case("bare-ampersand", "a script that escapes nothing", item_b(b"", b"H & M Shoe"), {"title": "H & M Shoe"}),
    case(
        "ampersands-in-links",
        "links with a query, put into the feed as they are",
        item_b(b"<g:image_link>https://s/i?id=1&w=500&copy=2</g:image_link>"),
        {"image_url": "https://s/i?id=1&w=500&copy=2"},
    ),
    case(
        "html-entities",
        "text of an HTML editor",
        item_b(b"", b"Caf&eacute;&nbsp;&ndash; Shoe"),
        {"title": "Café\xa0\u2013 Shoe"},
    ),
    case(
        "unknown-entity",
        "a template's own variable",
        item_b(b"", b"Shoe &price;"),
        {"title": "Shoe &price;"},
    ),
    case("vertical-tab", "a title copied from a word processor", item_b(b"", b"Long\x0bShoe"), {"title": "Long Shoe"}),
    case(
        "control-reference",
        "a serializer that escapes control characters",
        item_b(b"", b"Long&#11;Shoe"),
        {"title": "Long Shoe"},
    ),
    case("reference-beyond-unicode", "a faulty encoder of emoji", item_b(b"", b"Shoe&#x110000; &#xD83D;"), SHOE),
    case("less-than-in-text", "a size in a title", item_b(b"", b"Shoe < 40 and <3"), {"title": "Shoe < 40 and <3"}),
    case("cdata-end-in-text", "a text that quotes XML", item_b(b"", b"Shoe ]]> new"), {"title": "Shoe ]]> new"}),
    case(
        "nul-in-a-description",
        "a database field padded with NUL",
        item_b(b"<g:description>a\0b</g:description>"),
        {"description": "a b"},
    ),
    case("control-character-in-an-id", "a bar code scanner", b"<item><g:id>b\x02</g:id></item>", rejected="broken_xml"),
    case(
        "control-character-in-a-link",
        "a link that was cut out of an e-mail",
        item_b(b"<g:image_link>https://s/b\x08.jpg</g:image_link>"),
        SHOE | {"image_url": None},
        "broken_attribute",
    ),
    # markup
    case(
        "container-without-end",
        "a template with a missing end tag",
        item_b(b"<g:shipping><g:price>4 EUR</g:price>"),
        rejected="broken_xml",
    ),
    case(
        "misspelled-end-tag",
        "a template that was edited by hand",
        b"<item><g:id>b</g:id><g:title>Shoe</g:titel>" + LINK + b"</item>",
        {"title": "", "image_url": "https://s/b.jpg"},
        "broken_attribute",
    ),
    case(
        "attribute-without-end-tag",
        "a text that was cut to its column's width with its tag",
        item_b(b"<g:brand>Fo" + LINK),
        SHOE | {"brand": None, "image_url": "https://s/b.jpg"},
        "broken_attribute",
    ),
    case(
        "id-without-end-tag",
        "a template that was edited by hand",
        b"<item><g:id>b<g:title>Shoe</g:title></item>",
        rejected="broken_xml",
    ),
    case(
        "html-that-is-not-xml",
        "the product page, unescaped",
        item_b(b"<g:description>Warm<br>and <img src=x> soft</p></g:description>"),
        SHOE | {"description": "Warm and soft"},
    ),
    case(
        "duplicate-xml-attributes",
        "a generator that adds a language twice",
        item_b(b'<g:size lang="de" lang="de">40</g:size>'),
        SHOE | {"size": "40"},
    ),
    case("xml-attribute-without-quotes", "HTML habits", item_b(b"<g:size unit=eu>40</g:size>"), SHOE | {"size": "40"}),
    case("prefix-not-declared", "a plugin that adds elements of its own", item_b(b"<c:stock>4</c:stock>"), SHOE),
    case(
        "product-without-end-tag",
        "an export that died within a product and went on",
        b"<item><g:id>b</g:id><g:title>Sh",
        rejected="broken_xml",
    ),
    case(
        "cdata-without-end",
        "a description cut to its column's width with the end of its CDATA",
        item_b(b"", b"<![CDATA[Long text"),
        rejected="broken_xml",
        content=feed(item_b(b"", b"<![CDATA[Long text")).replace(b"Sock", b"<![CDATA[Sock]]>"),
    ),
    case(
        "cdata-without-end-and-no-other",
        "likewise, in a feed without any other CDATA",
        item_b(b"", b"<![CDATA[Long text"),
        rejected="broken_xml",
    ),
    case("comment-without-end", "a product half commented out", item_b(b"<!-- old"), rejected="broken_xml"),
    case(
        "last-product-without-end-tag",
        "a template whose loop ends too early",
        b"",
        content=DECLARATION + OPEN + FIRST + LAST + b"<item><g:id>b</g:id>" + CLOSE,
        rejected="broken_xml",
    ),
    # what only looks like products
    case(
        "products-in-cdata",
        "a description that quotes the feed's own format",
        item_b(b"<g:description><![CDATA[ </item><item><g:id>x</g:id> ]]></g:description>"),
        SHOE | {"description": "</item><item><g:id>x</g:id>"},
    ),
    case(
        "products-in-a-comment",
        "products that were commented out",
        b"<!-- <item><g:id>x</g:id></item> -->" + item_b(b"<!-- </item><item><g:id>y</g:id> -->"),
        SHOE,
    ),
)
