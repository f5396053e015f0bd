"""`shelfsight feed`: delivers a partner's feed, and proposes categories for its texts."""

from pathlib import Path
from typing import Annotated

import typer

from shelfsight.cli.options import JsonOption, StoreOption

feed = typer.Typer(help="Deliver a partner's feed.")


@feed.callback()
def _group() -> None:
    """Deliver a partner's feed."""


@feed.command()
def add(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="the feed")],
    partner: Annotated[str, typer.Option(help="partner of the feed", show_default="name of the file's folder")] = "",
    store: StoreOption = "",
    as_json: JsonOption = False,
) -> None:
    """Copy a feed file into a partner's inbox.

    feed_sensor finds it there.
    """
    from resources.settings import Settings
    from shelfsight.cli.feeds import add as added
    from shelfsight.cli.output import print_output

    print_output(added(Settings.read(store=store), file, partner or None), as_json=as_json)


@feed.command()
def categories(
    partner: Annotated[str, typer.Argument(metavar="PARTNER", help="the partner")],
    store: StoreOption = "",
    as_json: JsonOption = False,
) -> None:
    """Propose categories for what a partner writes instead of one.

    They go into a CSV file of the reference folder, and count once a person has confirmed them there.
    """
    from resources.settings import Settings
    from shelfsight.cli.feed_categories import categories as proposed
    from shelfsight.cli.output import print_output

    print_output(proposed(Settings.read(store=store), partner), as_json=as_json)
