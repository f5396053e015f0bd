"""Redeliveries whose ids are spelled in another way."""

import unicodedata

from tests.faults.dirty.redelivered_feeds import GOOD, N, feed, ids
from tests.faults.dirty.redelivery_case import RedeliveryCase

CASES = (
    RedeliveryCase(
        name="ids-in-lower-case",
        source="a shop system that folds case",
        feeds=(GOOD, feed([each.lower() for each in ids()])),
        message=r"ids are those of the served version in another case: 'SKU-1001' has become 'sku-1001'",
        current=N,
    ),
    RedeliveryCase(
        name="ids-with-a-prefix",
        source="a feed manager that puts the country before ids",
        feeds=(GOOD, feed([f"DE_{each}" for each in ids()])),
        message=r"with 'DE_' added at the start: 'SKU-1001' has become 'DE_SKU-1001'",
        current=N,
    ),
    RedeliveryCase(
        name="ids-without-their-prefix",
        source="a feed manager that leaves the shop's code away",
        feeds=(GOOD, feed([each.removeprefix("SKU-") for each in ids()])),
        message=r"with 'SKU-' removed at the start: 'SKU-1001' has become '1001'",
        current=N,
    ),
    RedeliveryCase(
        name="ids-with-a-suffix",
        source="a marketplace that adds the seller",
        feeds=(GOOD, feed([f"{each}@hansen" for each in ids()])),
        message=r"with '@hansen' added at the end",
        current=N,
    ),
    RedeliveryCase(
        name="ids-padded-with-zeros",
        source="a mainframe's fixed-width numbers",
        feeds=(feed([str(each) for each in range(1, N)]), feed([f"{each:08}" for each in range(1, N)])),
        message=r"with other zeros before numbers: '1' has become '00000001'",
        current=N - 1,
    ),
    RedeliveryCase(
        name="ids-as-floating-point-numbers",
        source="a pandas column with missing values",
        feeds=(feed([str(each) for each in range(1, N)]), feed([f"{each}.0" for each in range(1, N)])),
        message=r"with or without '\.0' at the end: '1' has become '1\.0'",
        current=N - 1,
    ),
    RedeliveryCase(
        name="ids-with-other-separators",
        source="a URL builder that replaces hyphens",
        feeds=(GOOD, feed([each.replace("-", "_") for each in ids()])),
        message=r"with other separators: 'SKU-1001' has become 'SKU_1001'",
        current=N,
    ),
    RedeliveryCase(
        name="ids-in-full-width-digits",
        source="a Japanese input method",
        feeds=(GOOD, feed([each.translate({ord("0") + d: 0xFF10 + d for d in range(10)}) for each in ids()])),
        message=r"in other characters for the same letters and digits",
        current=N,
    ),
    RedeliveryCase(
        name="ids-in-another-case-with-other-separators",
        source="a new shop system",
        feeds=(GOOD, feed([each.lower().replace("-", "/00") for each in ids()])),
        message=r"in another case, with other separators or other zeros",
        current=N,
    ),
    RedeliveryCase(
        name="ids-decomposed",
        source="a file that a Mac wrote",
        feeds=(
            feed([f"Größe-{each}" for each in range(50)]),
            feed([unicodedata.normalize("NFD", f"Größe-{each}") for each in range(50)]),
        ),
        verdict="passed",
        current=50,
    ),
    RedeliveryCase(
        name="ids-with-zero-width-spaces",
        source="ids that were copied from a web page",
        feeds=(GOOD, feed([f"\u200b{each[:4]}\u200b{each[4:]}\ufeff" for each in ids()])),
        verdict="passed",
        current=N,
    ),
    RedeliveryCase(
        name="ids-with-bidirectional-marks",
        source="a spreadsheet with Arabic titles",
        feeds=(GOOD, feed([f"\u202d{each}\u202c\u200e" for each in ids()])),
        verdict="passed",
        current=N,
    ),
    RedeliveryCase(
        name="ids-between-no-break-spaces",
        source="cells of an HTML table",
        feeds=(GOOD, feed([f"\u00a0{each}\u202f\u3000" for each in ids()])),
        verdict="passed",
        current=N,
    ),
)
