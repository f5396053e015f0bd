"""`shelfsight classify`: predicts the category of images."""

from pathlib import Path
from typing import Annotated

import typer

from shelfsight.cli.failures import PartialFailureError
from shelfsight.cli.options import JsonOption, StoreOption


def classify(
    images: Annotated[
        list[str] | None,
        typer.Argument(metavar="IMAGE", help="files, globs, folders, links, and CSV files of links or paths"),
    ] = None,
    csv: Annotated[
        list[Path] | None,
        typer.Option("--csv", metavar="FILE", help="CSV file of links or paths, whatever its suffix; may be repeated"),
    ] = None,
    column: Annotated[
        str,
        typer.Option(help="column of the CSV files", show_default="image_link, image, path, url or the only one"),
    ] = "",
    output: Annotated[
        Path | None, typer.Option(metavar="FILE.csv", help="CSV file to write instead of printing")
    ] = None,
    coverage: Annotated[float, typer.Option(help="share of predictions that is to be right")] = 0.9,
    store: StoreOption = "",
    as_json: JsonOption = False,
) -> None:
    """Predict the category of images.

    The deployed champion predicts, as deep as it is confident. An image that cannot be classified is a row with its
    status, and makes the exit code 1; the others are classified.
    """
    from contextlib import nullcontext

    from shelfsight.cli.classified import Counted, RecordList, csv_writer, shown
    from shelfsight.cli.classify import Classifying
    from shelfsight.cli.classify import classify as classify_images
    from shelfsight.cli.image_inputs import ImageSources
    from shelfsight.cli.output import print_output
    from shelfsight.cli.progress import progress_bar

    sources = ImageSources(arguments=images or (), csv_files=csv or (), column=column or None)
    num_images = sum(1 for _ in sources)
    if not num_images:
        raise typer.BadParameter("there is no image; name files, folders, links or a CSV file with rows")
    if output is not None and output.suffix.lower() != ".csv":
        raise typer.BadParameter(f"{str(output)!r} is no CSV file; name it FILE.csv", param_hint="--output")
    kept = RecordList()
    with (
        csv_writer(output) if output else nullcontext(kept) as writer,
        progress_bar(is_shown=num_images > 1) as progress,
    ):
        counted = Counted(writer, progress, num_images)
        options = Classifying(images=sources, num_images=num_images, coverage=coverage)
        classify_images(store, options, counted.write)
    if output is None:
        print_output(
            kept.records if as_json else [shown(each) for each in kept.records], as_json=as_json, has_data=True
        )
    else:
        num_classified = num_images - sum(counted.failed.values())
        summary = {"output": str(output), "classified": num_classified, "failed": counted.failed}
        print_output(summary, as_json=as_json)
    if counted.failure:
        raise PartialFailureError(counted.failure)
