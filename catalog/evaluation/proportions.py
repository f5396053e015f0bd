"""Proportions: Wilson's interval of a share (1927), and the test for a fall between two shares."""

from __future__ import annotations

import math

_Z = 1.959964  # of a normal distribution's middle 95 %


def wilson_interval(num_hits: int, num: int) -> tuple[float, float]:
    """Returns Wilson's 95 % interval of `num_hits` of `num`; unlike a bootstrap's it has a width at 0 and 1 too.

    Raises ValueError for no sample.
    """
    if not 0 <= num_hits <= num or num == 0:
        raise ValueError(f"{num_hits} of {num} is not a share; count at least one sample")
    share = num_hits / num
    center = (share + _Z**2 / (2 * num)) / (1 + _Z**2 / num)
    half = _Z * math.sqrt(share * (1 - share) / num + (_Z / (2 * num)) ** 2) / (1 + _Z**2 / num)
    # At the ends the exact solutions are 0 and 1; rounding would miss them.
    return 0.0 if num_hits == 0 else center - half, 1.0 if num_hits == num else center + half


def fall_p_value(before: tuple[int, int], now: tuple[int, int]) -> float:
    """Returns the probability that a share falls as far by chance: the pooled one-sided z test of two proportions.

    Each side is (num_hits, num), num at least 1, of independent samples.
    """
    for num_hits, num in (before, now):
        if not 0 <= num_hits <= num or num == 0:
            raise ValueError(f"{num_hits} of {num} is not a share; count at least one sample")
    (hits, num), (hits_now, num_now) = before, now
    pooled = (hits + hits_now) / (num + num_now)
    spread = math.sqrt(pooled * (1 - pooled) * (1 / num + 1 / num_now))
    if spread == 0:  # all hit, or none: nothing fell
        return 1.0
    return 0.5 * math.erfc((hits / num - hits_now / num_now) / spread / math.sqrt(2))
