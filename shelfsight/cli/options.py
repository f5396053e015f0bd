"""Options that every command has; both may also be written before the command."""

from typing import Annotated

import typer


def _store_or_setting(context: typer.Context, value: str) -> str:
    """Returns the store of the option or, where there is none, of the settings."""
    if value or context.resilient_parsing:
        return value
    from resources.settings import Settings

    return Settings.read().store


StoreOption = Annotated[
    str,
    typer.Option(
        "--store",
        callback=_store_or_setting,
        metavar="FOLDER_OR_URL",
        help="folder or URL of the store",
        show_default="that of SHELFSIGHT_STORE or of shelfsight.toml, or ./store",
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="print JSON")]
