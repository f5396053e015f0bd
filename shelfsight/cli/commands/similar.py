"""`shelfsight similar`: lists products that look like a product or an image."""

from pathlib import Path
from typing import Annotated

import typer

from shelfsight.cli.options import JsonOption, StoreOption


def similar(
    query: Annotated[
        str, typer.Argument(metavar="PRODUCT_OR_IMAGE", help="an id such as hansen:4711, or an image file")
    ],
    encoder: Annotated[
        str, typer.Option(help="encoder of the embeddings", show_default="the one with the best nearest neighbors")
    ] = "",
    k: Annotated[int, typer.Option("-k", min=1, help="number of products")] = 10,
    sheet: Annotated[
        Path | None, typer.Option(help="PNG to write: the query, then the similar products", metavar="FILE")
    ] = None,
    store: StoreOption = "",
    as_json: JsonOption = False,
) -> None:
    """List products that look like a product or an image.

    The products whose images are most similar, the most similar first.
    """
    from shelfsight.cli.output import print_output
    from shelfsight.cli.similar import similar as found

    print_output(found(store, query, encoder or None, k, sheet), as_json=as_json, has_data=True)
