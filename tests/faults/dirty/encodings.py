"""Feeds in other encodings than UTF-8, and feeds of UTF-8 with wrong bytes."""

from tests.faults.dirty.feed_case import FeedCase

HEADER = "id\ttitle\timage_link\tgoogle_product_category\tbrand\n"


def _row(name: str, title: str, brand: str = "Hansen") -> str:
    return f"{name}\t{title}\thttps://shop.example/{name}.jpg\t2271\t{brand}\n"


def _feed(*titles: str) -> str:
    return HEADER + "".join(_row(f"p{number}", title) for number, title in enumerate(titles, 1))


def _products(*titles: str) -> dict[str, dict[str, object]]:
    return {f"p{number}": {"title": title, "category_id": 2271} for number, title in enumerate(titles, 1)}


def _encoded(name: str, source: str, encoding: str, titles: tuple[str, ...], prefix: bytes = b"") -> FeedCase:
    return FeedCase(
        name=name,
        source=source,
        file="spring.txt",
        content=prefix + _feed(*titles).encode(encoding),
        products=_products(*titles),
    )


GERMAN = ("Grünes Kleid, Größe 42", "Weiße Bluse für Damen", "Käthe Übergröße – schön")
FRENCH = ("Robe d'été légère à fleurs", "Canapé déjà monté – côté fenêtre", "Chaussures à lacets pour garçon")
POLISH = ("Sukienka letnia żółta w kwiaty", "Łóżko tapicerowane na pościel", "Krzesło składane, dąb")
CZECH = ("Dámské šaty červené", "Křeslo houpací z masivního dřeva", "Dětské boty na suchý zip – žluté")
HUNGARIAN = ("Női nyári ruha, kék virágos", "Férfi bőr cipő, kényelmes", "Fűthető takaró, hőszabályzós")
TURKISH = ("Kadın elbise kırmızı çiçekli", "Erkek ayakkabı siyah, şık", "Yüksek kaliteli gömlek ve İnce")
GREEK = ("Γυναικείο φόρεμα καλοκαιρινό", "Ανδρικά παπούτσια μαύρα δερμάτινα", "Καρέκλα κήπου ξύλινη")
RUSSIAN = ("Платье женское летнее красное", "Мужские ботинки из кожи", "Стул деревянный складной")
LITHUANIAN = ("Moteriška vasarinė suknelė gėlėta", "Vyriški odiniai batai juodi", "Medinė kėdė ąžuolinė")


def _late_umlaut() -> bytes:
    rows = "".join(_row(f"a{number}", "Shoe") for number in range(9_000))
    return (HEADER + rows + _row("late", "Größe 42 für Männer")).encode("cp1252")


def _mixed() -> bytes:
    good = _feed(*GERMAN * 3).encode()
    return good + b"m1\tGr\xfcner Hut\thttps://shop.example/m1.jpg\t2271\tHansen\n"


CASES = (
    _encoded("utf-8-with-byte-order-mark", "a feed saved by Windows' editor", "utf-8", GERMAN, b"\xef\xbb\xbf"),
    _encoded("windows-1252-german", "a shop system of the nineties", "cp1252", GERMAN),
    _encoded("windows-1252-french", "an export of an ERP system", "cp1252", FRENCH),
    _encoded(
        "iso-8859-15-french",
        "an export of a Unix system",
        "iso8859-15",
        tuple(each.replace("–", "-") for each in FRENCH),
    ),
    _encoded("windows-1250-polish", "a Polish shop's export", "cp1250", POLISH),
    _encoded("iso-8859-2-polish", "a Polish shop's export from Unix", "iso8859-2", POLISH),
    _encoded("windows-1250-czech", "a Czech shop's export", "cp1250", CZECH),
    _encoded("windows-1250-hungarian", "a Hungarian shop's export", "cp1250", HUNGARIAN),
    _encoded("windows-1254-turkish", "a Turkish shop's export", "cp1254", TURKISH),
    _encoded("windows-1253-greek", "a Greek shop's export", "cp1253", GREEK),
    _encoded("windows-1251-russian", "a Russian shop's export", "cp1251", RUSSIAN),
    _encoded("koi8-r-russian", "an old mail system", "koi8-r", RUSSIAN),
    _encoded("windows-1257-lithuanian", "a Lithuanian shop's export", "cp1257", LITHUANIAN),
    _encoded("dos-code-page-850", "Excel's CSV (MS-DOS)", "cp850", tuple(each.replace("–", "-") for each in GERMAN)),
    _encoded("mac-roman", "Excel's CSV (Macintosh)", "mac-roman", GERMAN),
    _encoded("utf-16-with-mark", "Excel's Unicode text", "utf-16", POLISH),
    _encoded("utf-16-big-endian-with-mark", "a Java program", "utf-16-be", GERMAN, b"\xfe\xff"),
    _encoded("utf-16-without-mark", "SQL Server's bcp -w", "utf-16-le", GREEK),
    _encoded("utf-16-big-endian-without-mark", "an AS/400", "utf-16-be", RUSSIAN),
    _encoded("utf-32-without-mark", "a script that dumps wchar_t", "utf-32-le", GERMAN),
    FeedCase(
        name="umlaut-after-the-sample",
        source="a large English feed with one German product near its end",
        file="spring.tsv",
        content=_late_umlaut,
        products={**{f"a{number}": {} for number in range(9_000)}, "late": {"title": "Größe 42 für Männer"}},
    ),
    FeedCase(
        name="utf-8-with-a-row-of-windows-1252",
        source="a feed to which one row was pasted from elsewhere",
        file="spring.tsv",
        content=_mixed,
        products={**_products(*GERMAN * 3), "m1": {"title": "Grüner Hut"}},
    ),
    FeedCase(
        name="utf-8-text-cut-within-a-character",
        source="a database column of 20 bytes",
        file="spring.tsv",
        content=_feed(*GERMAN).encode() + b"c1\tEin Kleid, gr\xc3\thttps://shop.example/c1.jpg\t2271\tHansen\n",
        products={**_products(*GERMAN), "c1": {"title": "Ein Kleid, gr"}},
    ),
    FeedCase(
        name="utf-8-surrogates-in-utf-8",
        source="Oracle's and old MySQL's UTF-8, in which an emoji takes six bytes",
        file="spring.tsv",
        content=_feed(*GERMAN).encode() + b"e1\tShoe \xed\xa0\xbd\xed\xb1\x9f\thttps://shop.example/e.jpg\t2271\tH\n",
        products={**_products(*GERMAN), "e1": {"title": "Shoe \U0001f45f"}},
    ),
    FeedCase(
        name="utf-8-wrong-byte-in-an-id",
        source="a feed with one damaged id, which would name another product",
        file="spring.tsv",
        content=_feed(*GERMAN).encode() + b"x\xff\tHat\thttps://shop.example/x.jpg\t2271\tHansen\n",
        products=_products(*GERMAN),
        rejected={"invalid_utf8": 1},
    ),
    FeedCase(
        name="setting-overrides-detection",
        source="a partner who says that the feed is Windows-1250, though few letters show it",
        file="spring.tsv",
        content=_feed("ma\xb3y".replace("\xb3", "ł")).encode("cp1250"),
        products={"p1": {"title": "mały"}},
        settings='encoding = "windows-1250"',
    ),
    FeedCase(
        name="unknown-byte-of-windows-1252",
        source="a Windows feed with a byte that has no meaning",
        file="spring.tsv",
        content=_feed(*GERMAN).encode("cp1252") + b"u1\tHut \x81\thttps://shop.example/u.jpg\t2271\tHansen\n",
        products={**_products(*GERMAN), "u1": {"title": "Hut \ufffd"}},
    ),
    FeedCase(
        name="utf-16-cut-within-a-character",
        source="an upload that was cut off",
        file="spring.txt",
        content=_feed(*POLISH).encode("utf-16")[:-3],
        refusal="ends within a character of utf-16-le",
    ),
    FeedCase(
        name="utf-16-json-lines",
        source="PowerShell's redirection of JSON",
        file="spring.jsonl",
        content='{"id": "p1", "title": "Größe", "image_link": "https://shop.example/1.jpg"}\r\n'.encode("utf-16"),
        products={"p1": {"title": "Größe"}},
    ),
)
