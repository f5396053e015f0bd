"""All redeliveries: repaired, broken, cut, re-spelled, relinked, relabeled, or of another shop."""

from tests.faults.dirty import (
    redelivered_cut,
    redelivered_headers,
    redelivered_links,
    redelivered_others,
    redelivered_parts,
    redelivered_spellings,
)
from tests.faults.dirty.redelivery_case import RedeliveryCase

CASES: tuple[RedeliveryCase, ...] = (
    *redelivered_headers.CASES,
    *redelivered_cut.CASES,
    *redelivered_spellings.CASES,
    *redelivered_links.CASES,
    *redelivered_others.CASES,
    *redelivered_parts.CASES,
)
