"""Faults of a real catalog's links at their published rates, determined by image id and seed.

Of all links 1 % are invalid, in the feed itself, and 12 % lead to no image; a few more fail once and then
succeed. Feed (`image_link`) and shop (`faulty_response`) agree, because both call `fault_of`.
"""

from __future__ import annotations

import hashlib
import struct
import zlib
from enum import StrEnum
from functools import cache
from urllib.parse import quote


class Fault(StrEnum):
    """The fault of an image's link."""

    INVALID_LINK = "invalid_link"  # in the feed itself
    NOT_FOUND = "not_found"  # 404
    GONE = "gone"  # 410
    HOME = "home"  # a redirect to the home page
    HTML = "html"  # an error page with status 200
    TRUNCATED = "truncated"  # half a JPEG
    STALL = "stall"  # a response that stops in the middle and never ends
    REFUSED = "refused"  # 429, every time
    BROKEN = "broken"  # 500, every time
    BOMB = "bomb"  # 40,000 x 40,000 pixels
    FLAKY = "flaky"  # 500 once, then fine
    THROTTLED = "throttled"  # 429 with Retry-After once, then fine


# Shares of all links. The first is the published 1 %, the next nine are the published 12 % together, the last
# two end well and come on top.
RATES = {
    Fault.INVALID_LINK: 0.010,
    Fault.NOT_FOUND: 0.050,
    Fault.GONE: 0.015,
    Fault.HOME: 0.020,
    Fault.HTML: 0.015,
    Fault.TRUNCATED: 0.007,
    Fault.STALL: 0.005,
    Fault.REFUSED: 0.003,
    Fault.BROKEN: 0.003,
    Fault.BOMB: 0.002,
    Fault.FLAKY: 0.010,
    Fault.THROTTLED: 0.0003,  # each one pauses the whole host
}
RETRY_AFTER_S = 1
_INVALID_LINKS = ("", "n/a", "http://", "image.jpg", "htp:/shop/image.jpg", "ftp://shop.example/image.jpg")
SORRY_PAGE = b"<!doctype html><title>Sorry</title><p>This product is no longer sold."


def fault_of(image_id: str, seed: int) -> Fault | None:
    """Returns the fault of this image's link, or None."""
    point = _fraction(image_id, seed)
    for fault, rate in RATES.items():
        if point < rate:
            return fault
        point -= rate
    return None


def image_link(shop_url: str, image_id: str, seed: int) -> str:
    """Returns the link of this image in a feed: to the shop, or an invalid one where the fault is in the feed."""
    if fault_of(image_id, seed) is Fault.INVALID_LINK:
        return _INVALID_LINKS[int(_fraction(image_id, seed + 1) * len(_INVALID_LINKS))]
    return f"{shop_url}/p/{quote(image_id, safe='')}.jpg"


def _fraction(image_id: str, seed: int) -> float:
    """Returns a number in [0, 1) determined by id and seed."""
    digest = hashlib.blake2b(f"{seed}:{image_id}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") / 2**64


@cache
def bomb() -> bytes:
    """Returns a valid PNG of 40,000 x 40,000 black pixels: 200 MB decompressed, 200 KB on the network."""
    side = 40_000
    num_bytes = side * (1 + side // 8)  # a row is a filter byte and one bit a pixel, all zeros
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    # A flushed part is self-contained, so one fortieth is compressed once and repeated within zlib's frame.
    part = packer.compress(bytes(num_bytes // 40)) + packer.flush(zlib.Z_FULL_FLUSH)
    checksum = (num_bytes % 65_521) << 16 | 1  # Adler-32 of zeros
    pixels = b"\x78\xda" + part * 40 + b"\x03\x00" + struct.pack(">I", checksum)
    header = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", pixels), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )


def http_response(status: str, body: bytes = b"", kind: str = "text/html", headers: str = "") -> bytes:
    """Returns a complete HTTP response; `headers` are lines that end in CRLF."""
    head = f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n{headers}\r\n"
    return head.encode() + body


_FIXED_RESPONSES = {
    Fault.INVALID_LINK: http_response("404 Not Found", SORRY_PAGE),
    Fault.NOT_FOUND: http_response("404 Not Found", SORRY_PAGE),
    Fault.GONE: http_response("410 Gone", SORRY_PAGE),
    Fault.HOME: http_response("302 Found", headers="Location: /\r\n"),
    Fault.HTML: http_response("200 OK", SORRY_PAGE, "image/jpeg"),
    Fault.REFUSED: http_response("429 Too Many Requests"),
    Fault.THROTTLED: http_response("429 Too Many Requests", headers=f"Retry-After: {RETRY_AFTER_S}\r\n"),
    Fault.BROKEN: http_response("500 Internal Server Error"),
    Fault.FLAKY: http_response("500 Internal Server Error"),
}


def faulty_response(fault: Fault, data: bytes) -> bytes:
    """Returns the response with this fault for an image of these bytes."""
    if fault is Fault.TRUNCATED:
        return http_response("200 OK", data[: len(data) // 2], "image/jpeg")
    if fault is Fault.STALL:
        return http_response("200 OK", data, "image/jpeg")[: -len(data) // 2]
    if fault is Fault.BOMB:
        return http_response("200 OK", bomb(), "image/png")
    return _FIXED_RESPONSES[fault]
