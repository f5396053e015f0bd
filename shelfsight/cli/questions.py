"""Questions on the terminal, and the replies where there is nobody to ask."""

import sys

from rich.console import Console
from rich.prompt import Prompt
from rich.text import Text

from catalog.escaping.terminal import terminal_line


def reply_on_terminal(question: str, default: str) -> str:
    """Shows a question on stderr and returns the reply, or the default for an empty one."""
    # As `Text`, since a question names columns of a feed, and brackets in a string would be markup.
    shown = Text(terminal_line(question))
    return Prompt.ask(
        shown, default=terminal_line(default), console=Console(file=sys.stderr), show_default=bool(default)
    )


def default_reply(question: str, default: str) -> str:
    """Returns the default."""
    del question
    return default
