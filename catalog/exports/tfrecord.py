"""TFRecord: files of framed records, each a `tf.train.Example`, without TensorFlow.

A record is its length (uint64), that length's masked CRC-32C (uint32), the data, and the data's masked CRC-32C, all
little-endian. Sources: https://www.tensorflow.org/tutorials/load_data/tfrecord ("TFRecords format details") and
tensorflow/core/example/example.proto and feature.proto, in Protocol Buffers' wire format (https://protobuf.dev).
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from typing import BinaryIO

import google_crc32c

from catalog.exports.examples import Example

Feature = bytes | int | float | Sequence[bytes] | Sequence[int] | Sequence[float]

_MASK_DELTA = 0xA282EAD8
_LENGTH_DELIMITED = 2  # wire type; a tag is the field's number and this, in one varint
_BYTES_LIST, _FLOAT_LIST, _INT64_LIST = 1, 2, 3  # fields of Feature


class TFRecordSink:
    """Writes examples with the keys that TensorFlow's image models read: image/encoded, image/class/label and so on."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    @property
    def num_bytes(self) -> int:
        """Bytes written."""
        return self._file.tell()

    def write(self, example: Example) -> None:
        """Appends one example; one without a label has no key of the label."""
        features: dict[str, Feature] = {
            "image/encoded": example.image,
            "image/format": b"jpeg",
            "image/width": example.width,
            "image/height": example.height,
            "image/key/sha256": example.sha256.encode(),
            "product_id": example.product_id.encode(),
            "partner_id": example.partner_id.encode(),
            "group_id": example.group_id.encode(),
        }
        if example.label is not None and example.path is not None and example.levels is not None:
            features |= {
                "image/class/label": example.label,
                "image/class/text": example.path.encode(),
                "category_id": example.levels[-1],
                "levels": example.levels,
            }
        write_record(self._file, encode_example(features))

    def close(self) -> None:
        """Writes nothing more: a TFRecord file has no end."""

    def abort(self) -> None:
        """Gives the file up after an error."""


def write_record(file: BinaryIO, data: bytes) -> None:
    """Appends one framed record."""
    length = struct.pack("<Q", len(data))
    file.write(b"".join((length, _masked_crc(length), data, _masked_crc(data))))


def encode_example(features: Mapping[str, Feature]) -> bytes:
    """Encodes a `tf.train.Example`: bytes, 64-bit integers and 32-bit floats, one value or several of one type.

    Raises:
        TypeError: a value has another type, or values of several types.
    """
    entries = (
        _field(1, _field(1, name.encode()) + _field(2, _feature(values))) for name, values in sorted(features.items())
    )
    return _field(1, b"".join(entries))


def _feature(values: Feature) -> bytes:
    several: Sequence[object] = [values] if isinstance(values, (bytes, int, float)) else list(values)
    kinds = {type(value) for value in several}
    if kinds <= {bytes}:
        return _field(_BYTES_LIST, b"".join(_field(1, value) for value in several if isinstance(value, bytes)))
    if kinds == {int}:
        packed = b"".join(_varint(value & (1 << 64) - 1) for value in several if isinstance(value, int))
        return _field(_INT64_LIST, _field(1, packed))
    if kinds == {float}:
        return _field(_FLOAT_LIST, _field(1, struct.pack(f"<{len(several)}f", *several)))
    raise TypeError(f"{values!r} is no feature; give bytes, integers or floats, several of one type")


def _field(number: int, data: bytes) -> bytes:
    return _varint(number << 3 | _LENGTH_DELIMITED) + _varint(len(data)) + data


def _varint(value: int) -> bytes:
    digits = bytearray()
    while value > 0x7F:
        digits.append(value & 0x7F | 0x80)
        value >>= 7
    digits.append(value)
    return bytes(digits)


def _masked_crc(data: bytes) -> bytes:
    """Returns the rotated checksum with an offset, since a checksum of data that holds checksums would be weak."""
    crc = google_crc32c.value(data)
    return struct.pack("<I", ((crc >> 15 | crc << 17) + _MASK_DELTA) & 0xFFFFFFFF)
