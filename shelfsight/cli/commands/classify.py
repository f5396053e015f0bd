"""`shelfsight classify`: predicts the category of images."""

from typing import Annotated

import typer

from shelfsight.cli.options import JsonOption, StoreOption


def classify(
    images: Annotated[list[str], typer.Argument(metavar="IMAGE_OR_URL", help="files and links")],
    coverage: Annotated[float, typer.Option(help="share of predictions that is to be right")] = 0.9,
    store: StoreOption = "",
    as_json: JsonOption = False,
) -> None:
    """Predict the category of images.

    The deployed champion predicts, as deep as it is confident.
    """
    from shelfsight.cli.classify import classify as classified
    from shelfsight.cli.output import print_output

    print_output(classified(store, images, coverage), as_json=as_json)
