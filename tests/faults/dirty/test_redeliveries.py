"""No redelivery damages what an earlier one brought: each is judged, and one that is held back replaces nothing."""

import re
from collections import Counter
from pathlib import Path

import pytest

from catalog.feeds.sources import InboxError
from tests.faults.dirty.redelivering import Catalog
from tests.faults.dirty.redelivery_case import RedeliveryCase
from tests.faults.dirty.redelivery_cases import CASES


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_redelivery(case: RedeliveryCase, tmp_path: Path) -> None:
    catalog = Catalog(tmp_path, case.settings)
    limits = [case.max_rows[min(number, len(case.max_rows) - 1)] for number in range(len(case.feeds))]
    for content, max_rows in zip(case.feeds[:-1], limits[:-1], strict=True):
        catalog.deliver(content, case.file, max_rows)
    before, counts = files(tmp_path), catalog.counts()
    verdict, message = "refused", ""
    try:
        judged = catalog.deliver(case.feeds[-1], case.file, limits[-1])
        verdict, message = judged.state, judged.message
    except InboxError as error:
        message = str(error)
    assert verdict == case.verdict, message
    assert re.search(case.message, message), message
    assert catalog.counts() == (case.current, case.removed)
    if verdict == "held":
        assert (files(tmp_path), catalog.counts()) == (before, counts)
        reads_aloud(message)


def files(folder: Path) -> dict[str, bytes]:
    """The bytes of the tables."""
    return {
        str(path): path.read_bytes()
        for path in sorted(folder.glob("products/*/*")) + sorted(folder.glob("rejected/*/*"))
    }


def reads_aloud(message: str) -> None:
    """A message says what happened, what is served meanwhile, and what to do, in whole sentences."""
    assert message.startswith("Version ")
    assert "is held back" in message
    assert "nothing is replaced" in message or "nothing of it is in the catalog yet" in message
    assert "deliver the corrected file under the same name" in message
    assert message.count("shelfsight feed accept hansen.spring") == 1
    assert "  " not in message and "None" not in message


def test_names_are_unique() -> None:
    assert not [name for name, number in Counter(each.name for each in CASES).items() if number > 1]
    assert len(CASES) >= 35
