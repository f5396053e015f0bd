"""Exit codes of the command, and the errors that it prints."""

import json
import sys

import typer

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
    message, exit_code = _message(error), _exit_code(error)
    if context:
        print(context.get_usage(), file=sys.stderr)  # noqa: T201 a command's output
        message = f"{message.rstrip('.')}; see {name} --help"
    print(f"{name}: {message}", file=sys.stderr)  # noqa: T201 a command's output
    if as_json and not isinstance(error, PartialFailureError):
        document = {"error": {"command": name, "message": message, "exit_code": exit_code}}
        sys.stdout.write(json.dumps(document, indent=2, ensure_ascii=False) + "\n")
    return exit_code


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
