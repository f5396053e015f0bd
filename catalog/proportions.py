"""Proportions: the interval of a share that was counted on few samples (Wilson 1927), and whether a share fell."""

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


def fall_p_value(before: tuple[int, int], now: tuple[int, int]) -> float:
    """How often chance alone would let a share fall as far: the one-sided z test of two proportions, pooled.

    Each side is (num_hits, num), num at least 1, of samples drawn apart.
    """
    for num_hits, num in (before, now):
        if not 0 <= num_hits <= num or num == 0:
            raise ValueError(f"{num_hits} of {num} is no share; count at least one sample")
    (hits, num), (hits_now, num_now) = before, now
    pooled = (hits + hits_now) / (num + num_now)
    spread = math.sqrt(pooled * (1 - pooled) * (1 / num + 1 / num_now))
    if spread == 0:  # all hit, or none: nothing fell
        return 1.0
    return 0.5 * math.erfc((hits / num - hits_now / num_now) / spread / math.sqrt(2))
