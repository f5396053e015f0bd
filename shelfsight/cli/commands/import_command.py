"""`shelfsight import`: makes a feed of a folder of images or of tar files."""

from pathlib import Path
from typing import Annotated

import typer

from shelfsight.cli.options import JsonOption, StoreOption


def import_command(
    source: Annotated[
        Path, typer.Argument(metavar="FOLDER_OR_TAR", help="folder of images or of tar files, or a tar file")
    ],
    labels: Annotated[
        Path | None, typer.Option(metavar="CSV", help="table with a path and a label in each row")
    ] = None,
    label_column: Annotated[
        str | None, typer.Option(metavar="NAME", help="column of the labels; by default found by its name")
    ] = None,
    group_column: Annotated[
        str | None, typer.Option(metavar="NAME", help="column whose equal values stay in one split")
    ] = None,
    partner: Annotated[
        str | None, typer.Option(help="partner of the feed; by default the name of the folder or tar file")
    ] = None,
    root: Annotated[str | None, typer.Option(help="name of the image root to add; by default the partner's")] = None,
    store: StoreOption = "",
    as_json: JsonOption = False,
) -> None:
    """Make a feed of a folder of images.

    Images are labeled by subfolders or a table, those of WebDataset tar files by their members.
    """
    from resources.settings import Settings
    from shelfsight.cli.import_images import ImportOptions, import_images
    from shelfsight.cli.output import print_output

    options = ImportOptions(
        source=source,
        labels=labels,
        label_column=label_column,
        group_column=group_column,
        partner=partner,
        root=root,
    )
    print_output(import_images(Settings.read(store=store), options), as_json=as_json)
