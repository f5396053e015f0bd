"""Findings: what the readers found out about a feed file by themselves, such as its encoding and its delimiter.

They are made once, when a feed is registered, and kept in the delivery's record. A later reading of the delivery, maybe
by another version of this program, uses what is recorded, so that its rows never depend on a second guess.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

NOTHING_DETECTED: Mapping[str, str] = MappingProxyType({})


class Findings:
    """Records findings by name; a finding that is recorded already stays, whatever a later reading notes.

    >>> findings = Findings({"encoding": "cp1252"})
    >>> findings.note("encoding", "utf-8")
    'cp1252'
    >>> findings.note("delimiter", ";")
    ';'
    >>> dict(findings.recorded)
    {'encoding': 'cp1252', 'delimiter': ';'}
    """

    def __init__(self, recorded: Mapping[str, str] = NOTHING_DETECTED) -> None:
        self._recorded = dict(recorded)

    @property
    def recorded(self) -> Mapping[str, str]:
        """All findings, in the order in which they were noted."""
        return MappingProxyType(self._recorded)

    def get(self, name: str) -> str | None:
        """Return the finding of that name; None where nothing was noted."""
        return self._recorded.get(name)

    def note(self, name: str, value: str) -> str:
        """Record a finding unless there is one of that name, and return the recorded one, which is to be used."""
        return self._recorded.setdefault(name, value)
