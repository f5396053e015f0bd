"""Near names: what somebody who mistyped a name may have meant."""

import difflib
from collections.abc import Collection

MAX_LISTED = 20


def near(name: str, known: Collection[str]) -> str:
    """The end of an error's sentence: the nearest names if there are any, and all known ones unless they are many."""
    listed = ", ".join(sorted(known)) if len(known) <= MAX_LISTED else ""
    found = difflib.get_close_matches(name, known, n=5, cutoff=0.5)
    nearest = f"near are {', '.join(found)}" if found else ""
    return "; ".join(each for each in (nearest, listed and f"known are {listed}") if each) or (
        f"none of the {len(known):,} known names is near"
    )
