"""XML feeds of Merchant Center in all their spellings, shapes that users describe, and documents that are no feed."""

from tests.faults.dirty.feed_case import FeedCase

NAMESPACE = "http://base.google.com/ns/1.0"
OWN_SHAPE = """
[shop42]
root = "export"
item = "artikel"
currency = "EUR"
[shop42.attributes]
id = "@nummer"
title = "texte/name[@sprache=de]"
image_link = "bild/@src"
price = "preis"
color = "merkmal[name=Farbe]/wert"
"""


def _rss(
    items: str, start: str = f'xmlns:g="{NAMESPACE}"', head: str = '<?xml version="1.0" encoding="UTF-8"?>'
) -> bytes:
    return f'{head}<rss version="2.0" {start}><channel><title>Shop</title>{items}</channel></rss>'.encode()


CASES = (
    FeedCase(
        name="xml-rss-with-another-prefix",
        source="a generator that numbers its prefixes, such as Python's ElementTree",
        file="spring.xml",
        content=_rss("<item><ns0:id>a</ns0:id><ns0:title>Hat</ns0:title></item>", f'xmlns:ns0="{NAMESPACE}"'),
        products={"a": {"title": "Hat"}},
    ),
    FeedCase(
        name="xml-rss-with-the-https-namespace",
        source="a shop that moved to https by search and replace",
        file="spring.xml",
        content=_rss("<item><g:id>a</g:id><g:title>Hat</g:title></item>", 'xmlns:g="https://base.google.com/ns/1.0/"'),
        products={"a": {"title": "Hat"}},
    ),
    FeedCase(
        name="xml-rss-without-any-namespace",
        source="a script that prints RSS and knows nothing of namespaces",
        file="spring.xml",
        content=_rss("<item><id>a</id><title>Hat</title><image_link>https://s/a.jpg</image_link></item>", ""),
        products={"a": {"title": "Hat", "image_url": "https://s/a.jpg"}},
    ),
    FeedCase(
        name="xml-rss-with-google-as-the-default-namespace",
        source="a feed whose root declares xmlns alone",
        file="spring.xml",
        content=_rss("<item><id>a</id><title>Hat</title></item>", f'xmlns="{NAMESPACE}"'),
        products={"a": {"title": "Hat"}},
    ),
    FeedCase(
        name="xml-rss-declares-its-namespace-in-each-item",
        source="an export that serializes every product by itself",
        file="spring.xml",
        content=_rss(f'<item xmlns:g="{NAMESPACE}"><g:id>a</g:id><g:title>Hat</g:title></item>', ""),
        products={"a": {"title": "Hat"}},
    ),
    FeedCase(
        name="xml-rss-in-capitals",
        source="an old shop system that writes all tags in capitals",
        file="spring.xml",
        content=b"<RSS><CHANNEL><ITEM><ID>a</ID><TITLE>Hat</TITLE></ITEM></CHANNEL></RSS>",
        products={"a": {"title": "Hat"}},
    ),
    FeedCase(
        name="xml-rss-with-dublin-core",
        source="a blog plugin that adds dc: and content: to each item",
        file="spring.xml",
        content=_rss(
            "<item><dc:title>Blog</dc:title><g:id>a</g:id><g:title>Hat</g:title><dc:id>b</dc:id></item>",
            f'xmlns:g="{NAMESPACE}" xmlns:dc="http://purl.org/dc/elements/1.1/"',
        ),
        products={"a": {"title": "Hat"}},
    ),
    FeedCase(
        name="xml-rss-1-rdf",
        source="a shop of 2005",
        file="spring.xml",
        content=f'<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns="http://purl.org/rss/1.0/" '
        f'xmlns:g="{NAMESPACE}"><channel/><item rdf:about="u"><g:id>a</g:id><g:title>Hat</g:title></item>'
        "</rdf:RDF>".encode(),
        products={"a": {"title": "Hat"}},
    ),
    FeedCase(
        name="xml-atom",
        source="Merchant Center's example of Atom",
        file="spring.xml",
        content=f'<feed xmlns="http://www.w3.org/2005/Atom" xmlns:g="{NAMESPACE}"><id>tag:shop</id><title>Shop</title>'
        "<entry><id>tag:shop/1</id><g:id>a</g:id><title>Hat</title></entry></feed>".encode(),
        products={"a": {"title": "Hat"}},
    ),
    FeedCase(
        name="xml-rss-images-repeated",
        source="a shop that has several image elements, also of the first kind",
        file="spring.xml",
        content=_rss(
            "<item><g:id>a</g:id><g:image_link>https://s/1.jpg</g:image_link><g:image_link>https://s/2.jpg</g:image_link>"
            "<g:additional_image_link>https://s/3.jpg</g:additional_image_link>"
            "<g:additional_image_link>https://s/w_1,h_2/4.jpg</g:additional_image_link></item>"
        ),
        products={
            "a": {
                "image_url": "https://s/1.jpg",
                "additional_image_urls": ["https://s/2.jpg", "https://s/3.jpg", "https://s/w_1%2Ch_2/4.jpg"],
            }
        },
    ),
    FeedCase(
        name="xml-rss-shipping-has-a-price-of-its-own",
        source="Merchant Center's nested attributes",
        file="spring.xml",
        content=_rss(
            "<item><g:shipping><g:id>s</g:id><g:price>4.00 EUR</g:price></g:shipping><g:id>a</g:id>"
            "<g:price>9.00 EUR</g:price></item>"
        ),
        products={"a": {"price": 9.0, "currency": "EUR"}},
    ),
    FeedCase(
        name="xml-rss-html-in-descriptions",
        source="a shop that puts its product page into the description, once in CDATA and once as elements",
        file="spring.xml",
        content=_rss(
            "<item><g:id>a</g:id><g:description><![CDATA[<p>Warm &amp; soft</p>]]></g:description></item>"
            "<item><g:id>b</g:id><g:description><p>Warm</p><ul><li>soft</li></ul> wool</g:description></item>"
        ),
        products={"a": {"description": "<p>Warm & soft</p>"}, "b": {"description": "Warm soft wool"}},
    ),
    FeedCase(
        name="xml-shape-of-the-user",
        source="a shop whose export no table knows, described in feed_shapes.toml",
        file="spring.xml",
        content=b'<export><kopf/><artikel nummer="a"><texte><name sprache="en">Dress</name>'
        b'<name sprache="de">Kleid</name>'
        b'</texte><bild src="https://s/a.jpg"/><preis>12.50</preis><merkmal><name>Farbe</name><wert>rot</wert></merkmal>'
        b"</artikel></export>",
        files={"feed_shapes.toml": OWN_SHAPE},
        products={
            "a": {"title": "Kleid", "image_url": "https://s/a.jpg", "price": 12.5, "currency": "EUR", "color": "rot"}
        },
    ),
    FeedCase(
        name="xml-columns-of-the-partner-go-before-the-shape",
        source="a partner whose id is in an element of another name, mapped by columns",
        file="spring.xml",
        content=_rss("<item><g:id>1</g:id><Artikelnummer>a</Artikelnummer><g:title>Hat</g:title></item>"),
        settings='columns = "columns.csv"',
        files={"columns.csv": "column,attribute\nArtikelnummer,id\n"},
        products={"a": {"title": "Hat"}},
    ),
    FeedCase(
        name="xml-products-within-a-product",
        source="a shop that lists accessories in the same elements inside of a product",
        file="spring.xml",
        content=b"<products><product><id>a</id><title>Phone</title><accessories><product><id>b</id></product>"
        b"<product><id>c</id></product></accessories></product><product><id>d</id></product></products>",
        products={"a": {"title": "Phone"}, "d": {}},
    ),
    FeedCase(
        name="xml-login-page",
        source="a server whose session ended, so that it delivers its login page",
        file="spring.xml",
        content=b"<html><head><title>Login</title></head><body>Please log in</body></html>",
        refusal="HTML page",
    ),
    FeedCase(
        name="xml-unknown-root",
        source="an export of an ERP system",
        file="spring.xml",
        content=b"<STOCK><ROW><NO>a</NO></ROW></STOCK>",
        refusal="the root is <stock>.*describe its elements in feed_shapes.toml",
    ),
)
