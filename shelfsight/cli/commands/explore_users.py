"""`shelfsight explore-users`: adds, removes and lists the people who may open the explorer."""

from typing import Annotated

import typer

from shelfsight.cli.options import JsonOption, StoreOption

explore_users = typer.Typer(help="Add, remove and list the people who may open the explorer.")

NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="name of the person")]


@explore_users.callback()
def _group() -> None:
    """Add, remove and list the people who may open the explorer."""


@explore_users.command()
def add(
    name: NameArgument,
    role: Annotated[str, typer.Option(help="reader, reviewer or admin; a reviewer corrects labels")] = "reviewer",
    store: StoreOption = "",
    as_json: JsonOption = False,
) -> None:
    """Add a person, or replace the role and the password of one.

    The password is asked for on the terminal, or read from the first line of stdin. The file of the setting
    explorer_users gets its hash.
    """
    from resources.settings import Settings
    from shelfsight.cli.explore_users import add as added
    from shelfsight.cli.output import print_output

    print_output(added(Settings.read(store=store), name, role), as_json=as_json)


@explore_users.command()
def remove(name: NameArgument, store: StoreOption = "", as_json: JsonOption = False) -> None:
    """Remove a person, whose sessions end at once."""
    from resources.settings import Settings
    from shelfsight.cli.explore_users import remove as removed
    from shelfsight.cli.output import print_output

    print_output(removed(Settings.read(store=store), name), as_json=as_json)


@explore_users.command("list")
def list_users(store: StoreOption = "", as_json: JsonOption = False) -> None:
    """List the people and their roles."""
    from resources.settings import Settings
    from shelfsight.cli.explore_users import listed
    from shelfsight.cli.output import print_output

    print_output(listed(Settings.read(store=store)), as_json=as_json)
