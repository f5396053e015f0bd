"""`shelfsight explore`: serves the explorer over a store."""

import typer

from shelfsight.cli.options import JsonOption, StoreOption
from shelfsight.cli.reserved_stdout import output_stream


def explore(store: StoreOption = "", as_json: JsonOption = False) -> None:
    """Serve the explorer: pages over the store.

    On loopback and without a login, until Ctrl-C. The settings explorer_host, explorer_port, explorer_token and
    explorer_users change that.
    """
    import json

    from resources.settings import Settings
    from shelfsight.explorer.server import serve

    def show(line: str) -> None:
        typer.echo(json.dumps({"message": line}) if as_json else line, file=output_stream())

    serve(Settings.read(store=store), show)
