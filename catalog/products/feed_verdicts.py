"""Feed verdicts: whether a version of a feed may replace the one that is served, why not, and who let it through."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal

from catalog.feeds.deliveries import Delivery, feed_key
from catalog.products.feed_comparison import FeedComparison, Finding
from catalog.products.feed_contents import FeedContents

NUM_REASONS = 3  # of rejected rows that a message has

# passed: within the limits; held: beyond them, and waits for a person; accepted: a person let it through;
# withdrawn: a person rolled it back; restored: a person rolled back to it.
State = Literal["passed", "held", "accepted", "withdrawn", "restored"]
STOPPED = ("held", "withdrawn")


@dataclass(frozen=True, kw_only=True)
class FeedVerdict:
    """The verdict about one version of a feed.

    Attributes:
        version: The version, see `FeedVersions.id_of`.
        sha256: Of the feed file.
        against: The version that was served then; empty where none was.
        served_since: Time at which that one arrived.
        findings: A sentence for each share beyond its limit.
        reasons: The commonest reasons of rejected rows, each with an example.
        numbers: All numbers of the comparison.
        limits: The limits that were applied.
        partner_limits: Fingerprint of the partner's own ones among them.
        decided_by, decided_at: The person who accepted or rolled back, and when.
        alerted_at: When an alert was queued; empty where none was.
    """

    feed: str
    feed_key: str
    version: str
    sha256: str
    state: State
    judged_at: str
    against: str = ""
    served_since: str = ""
    findings: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()
    numbers: Mapping[str, Any] = field(default_factory=dict)
    limits: Mapping[str, float] = field(default_factory=dict)
    partner_limits: str = ""
    decided_by: str = ""
    decided_at: str = ""
    alerted_at: str = ""

    @property
    def is_stopped(self) -> bool:
        """True if the version must not replace the one that is served."""
        return self.state in STOPPED

    @property
    def command(self) -> str:
        """The command that lets the version through."""
        if self.state == "withdrawn":
            return f"shelfsight feed rollback {self.feed_key} --to {self.version}"
        return f"shelfsight feed accept {self.feed_key}"

    @property
    def problem(self) -> str:
        """What is wrong with the version, and what is served meanwhile, as a sentence without its end."""
        if self.state == "withdrawn":
            return (
                f"version {self.version} of feed {self.feed} was rolled back by {self.decided_by} at "
                f"{_minute(self.decided_at)} and does not come back by itself"
            )
        served = (
            f"nothing is replaced: the catalog keeps version {self.against}, which arrived at "
            f"{_minute(self.served_since)}"
            if self.against
            else "nothing of it is in the catalog yet"
        )
        findings = "; ".join(self.findings)
        return f"version {self.version} of feed {self.feed} is held back, and {served}. {_capital(findings)}"

    @property
    def way_out(self) -> str:
        """What a person can do."""
        if self.state == "withdrawn":
            return f"to serve it again: {self.command}"
        return (
            f"if this is an error, deliver the corrected file under the same name; if it is right, let it through: "
            f"{self.command}"
        )

    @property
    def message(self) -> str:
        """All of it: what happened, what to do, and the commonest reasons."""
        reasons = f". Commonest reasons of rejected rows: {'; '.join(self.reasons)}" if self.reasons else ""
        return f"{_capital(self.problem)}. {_capital(self.way_out)}{reasons}"

    def to_json(self) -> bytes:
        """Return the verdict as a JSON document."""
        return json.dumps(asdict(self), indent=2).encode()

    @classmethod
    def of_json(cls, document: bytes) -> FeedVerdict:
        """Return the verdict of a JSON document; fields of a later program are ignored."""
        record = json.loads(document)
        known = {each.name: record[each.name] for each in fields(cls) if each.name in record}
        return cls(**known | {name: tuple(known.get(name, ())) for name in ("findings", "reasons")})


@dataclass(frozen=True, kw_only=True)
class Served:
    """The version that is served while another one is judged; empty where nothing is served, or nobody knows which."""

    version: str = ""
    since: str = ""


def verdict_of(
    delivery: Delivery,
    served: Served,
    comparison: FeedComparison,
    found: Sequence[Finding],
    **more: Any,
) -> FeedVerdict:
    """Return the verdict that follows from the findings: passed without any, else held.

    Args:
        more: Further fields of the verdict: version, reasons, limits and judged_at.
    """
    spelling = comparison.spelling
    same = (f"the ids are those of the served version {spelling}; deliver the former ids",) if spelling else ()
    sampled = (f"the shares are those of one product in {comparison.one_in}",) if comparison.one_in > 1 else ()
    return FeedVerdict(
        feed=delivery.feed,
        feed_key=feed_key(delivery.key),
        sha256=delivery.sha256,
        state="held" if found else "passed",
        against=served.version,
        served_since=served.since,
        findings=(*(each.sentence for each in found), *same, *sampled) if found else (),
        numbers=comparison.numbers(),
        partner_limits=delivery.limits,
        **more,
    )


def commonest_reasons(contents: FeedContents) -> tuple[str, ...]:
    """Return the commonest reasons of rejected rows with their number and an example."""
    common = sorted(contents.reasons.items(), key=lambda each: (-each[1], each[0]))[:NUM_REASONS]
    return tuple(f"{reason} {num:,} times, such as {contents.examples[reason]}" for reason, num in common)


def _minute(time: str) -> str:
    return f"{time[:16].replace('T', ' ')} UTC" if time else "an unknown time"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
