"""Exit codes of the command, and the errors that it prints."""

import sys
import traceback
from types import TracebackType

import typer

from catalog.escaping.terminal import terminal_json, terminal_line

FAILURE, MALFORMED, INTERRUPTED = 1, 2, 130
EXIT_CODES = f"Exit codes: 0 success, {FAILURE} failure, {MALFORMED} malformed command, {INTERRUPTED} interrupted."


class PartialFailureError(ValueError):
    """A command that has printed its output, and of which a part failed."""


def report(command: str, error: BaseException, *, as_json: bool) -> int:
    """Prints an error and returns its exit code.

    The message goes to stderr. With `as_json`, stdout has one JSON document in any case: the command's output or, where
    it has none, `{"error": {"command", "message", "exit_code"}}`.
    """
    context = getattr(error, "ctx", None)  # of a malformed command: the deepest command that was parsed
    name = context.command_path if context else command
    message, exit_code = shown_error(_message(error)), _exit_code(error)
    if context:
        print(context.get_usage(), file=sys.stderr)  # noqa: T201 a command's output
        message = f"{message.rstrip('.')}; see {name} --help"
    print(f"{name}: {message}", file=sys.stderr)  # noqa: T201 a command's output
    if as_json and not isinstance(error, PartialFailureError):
        document = {"error": {"command": name, "message": message, "exit_code": exit_code}}
        sys.stdout.write(terminal_json(document) + "\n")
    return exit_code


def shown_error(message: str) -> str:
    """Returns a message as one line, without secrets and without characters that control a terminal."""
    from resources.settings import redacted

    return terminal_line(redacted(message)).strip()


def print_escaped_traceback(_: type[BaseException], error: BaseException, __: TracebackType | None) -> None:
    """Prints the traceback of a fault of the program as `sys.excepthook` does, without secrets and line by line."""
    from resources.settings import redacted

    for line in "".join(traceback.format_exception(error)).splitlines():
        indent = len(line) - len(line.lstrip(" "))
        print(f"{' ' * indent}{terminal_line(redacted(line[indent:]))}", file=sys.stderr)  # noqa: T201


def _exit_code(error: BaseException) -> int:
    if isinstance(error, (KeyboardInterrupt, typer.Abort)):
        return INTERRUPTED
    return error.exit_code if isinstance(error, typer.TyperException) else FAILURE


def _message(error: BaseException) -> str:
    if isinstance(error, (KeyboardInterrupt, typer.Abort)):
        return "interrupted"
    if isinstance(error, typer.TyperException):
        return error.format_message()
    return str(error.args[0]) if isinstance(error, KeyError) and error.args else str(error)  # a KeyError adds quotes
