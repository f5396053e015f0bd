"""Proportions: the interval of a share that was counted on few samples (Wilson 1927)."""

from __future__ import annotations

import math

_Z = 1.959964  # of a normal distribution's middle 95 %


def wilson_interval(num_hits: int, num: int) -> tuple[float, float]:
    """The 95 % interval of a share counted on `num` samples; unlike a bootstrap's it has a width at 0 and at 1 too.

    Raises ValueError where there is no sample.
    """
    if not 0 <= num_hits <= num or num == 0:
        raise ValueError(f"{num_hits} of {num} is no share; count at least one sample")
    share = num_hits / num
    centre = (share + _Z**2 / (2 * num)) / (1 + _Z**2 / num)
    half = _Z * math.sqrt(share * (1 - share) / num + (_Z / (2 * num)) ** 2) / (1 + _Z**2 / num)
    # At the ends the equation's solutions are exactly 0 and 1, but for rounding.
    return 0.0 if num_hits == 0 else centre - half, 1.0 if num_hits == num else centre + half
