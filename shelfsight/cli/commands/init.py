"""`shelfsight init`: makes a project around a feed or a folder of images."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from shelfsight.cli.options import JsonOption


def init(
    folder: Annotated[Path, typer.Argument(metavar="NAME", help="folder of the project")],
    feed: Annotated[
        Path | None, typer.Option(metavar="FILE_OR_FOLDER", help="feed, folder of feeds or folder of images")
    ] = None,
    partner: Annotated[
        str, typer.Option(help="partner that delivers it", show_default="name of the file or folder")
    ] = "",
    taxonomy: Annotated[
        str, typer.Option(metavar="FILE|google|own", help="file, Google's, or the feed's own categories")
    ] = "",
    columns: Annotated[
        list[str] | None,
        typer.Option("--column", metavar="COLUMN=ATTRIBUTE", help="meaning of a column of the feed; may be repeated"),
    ] = None,
    accept: Annotated[
        float | None, typer.Option(metavar="SCORE", help="confirm proposed categories from this score on")
    ] = None,
    is_quiet: Annotated[bool, typer.Option("--yes", help="ask nothing and take every proposal of columns")] = False,
    as_json: JsonOption = False,
) -> None:
    """Make a project around a feed or a folder of images.

    A folder with a commented shelfsight.toml. On a terminal it asks what no option says, at most five questions.
    """
    from shelfsight.cli.init import InitOptions
    from shelfsight.cli.init import init as make_project
    from shelfsight.cli.output import print_output
    from shelfsight.cli.questions import default_reply, reply_on_terminal

    options = InitOptions(
        feed=feed,
        partner=partner or None,
        taxonomy=taxonomy or None,
        columns=dict(each.rpartition("=")[::2] for each in columns or ()),
        accept=accept,
    )
    ask = default_reply if is_quiet or not sys.stdin.isatty() else reply_on_terminal
    print_output(make_project(folder, options, ask), as_json=as_json)
