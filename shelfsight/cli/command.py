"""The command `shelfsight`: merges the commands of `shelfsight/cli/commands/` and maps their errors to exit codes.

Exit codes: 0 success, 1 failure (with the reason on stderr), 2 malformed command, 130 interrupted.
"""

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Annotated, Any

import typer

from shelfsight.cli.commands.check import check
from shelfsight.cli.commands.classify import classify
from shelfsight.cli.commands.explore import explore
from shelfsight.cli.commands.explore_users import explore_users
from shelfsight.cli.commands.export import export
from shelfsight.cli.commands.feed import feed
from shelfsight.cli.commands.import_command import import_command
from shelfsight.cli.commands.init import init
from shelfsight.cli.commands.query import query
from shelfsight.cli.commands.recipes import recipes
from shelfsight.cli.commands.run import run
from shelfsight.cli.commands.similar import similar
from shelfsight.cli.commands.status import status
from shelfsight.cli.commands.up import up
from shelfsight.cli.failures import EXIT_CODES, INTERRUPTED, print_escaped_traceback, report
from shelfsight.cli.options import JsonOption
from shelfsight.cli.reserved_stdout import reserving_stdout

COMMANDS: Mapping[str, Callable[..., None] | typer.Typer] = {
    "init": init,
    "feed": feed,
    "import": import_command,
    "classify": classify,
    "similar": similar,
    "query": query,
    "status": status,
    "run": run,
    "up": up,
    "explore": explore,
    "explore-users": explore_users,
    "check": check,
    "recipes": recipes,
    "export": export,
}
NAME = "shelfsight"


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command and returns the exit code."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    name = " ".join([NAME, *(each for each in words if each in COMMANDS)][:2])
    as_json = "--json" in words
    try:
        exit_code: int | None = click_command().main(words, prog_name=NAME, standalone_mode=False)
    except (LookupError, OSError, ValueError, typer.TyperException, typer.Abort) as error:
        return report(name, error, as_json=as_json)
    except Exception as error:  # a fault of the program: its traceback follows
        report(name, error, as_json=as_json)
        sys.excepthook = print_escaped_traceback
        raise
    return report(name, KeyboardInterrupt(), as_json=as_json) if exit_code == INTERRUPTED else exit_code or 0


def click_command() -> Any:
    """Returns the tree of all commands and options: a Click group with `commands` and `params`."""
    app = typer.Typer(
        callback=_options_of_all_commands,
        epilog=EXIT_CODES,
        rich_markup_mode="rich" if sys.stdout.isatty() else None,
        pretty_exceptions_enable=False,
    )
    for name, command in COMMANDS.items():
        if isinstance(command, typer.Typer):
            app.add_typer(command, name=name)
        else:
            app.command(name, epilog=EXIT_CODES)(command)
    tree = typer.main.get_command(app)
    for command in _leaves(tree):
        command.callback = reserving_stdout(command.callback)
    return tree


def _leaves(command: Any) -> Iterator[Any]:
    """Yields the commands that have no other below them."""
    inner = getattr(command, "commands", None)
    if inner is None:
        yield command
    for each in (inner or {}).values():
        yield from _leaves(each)


def _options_of_all_commands(
    context: typer.Context,
    store: Annotated[
        str, typer.Option(metavar="FOLDER_OR_URL", help="folder or URL of the store", show_default=False)
    ] = "",
    as_json: JsonOption = False,
) -> None:
    """Classify images, find similar products, query the tables, and see the status of a catalog."""
    context.default_map = _defaults(context.command, {"store": store, "as_json": as_json})


def _defaults(command: Any, values: dict[str, Any]) -> dict[str, Any]:
    """Returns the values as defaults of every command below a group."""
    inner = getattr(command, "commands", None)
    return values if inner is None else {name: _defaults(each, values) for name, each in inner.items()}
