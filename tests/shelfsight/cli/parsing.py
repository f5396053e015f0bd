"""Parses a command line without running it."""

from collections.abc import Sequence
from typing import Any

from shelfsight.cli.command import NAME, click_command


def parse(words: Sequence[str]) -> dict[str, Any]:
    """Returns the parameters of the command that the words name.

    Raises:
        typer.TyperException: a word or an option is unknown, or one is missing.
    """
    context = click_command().make_context(NAME, list(words))
    while hasattr(context.command, "commands"):
        name, command, rest = context.command.resolve_command(context, [*context._protected_args, *context.args])
        context = command.make_context(name, rest, parent=context)
    return dict(context.params)
