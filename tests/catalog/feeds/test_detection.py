"""Encodings, layouts and quotes are detected by samples of a feed, and what was recorded is never detected again."""

import io
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from catalog.feeds.encodings import detect_encoding, text_encoding
from catalog.feeds.feed import DEFAULT_OPTIONS, ReadOptions
from catalog.feeds.findings import Findings
from catalog.feeds.formats import FEED_READERS
from catalog.feeds.layouts import detect_layout
from catalog.feeds.quoting import Dialect, Quotes
from catalog.feeds.repairs import repaired_text
from catalog.feeds.transcoding import as_utf8
from tests.catalog.feeds.reading import Trickle

WIDE = ("utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be")
LINES = st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20), max_size=20)


@given(lines=LINES, encoding=st.sampled_from(WIDE), num_bytes=st.integers(1, 50))
@settings(max_examples=60, deadline=None)
def test_any_text_of_a_wide_encoding_is_read_as_python_decodes_it(
    lines: list[str], encoding: str, num_bytes: int
) -> None:
    text = "id\ttitle\timage_link\n" * 20 + "\n".join(lines)
    content = text.encode(encoding)
    for source in (io.BytesIO(content), Trickle(content, num_bytes)):
        stream = as_utf8(source, "feed.x", DEFAULT_OPTIONS)  # type: ignore[arg-type]
        found = b"".join(iter(lambda stream=stream: stream.read(num_bytes), b""))  # type: ignore[misc]
        assert found.removeprefix(b"\xef\xbb\xbf").decode() == text


@given(text=st.text(st.sampled_from("abc äöüßÄÖÜé,;\t\n"), min_size=30, max_size=300))
@settings(max_examples=60, deadline=None)
def test_utf_8_is_never_taken_for_another_encoding(text: str) -> None:
    assert detect_encoding([text.encode()]).name == "utf-8"


@given(value=st.text(max_size=30))
def test_whole_text_needs_no_repair(value: str) -> None:
    encoded = value.encode("utf-8", errors="replace")
    assert repaired_text(encoded) == encoded.decode()


@given(value=st.binary(max_size=40))
def test_any_bytes_are_repaired_to_text(value: bytes) -> None:
    assert len(repaired_text(value).encode()) <= 3 * len(value)


def test_recorded_findings_are_used_whatever_the_samples_say() -> None:
    content = "id;title\na;mały\n".encode("cp1250")
    recorded = {"encoding": "cp1250", "delimiter": ";"}
    options = replace(DEFAULT_OPTIONS, findings=Findings(recorded))
    [batch] = FEED_READERS["csv"](io.BytesIO(content), "feed.x", options)
    assert batch.rows["title"].to_list() == ["mały"]
    assert options.detected("delimiter") == ";"


def test_encoding_and_delimiter_are_noted_with_their_confidence() -> None:
    options = replace(DEFAULT_OPTIONS, findings=Findings())
    content = "id;title\na;Größe\nb;Gürtel\n".encode("cp1252")
    [batch] = FEED_READERS["csv"](io.BytesIO(content), "feed.x", options)
    assert batch.rows["title"].to_list() == ["Größe", "Gürtel"]
    assert (options.detected("encoding"), options.detected("delimiter")) == ("cp1252", ";")
    assert 0.5 <= float(options.detected("encoding_confidence") or 0) < 1


@pytest.mark.parametrize(
    ("name", "known"), [("Windows-1250", "cp1250"), ("UTF8", "utf-8"), ("rot13", None), ("x", None)]
)
def test_text_encodings_are_known_by_any_of_their_names(name: str, known: str | None) -> None:
    assert text_encoding(name) == known


@pytest.mark.parametrize(
    ("head", "delimiter", "skipped"),
    [
        (b"id,title,a;b\n1,x,y\n", ",", 0),
        (b"Our products; all of them, 2024\nid;title;price\n1;x;3,50\n", ";", 1),
        (b"# a | b | c\n# d | e\nid\ttitle\n1\tx\n", "\t", 2),
    ],
)
def test_the_delimiter_is_that_of_the_header(head: bytes, delimiter: str, skipped: int) -> None:
    layout = detect_layout(head, "feed.x", ReadOptions(), ",")
    assert (layout.dialect.delimiter.decode(), layout.num_skipped) == (delimiter, skipped)


@given(content=st.lists(st.sampled_from([b'"', b'""', b"a", b",", b"\n", b"\r\n", b"://"]), max_size=60).map(b"".join))
@settings(max_examples=150, deadline=None)
def test_records_of_several_lines_end_at_line_ends_and_close_their_quotes(content: bytes) -> None:
    spans, end = Quotes(Dialect(b",")).records_over_lines(content, is_last=True)
    assert end == len(content)
    for start, stop in spans:
        assert start == 0 or content[start - 1 : start] == b"\n"
        assert stop == len(content) or content[stop : stop + 1] == b"\n"
        assert any(b"\n" in field for field in Dialect(b",").split(content[start:stop]))
