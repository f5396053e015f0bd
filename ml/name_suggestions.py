"""Suggestions for misspelled names, for error messages."""

import difflib
from collections.abc import Collection

MAX_LISTED = 20


def suggest_names(name: str, known: Collection[str]) -> str:
    """Returns the end of an error message: similar known names, and all known names if there are at most 20."""
    listed = ", ".join(sorted(known)) if len(known) <= MAX_LISTED else ""
    similar = ", ".join(difflib.get_close_matches(name, known, n=5, cutoff=0.5))
    parts = [similar and f"similar names: {similar}", listed and f"available: {listed}"]
    return "; ".join(part for part in parts if part) or f"none of the {len(known):,} known names is similar"
