"""TFRecord: records of any features come back from Protocol Buffers, with checksums that another library computes."""

import io
import struct
from typing import Any

import crc32c
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tfrecord.example_pb2 import Example

from catalog.exports.tfrecord import encode_example, write_record

INTEGERS = st.integers(-(2**63), 2**63 - 1)
FLOATS = st.floats(width=32, allow_nan=False)
VALUES = (
    st.binary(max_size=300)
    | INTEGERS
    | FLOATS
    | st.lists(st.binary(max_size=9), max_size=4)
    | st.lists(INTEGERS, min_size=1, max_size=4)
    | st.lists(FLOATS, min_size=1, max_size=4)
)


@given(st.dictionaries(st.text(max_size=8), VALUES, max_size=5))
def test_an_example_comes_back_from_protocol_buffers(features: dict[str, Any]) -> None:
    parsed = Example.FromString(encode_example(features))
    found = {name: list(getattr(each, each.WhichOneof("kind")).value) for name, each in parsed.features.feature.items()}
    assert found == {name: value if isinstance(value, list) else [value] for name, value in features.items()}


@given(st.binary(max_size=300))
def test_a_record_has_the_masked_checksums_of_its_length_and_data(data: bytes) -> None:
    file = io.BytesIO()
    write_record(file, data)
    length, length_crc = struct.unpack("<QI", file.getvalue()[:12])
    assert (length, file.getvalue()[12:-4]) == (len(data), data)
    for crc, covered in ((length_crc, file.getvalue()[:8]), (struct.unpack("<I", file.getvalue()[-4:])[0], data)):
        plain = crc32c.crc32c(covered)
        assert crc == ((plain >> 15 | plain << 17) + 0xA282EAD8) % 2**32


def test_the_checksum_is_that_of_the_specification() -> None:
    """CRC-32C of 32 zero bytes is 8A9136AA (RFC 3720, B.4)."""
    file = io.BytesIO()
    write_record(file, bytes(32))
    [masked] = struct.unpack("<I", file.getvalue()[-4:])
    rotated = (masked - 0xA282EAD8) % 2**32
    assert (rotated >> 17 | rotated << 15) % 2**32 == 0x8A9136AA


def test_values_of_several_types_are_refused() -> None:
    with pytest.raises(TypeError, match=r"\[1, b'a'\] is no feature; give bytes, integers or floats"):
        encode_example({"mixed": [1, b"a"]})  # type: ignore[dict-item]
