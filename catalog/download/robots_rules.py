"""Robots rules: the part of a robots.txt that applies to this crawler, parsed.

A robots.txt is a stranger's text. A few hundred kilobytes that name thousands of agents before thousands of rules make
a parser that keeps the rules of each agent take gigabytes, so the groups of other agents are left out before.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from protego import Protego

AGENT = "shelfsight"  # our product token in a robots.txt
MAX_ROBOTS_BYTES = 500 * 1024  # RFC 9309, section 2.5: the minimum that a crawler has to parse

_AGENT_LINE = re.compile(r"\s*user[\s-]?agent\b[\s:]*([^#]*)", re.IGNORECASE)
_RULE_LINE = re.compile(r"\s*(?:\S+\s*:|allow\b|disallow\b|crawl-delay\b)", re.IGNORECASE)


def parse_rules(text: str) -> Protego:
    """Parses the rules for all agents and for this one; lines that are no rules are ignored, and nothing raises."""
    return Protego.parse("\n".join(_own_lines(text[:MAX_ROBOTS_BYTES])))


def _own_lines(text: str) -> Iterator[str]:
    """Yields the lines of groups that name this agent or all; agents on lines in a row share one (RFC 9309, 2.1)."""
    is_own = False
    begins_group = True
    for line in text.splitlines():
        if agent := _AGENT_LINE.match(line):
            if begins_group:
                is_own, begins_group = False, False
            if _is_own(agent[1]):
                is_own = True
                yield line
        elif _RULE_LINE.match(line):
            begins_group = True
            if is_own:
                yield line


def _is_own(agent: str) -> bool:
    """Matches the name of an agent as Protego does, without asterisks unless it is one."""
    return agent.strip() == "*" or agent.strip().lower().replace("*", "") == AGENT
