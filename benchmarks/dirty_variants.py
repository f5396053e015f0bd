"""One Merchant feed of any size, as it might arrive from partners whose exports go wrong in different ways."""

import csv
import html
import io
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

from benchmarks.product_feeds import HEADER, part

DAMAGED_EVERY = 100  # items of the damaged XML feed
Rows = Sequence[Sequence[str]]


def rows_of(num_rows: int) -> Rows:
    """The feed's rows, all of them good; a text has a quote, a line break, an ampersand or an umlaut now and then."""
    rows = [list(map(str, row)) for row in part(1, num_rows).iter_rows()]
    title = HEADER.index("title")
    for number, row in enumerate(rows):
        row[title] += ("", ' 24"', " M\u00fcller & S\u00f6hne", " na\u00efve")[number % 4]
    return rows


def as_windows_1252(rows: Rows) -> bytes:
    """Tab-separated text in the encoding of a German spreadsheet, with its line ends."""
    lines = ["\t".join(HEADER), *("\t".join(row) for row in rows)]
    return "\r\n".join(lines).encode("cp1252") + b"\r\n"


def as_semicolons(rows: Rows) -> bytes:
    """Fields separated by semicolons in a file named .txt, quoted ones with line breaks, prices with decimal commas."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=";", lineterminator="\r\n")
    writer.writerow(HEADER)
    price, description = HEADER.index("price"), HEADER.index("description")
    for row in rows:
        changed = list(row)
        changed[price] = changed[price].replace(".", ",")
        changed[description] = changed[description].replace(" ", "\n", 1)
        writer.writerow(changed)
    return b"\xef\xbb\xbf" + text.getvalue().encode()


def as_damaged_xml(rows: Rows) -> bytes:
    """RSS whose every hundredth item has a bare `&`, a control character, or an element that is not closed."""
    items = [b'<?xml version="1.0" encoding="utf-8"?>\n<rss xmlns:g="http://base.google.com/ns/1.0"><channel>']
    for number, row in enumerate(rows):
        values = zip(HEADER, row, strict=True)
        item = "".join(f"<g:{name}>{html.escape(value, quote=False)}</g:{name}>" for name, value in values)
        if number % DAMAGED_EVERY == 0:
            item = DAMAGES[number // DAMAGED_EVERY % len(DAMAGES)](item)
        items.append(f"<item>{item}</item>".encode())
    items.append(b"</channel></rss>")
    return b"\n".join(items)


def with_a_stray_tab(rows: Rows) -> bytes:
    """The feed of `as_windows_1252` whose header has a tab too much, so that every column has another's name."""
    content = as_windows_1252(rows)
    return b"\t" + content


DAMAGES: Sequence[Callable[[str], str]] = (
    lambda item: item.replace("<g:title>", "<g:title>Tom & ", 1),
    lambda item: item.replace("<g:title>", "<g:title>\x0b", 1),
    lambda item: item.replace("</g:title>", "</g:name>", 1),
)
# The partner and file that a variant is dropped as; the last two are redeliveries of the first.
VARIANTS: Mapping[str, tuple[str, str, Callable[[Rows], bytes]]] = MappingProxyType(
    {
        "encoding": ("north", "feed.tsv", as_windows_1252),
        "dialect": ("south", "feed.txt", as_semicolons),
        "damaged XML": ("west", "feed.xml", as_damaged_xml),
        "redelivered with a broken header": ("north", "feed.tsv", with_a_stray_tab),
        "redelivered repaired": ("north", "feed.tsv", lambda rows: as_windows_1252(rows) + b"\r\n"),
    }
)
