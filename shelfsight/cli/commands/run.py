"""`shelfsight run`: brings everything in the project's plan up to date."""

from typing import Annotated

import typer

from shelfsight.cli.failures import PartialFailureError
from shelfsight.cli.options import JsonOption, StoreOption


def run(
    is_dry: Annotated[
        bool,
        typer.Option(
            "--dry-run",
            help="register new feeds, and list what would run with estimates of time, device time and disk",
        ),
    ] = False,
    only: Annotated[
        str, typer.Option(metavar="STAGE", help="a job or an asset group: run nothing else", show_default=False)
    ] = "",
    until: Annotated[
        str, typer.Option(metavar="STAGE", help="a job or an asset group: run nothing after it", show_default=False)
    ] = "",
    store: StoreOption = "",
    as_json: JsonOption = False,
) -> None:
    """Bring everything in the project's plan up to date.

    The [plan] of shelfsight.toml, in this process. An interrupted run goes on where it was.
    """
    import dagster as dg

    from resources.settings import Settings
    from shelfsight.cli.output import print_output
    from shelfsight.cli.run import FAILED, PROBLEMS, RunOptions
    from shelfsight.cli.run import run as run_plan

    options = RunOptions(only=only or None, until=until or None, is_dry=is_dry)
    try:
        done = run_plan(Settings.read(store=store), options)
    except dg.DagsterExecutionInterruptedError as error:
        raise KeyboardInterrupt from error
    print_output(done, as_json=as_json)
    if num_failed := len(done.get(FAILED, ())) + len(done[PROBLEMS]):
        message = f"{num_failed} deliveries or feeds failed, the others are up to date; see the list above"
        raise PartialFailureError(message)
