"""`shelfsight up`: serves Dagster, MLflow and the explorer over the project."""

import typer

from shelfsight.cli.options import JsonOption, StoreOption
from shelfsight.cli.reserved_stdout import output_stream


def up(store: StoreOption = "", as_json: JsonOption = False) -> None:
    """Serve Dagster, MLflow and the explorer over the project.

    On loopback, until Ctrl-C.
    """
    import json

    from resources.settings import Settings
    from shelfsight.cli.up import up as serve

    def show(line: str) -> None:
        typer.echo(json.dumps({"message": line}) if as_json else line, file=output_stream())

    serve(Settings.read(store=store), show)
