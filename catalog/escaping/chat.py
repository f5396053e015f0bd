"""Text for a chat's webhook: no mention of a channel, no link behind other words, no image."""

from __future__ import annotations

import re

from catalog.escaping.terminal import terminal_line

# Slack's three control characters (api.slack.com, "Escaping text"); Teams and others read Markdown and HTML.
_ENTITIES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})
_LINK = re.compile(r"\](?=[(\[:])")


def chat_line(text: str) -> str:
    """Return a text as one line in which a chat finds neither a mention nor a link that hides its address."""
    return _LINK.sub("] ", terminal_line(text)).translate(_ENTITIES)
