"""Questions on the terminal, and the replies where there is nobody to ask."""

import sys

from rich.console import Console
from rich.markup import escape
from rich.prompt import Prompt


def reply_on_terminal(question: str, default: str) -> str:
    """Shows a question on stderr and returns the reply, or the default for an empty one."""
    return Prompt.ask(escape(question), default=default, console=Console(file=sys.stderr), show_default=bool(default))


def default_reply(question: str, default: str) -> str:
    """Returns the default."""
    del question
    return default
