"""`shelfsight recipes`: lists the recipes of the project and all presets."""

from typing import Annotated

import typer

from shelfsight.cli.options import JsonOption, StoreOption


def recipes(
    measure: Annotated[
        bool, typer.Option("--measure", help="measure a step of every backbone, some seconds for each, and keep it")
    ] = False,
    store: StoreOption = "",
    as_json: JsonOption = False,
) -> None:
    """List the project's recipes and all presets.

    With backbone, parameters, GMACs, resolution and seconds an epoch on this device.
    """
    from resources.settings import Settings
    from shelfsight.cli.output import print_output
    from shelfsight.cli.recipes import recipes as list_recipes

    def report(backbone: str) -> None:
        typer.echo(f"measuring {backbone}", err=True)

    listed = list_recipes(Settings.read(store=store), is_measuring=measure, on_measure=report)
    if as_json:
        print_output(listed, as_json=True)
        return
    rows = listed.pop("recipes")
    print_output(listed, as_json=False)
    print_output(rows, as_json=False)
