"""XML feeds of price comparisons and marketplaces, as their documentation has them."""

from tests.faults.dirty.feed_case import FeedCase

CASES = (
    FeedCase(
        name="xml-products-product",
        source="a shop that keeps Merchant Center's names and drops RSS",
        file="spring.xml",
        content=b"<products><product><id>a</id><title>Hat</title><image_link>https://s/a.jpg</image_link>"
        b"<google_product_category>2271</google_product_category></product></products>",
        products={"a": {"title": "Hat", "image_url": "https://s/a.jpg", "category_id": 2271}},
    ),
    FeedCase(
        name="xml-kelkoo",
        source="the example of Kelkoo's guide to product data feeds",
        file="spring.xml",
        content=b"<products><product><offer-id>a</offer-id><title><![CDATA[Pant]]></title><price>599.00</price>"
        b"<currency>NOK</currency><brand>Polar</brand><image-url>https://s/a.jpg</image-url><ean>4006381333931</ean>"
        b"<merchant-category>Clothing - Men</merchant-category><colour>red</colour></product></products>",
        products={
            "a": {
                "title": "Pant",
                "price": 599.0,
                "currency": "NOK",
                "image_url": "https://s/a.jpg",
                "product_type": "Clothing - Men",
                "color": "red",
                "gtin": "4006381333931",
            }
        },
    ),
    FeedCase(
        name="xml-facebook-listings",
        source="a catalog of Meta's other verticals",
        file="spring.xml",
        content=b'<?xml version="1.0"?><listings><title>Feed</title><listing><home_listing_id>a</home_listing_id>'
        b"<name>Chair</name><image><url>https://s/a.jpg</url><tag>front</tag></image>"
        b"<image><url>https://s/b.jpg</url></image></listing></listings>",
        products={
            "a": {"title": "Chair", "image_url": "https://s/a.jpg", "additional_image_urls": ["https://s/b.jpg"]}
        },
    ),
    FeedCase(
        name="xml-heureka",
        source="Heureka, as its specification has it",
        file="heureka.xml",
        content="""<?xml version="1.0" encoding="utf-8"?>
<SHOP><SHOPITEM><ITEM_ID>AB123</ITEM_ID><PRODUCTNAME>Nokia 5800</PRODUCTNAME><PRODUCT>Nokia 5800 + pouzdro</PRODUCT>
<DESCRIPTION>Telefon</DESCRIPTION><IMGURL>https://s/1.jpg</IMGURL><IMGURL_ALTERNATIVE>https://s/2.jpg</IMGURL_ALTERNATIVE>
<IMGURL_ALTERNATIVE>https://s/3.jpg</IMGURL_ALTERNATIVE>
<PRICE_VAT>6000 CZK</PRICE_VAT><MANUFACTURER>NOKIA</MANUFACTURER>
<CATEGORYTEXT>Elektronika | Mobily</CATEGORYTEXT><EAN>4006381333931</EAN><ITEMGROUP_ID>EF789</ITEMGROUP_ID>
<PARAM><PARAM_NAME>Barva</PARAM_NAME><VAL>černá</VAL></PARAM><PARAM><PARAM_NAME>Velikost</PARAM_NAME><VAL>XL</VAL></PARAM>
<ACCESSORY>CD456</ACCESSORY></SHOPITEM></SHOP>""".encode(),
        products={
            "AB123": {
                "title": "Nokia 5800",
                "image_url": "https://s/1.jpg",
                "additional_image_urls": ["https://s/2.jpg", "https://s/3.jpg"],
                "price": 6000.0,
                "brand": "NOKIA",
                "product_type": "Elektronika | Mobily",
                "item_group_id": "EF789",
                "color": "černá",
                "size": "XL",
                "gtin": "4006381333931",
            }
        },
    ),
    FeedCase(
        name="xml-zbozi-in-windows-1250",
        source="Zbozi.cz, with its namespace and in the encoding of Czech Windows",
        file="zbozi.xml",
        content='<?xml version="1.0" encoding="windows-1250"?><SHOP xmlns="http://www.zbozi.cz/ns/offer/1.0"><SHOPITEM>'
        "<ITEM_ID>62448</ITEM_ID><PRODUCTNAME>Slunečník</PRODUCTNAME><IMGURL>https://s/1.jpg</IMGURL>"
        "<CATEGORYTEXT>Dům | Zahrada</CATEGORYTEXT></SHOPITEM></SHOP>".encode("windows-1250"),
        products={"62448": {"title": "Slunečník", "product_type": "Dům | Zahrada", "image_url": "https://s/1.jpg"}},
    ),
    FeedCase(
        name="xml-heureka-of-images-by-repetition",
        source="a shop that repeats IMGURL, as several comparisons of the region allow",
        file="spring.xml",
        content=b"<SHOP><SHOPITEM><ITEM_ID>a</ITEM_ID><IMGURL>https://s/1.jpg</IMGURL><IMGURL>https://s/2.jpg</IMGURL>"
        b"</SHOPITEM></SHOP>",
        products={"a": {"image_url": "https://s/1.jpg", "additional_image_urls": ["https://s/2.jpg"]}},
    ),
    FeedCase(
        name="xml-glami",
        source="Glami in Romania",
        file="spring.xml",
        content="<SHOP><SHOPITEM><ITEM_ID>a</ITEM_ID><PRODUCTNAME>Rochie</PRODUCTNAME><ITEMGROUP_ID>g</ITEMGROUP_ID>"
        "<GLAMI_CATEGORY>Rochii</GLAMI_CATEGORY><PARAM><PARAM_NAME>Culoare</PARAM_NAME><VAL>roșu</VAL></PARAM>"
        "<PARAM><PARAM_NAME>mărime</PARAM_NAME><VAL>M</VAL></PARAM></SHOPITEM></SHOP>".encode(),
        products={"a": {"product_type": "Rochii", "color": "roșu", "size": "M", "item_group_id": "g"}},
    ),
    FeedCase(
        name="xml-ceneo",
        source="Ceneo: attributes of the element, nested ones, and all else in named ones",
        file="spring.xml",
        content="""<?xml version="1.0" encoding="utf-8"?>
<offers xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" version="1">
<o id="12" url="https://s/p/12" price="1299.99" avail="1" stock="5"><cat><![CDATA[Moda/Sukienki]]></cat>
<name><![CDATA[Sukienka]]></name><imgs><main url="https://s/1.jpg"/><i url="https://s/2.jpg"/>
<i url="https://s/3.jpg"/></imgs>
<desc><![CDATA[<b>Długa</b>]]></desc><attrs><a name="Producent"><![CDATA[Ania]]></a><a name="EAN">4006381333931</a>
<a name="Kolor">czerwony</a></attrs></o></offers>""".encode(),
        products={
            "12": {
                "title": "Sukienka",
                "price": 1299.99,
                "currency": "PLN",
                "image_url": "https://s/1.jpg",
                "additional_image_urls": ["https://s/2.jpg", "https://s/3.jpg"],
                "product_type": "Moda/Sukienki",
                "brand": "Ania",
                "gtin": "4006381333931",
                "color": "czerwony",
            }
        },
    ),
    FeedCase(
        name="xml-offers-offer",
        source="a price comparison of the like of Webkupiec, within a root of its own",
        file="spring.xml",
        content=b'<webkupiec generator="x"><offers><offer><id>a</id><name>Hat</name><image>https://s/a.jpg</image>'
        b'<price currency="PLN">9.50</price><category>Hats</category><producer>P</producer></offer>'
        b"</offers></webkupiec>",
        products={"a": {"title": "Hat", "image_url": "https://s/a.jpg", "price": 9.5, "currency": "PLN", "brand": "P"}},
    ),
    FeedCase(
        name="xml-kelkoo-offer-feed",
        source="Kelkoo's feed for publishers, whose prices and images are nested",
        file="spring.xml",
        content=b'<CatalogListings><Offer id="db40"><Title>Mixer</Title><Images><Image available="true">'
        b'<Url>https://s/a.jpg</Url></Image></Images><Category id="1"><Name>Fundgrube</Name></Category>'
        b'<Price currency="EUR"><Price>3.20</Price></Price></Offer></CatalogListings>',
        products={
            "db40": {
                "title": "Mixer",
                "image_url": "https://s/a.jpg",
                "product_type": "Fundgrube",
                "price": 3.2,
                "currency": "EUR",
            }
        },
    ),
    FeedCase(
        name="xml-arukereso",
        source="Arukereso of Hungary and its sisters Compari and Pazaruvaj",
        file="spring.xml",
        content='<?xml version="1.0" encoding="UTF-8"?><products><product><Identifier>a1</Identifier>'
        "<Manufacturer>Gorenje</Manufacturer><Name>Hűtő</Name><Category>Háztartás &gt; Hűtők</Category>"
        "<Product_url>https://s/p</Product_url><Price>99990</Price><Image_url>https://s/1.jpg</Image_url>"
        "<Image_url_2>https://s/2.jpg</Image_url_2><EAN_code>4006381333931</EAN_code></product></products>".encode(),
        products={
            "a1": {
                "title": "Hűtő",
                "brand": "Gorenje",
                "product_type": "Háztartás > Hűtők",
                "price": 99990.0,
                "currency": "HUF",
                "image_url": "https://s/1.jpg",
                "additional_image_urls": ["https://s/2.jpg"],
                "gtin": "4006381333931",
            }
        },
    ),
    FeedCase(
        name="xml-skroutz",
        source="Skroutz of Greece, whose root is the shop's name",
        file="spring.xml",
        content="<mywebstore><created_at>2024-05-01 10:00</created_at><products><product><uniqueid>322</uniqueid>"
        "<name><![CDATA[Φόρεμα]]></name><link>https://s/p</link><image>https://s/1.jpg</image>"
        "<additionalimage>https://s/2.jpg</additionalimage><category>Γυναίκα &gt; Φορέματα</category>"
        "<price_with_vat>19.90</price_with_vat><manufacturer>Zara</manufacturer><color>Μαύρο</color></product></products>"
        "</mywebstore>".encode(),
        products={
            "322": {
                "title": "Φόρεμα",
                "image_url": "https://s/1.jpg",
                "additional_image_urls": ["https://s/2.jpg"],
                "product_type": "Γυναίκα > Φορέματα",
                "price": 19.9,
                "currency": "EUR",
                "brand": "Zara",
                "color": "Μαύρο",
            }
        },
    ),
    FeedCase(
        name="xml-yandex-yml",
        source="Yandex Market Language with its DOCTYPE, categories by id, and repeated pictures",
        file="yml.xml",
        content="""<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE yml_catalog SYSTEM "shops.dtd">
<yml_catalog date="2024-05-01 17:22"><shop><name>BestSeller</name><currencies><currency id="RUR" rate="1"/></currencies>
<categories><category id="1">Одежда</category><category id="10" parentId="1">Платья</category></categories>
<offers><offer id="9012" available="true" group_id="77"><price>8990</price><currencyId>RUR</currencyId>
<categoryId>10</categoryId><picture>https://s/1.jpg</picture><picture>https://s/2.jpg</picture><vendor>Brand</vendor>
<name>Платье</name><param name="Цвет">белый</param><barcode>4006381333931</barcode></offer></offers></shop>
</yml_catalog>
""".encode(),
        products={
            "9012": {
                "title": "Платье",
                "product_type": "Одежда > Платья",
                "image_url": "https://s/1.jpg",
                "additional_image_urls": ["https://s/2.jpg"],
                "item_group_id": "77",
                "brand": "Brand",
                "price": 8990.0,
                "currency": "RUB",
                "color": "белый",
                "gtin": "4006381333931",
            }
        },
    ),
    FeedCase(
        name="xml-items-item",
        source="the example of a personalization vendor",
        file="spring.xml",
        content=b"<items><item><sku>111</sku><group_id>22</group_id><categories>mens|sport</categories><name>Shirt</name>"
        b"<image_url>https://s/1.jpg</image_url></item></items>",
        products={"111": {"title": "Shirt", "item_group_id": "22", "product_type": "mens|sport"}},
    ),
)
