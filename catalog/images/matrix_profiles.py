"""Matrix profiles: ICC profiles of RGB colors that are known by their primaries, white point and transfer curve.

PNG's chunks gAMA, cHRM and cICP and AVIF's `nclx` name colors by such figures. A profile made of them is converted by
the same library, and under the same limits, as one that a file embeds (ICC.1:2022, sections 8.3 and 10).
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

D50 = (0.9642, 1.0, 0.8249)  # XYZ of the white of every profile
SRGB_CURVE = (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)  # IEC 61966-2-1
# Bradford's cone responses, by which colors are adapted to another white (ICC.1:2022, annex E).
_BRADFORD = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])


@dataclass(frozen=True, kw_only=True)
class Primaries:
    """The chromaticities (x, y) of red, green, blue and white."""

    red: tuple[float, float]
    green: tuple[float, float]
    blue: tuple[float, float]
    white: tuple[float, float] = (0.3127, 0.3290)  # D65


SRGB_PRIMARIES = Primaries(red=(0.64, 0.33), green=(0.30, 0.60), blue=(0.15, 0.06))
P3_PRIMARIES = Primaries(red=(0.68, 0.32), green=(0.265, 0.69), blue=(0.15, 0.06))
BT2020_PRIMARIES = Primaries(red=(0.708, 0.292), green=(0.17, 0.797), blue=(0.131, 0.046))


def matrix_profile(primaries: Primaries, curve: Sequence[float]) -> bytes:
    """Returns an ICC profile for these primaries.

    Args:
        primaries: of the colors.
        curve: a gamma alone, or the five parameters (g, a, b, c, d) of an ICC curve of type 3: (ax + b)^g from d on,
            and cx below.

    Raises:
        ValueError: no colors have such primaries, or a number is out of the range of a profile.
    """
    colorants = _colorants(primaries)
    kind = 3 if len(curve) > 1 else 0
    transfer = b"para\0\0\0\0" + struct.pack(">HH", kind, 0) + b"".join(_fixed(each) for each in curve)
    tags = {
        b"wtpt": _xyz(D50),
        b"rXYZ": _xyz(colorants[:, 0]),
        b"gXYZ": _xyz(colorants[:, 1]),
        b"bXYZ": _xyz(colorants[:, 2]),
        b"rTRC": transfer,
        b"gTRC": transfer,
        b"bTRC": transfer,
    }
    return profile_of(tags, space=b"RGB ")


def profile_of(tags: dict[bytes, bytes], *, space: bytes, connection: bytes = b"XYZ ") -> bytes:
    """Returns an ICC profile of a display with these tags, each of whole words, for a color space."""
    offset = 128 + 4 + 12 * len(tags)
    table, content = struct.pack(">I", len(tags)), b""
    for name, data in tags.items():
        table += name + struct.pack(">II", offset + len(content), len(data))
        content += data
    # Version 2: LittleCMS would scale black to black before or behind a profile of version 4, which browsers do not.
    head = struct.pack(">I4sI4s4s4s", offset + len(content), bytes(4), 0x02100000, b"mntr", space, connection)
    head += bytes(12) + b"acsp" + bytes(28) + b"".join(_fixed(each) for each in D50)
    return head.ljust(128, b"\0") + table + content


def _colorants(primaries: Primaries) -> NDArray[np.float64]:
    """The XYZ of red, green and blue, in columns, adapted to D50."""
    points = [primaries.red, primaries.green, primaries.blue]
    if any(y <= 0 for _, y in (*points, primaries.white)):
        raise ValueError(f"no colors have primaries without luminance: {primaries}")
    directions = np.array([_from_chromaticity(*each) for each in points]).T
    white = np.array(_from_chromaticity(*primaries.white))
    try:
        matrix = directions * np.linalg.solve(directions, white)
    except np.linalg.LinAlgError as error:
        raise ValueError(f"no colors have primaries on one line: {primaries}") from error
    scale = (_BRADFORD @ np.array(D50)) / (_BRADFORD @ white)
    adapted: NDArray[np.float64] = np.linalg.solve(_BRADFORD, scale[:, None] * (_BRADFORD @ matrix))
    return adapted


def _from_chromaticity(x: float, y: float) -> tuple[float, float, float]:
    return x / y, 1.0, (1 - x - y) / y


def _xyz(values: Sequence[float] | NDArray[np.float64]) -> bytes:
    return b"XYZ \0\0\0\0" + b"".join(_fixed(float(each)) for each in values)


def _fixed(value: float) -> bytes:
    """A number of 16 bits before and 16 behind the point."""
    try:
        return struct.pack(">i", round(value * 65_536))
    except (struct.error, OverflowError, ValueError) as error:
        raise ValueError(f"{value} is out of the range of a color profile, -32768 to 32767") from error
