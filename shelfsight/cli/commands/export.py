"""`shelfsight export`: writes the catalog or the dataset as files for other programs."""

from typing import Annotated

import typer

from shelfsight.cli.options import JsonOption, StoreOption

export = typer.Typer(help="Write the catalog or the dataset as files.")


@export.callback()
def _group() -> None:
    """Write the catalog or the dataset as files.

    For other programs; complete or not at all.
    """


@export.command()
def catalog(
    target: Annotated[
        str, typer.Argument(metavar="FILE_OR_FOLDER", help="file to replace; with --format merchant, a folder")
    ],
    catalog_format: Annotated[
        str,
        typer.Option(
            "--format",
            metavar="FORMAT",
            help="csv (for spreadsheets), plain-csv, jsonl, parquet or merchant",
            show_default="that of the file's name",
        ),
    ] = "",
    partners: Annotated[
        list[str] | None, typer.Option("--partner", metavar="PARTNER", help="only this partner; may be repeated")
    ] = None,
    min_confidence: Annotated[
        float | None, typer.Option(metavar="SHARE", help="least probability of the category")
    ] = None,
    min_depth: Annotated[
        int | None, typer.Option(metavar="LEVEL", help="least level of the category; 1 is a root")
    ] = None,
    changed_since: Annotated[
        str,
        typer.Option(
            metavar="TIME",
            help="only categories first predicted or changed since a date or time (UTC)",
            show_default=False,
        ),
    ] = "",
    store: StoreOption = "",
    as_json: JsonOption = False,
) -> None:
    """Write each product's predicted category.

    To a file, or to a folder with a supplemental feed for Merchant Center of each partner.
    """
    from resources.settings import Settings
    from shelfsight.cli.export import CatalogOptions
    from shelfsight.cli.export import catalog as write_catalog
    from shelfsight.cli.output import print_output

    options = CatalogOptions(
        catalog_format=catalog_format or None,
        partners=partners or (),
        min_confidence=min_confidence,
        min_depth=min_depth,
        changed_since=changed_since or None,
    )
    print_output(write_catalog(Settings.read(store=store), target, options), as_json=as_json)


@export.command()
def dataset(
    target: Annotated[str, typer.Argument(metavar="FOLDER", help="new folder, or an earlier export to replace")],
    dataset_format: Annotated[
        str, typer.Option("--format", metavar="FORMAT", help="huggingface, webdataset or tfrecord")
    ],
    splits: Annotated[
        list[str] | None,
        typer.Option("--split", metavar="SPLIT", help="train, val, test or golden; may be repeated"),
    ] = None,
    shard_mb: Annotated[float, typer.Option(metavar="MB", help="size of a shard")] = 500.0,
    with_unlabeled: Annotated[bool, typer.Option("--with-unlabeled", help="also write images without a label")] = False,
    store: StoreOption = "",
    as_json: JsonOption = False,
) -> None:
    """Write the labeled images with their splits.

    To a folder of shards.
    """
    from shelfsight.cli.export import dataset as write_dataset
    from shelfsight.cli.output import print_output

    written = write_dataset(store, target, dataset_format, splits or (), shard_mb, with_unlabeled=with_unlabeled)
    print_output(written, as_json=as_json)
