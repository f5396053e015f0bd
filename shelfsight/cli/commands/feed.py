"""`shelfsight feed`: delivers a partner's feed, decides about its versions, and proposes categories for its texts."""

from pathlib import Path
from typing import Annotated

import typer

from shelfsight.cli.options import JsonOption, StoreOption

feed = typer.Typer(help="Deliver a partner's feed, let a version through that is stopped, restore one.")


DeliveryArgument = Annotated[str, typer.Argument(metavar="DELIVERY", help="the delivery, such as hansen.spring")]


@feed.callback()
def _group() -> None:
    """Deliver a partner's feed, let a version through that is stopped, restore one."""


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
def accept(delivery: DeliveryArgument, store: StoreOption = "", as_json: JsonOption = False) -> None:
    """Let the version of a feed through that is stopped.

    It counts for that version alone; who accepted it, and when, is kept.
    """
    from resources.settings import Settings
    from shelfsight.cli.feed_versions import accept as accepted
    from shelfsight.cli.output import print_output

    print_output(accepted(Settings.read(store=store), delivery), as_json=as_json)


@feed.command()
def versions(delivery: DeliveryArgument, store: StoreOption = "", as_json: JsonOption = False) -> None:
    """List the versions of a feed and their verdicts.

    It shows which is served, which are stopped and why, and which can be restored.
    """
    from resources.settings import Settings
    from shelfsight.cli.feed_versions import versions as listed
    from shelfsight.cli.output import print_output

    print_output(listed(Settings.read(store=store), delivery), as_json=as_json)


@feed.command()
def rollback(
    delivery: DeliveryArgument,
    to: Annotated[str, typer.Option(metavar="VERSION", help="version to restore", show_default="the one before")] = "",
    store: StoreOption = "",
    as_json: JsonOption = False,
) -> None:
    """Restore a former version of a feed.

    The version that was served does not come back by itself, also if it is delivered again.
    """
    from resources.settings import Settings
    from shelfsight.cli.feed_versions import rollback as rolled_back
    from shelfsight.cli.output import print_output

    print_output(rolled_back(Settings.read(store=store), delivery, to), as_json=as_json)


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
