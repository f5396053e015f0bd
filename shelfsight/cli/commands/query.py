"""`shelfsight query`: queries the warehouse in SQL."""

from typing import Annotated

import typer

from shelfsight.cli.options import JsonOption, StoreOption


def query(
    sql: Annotated[str, typer.Argument(metavar="SQL", help="a statement such as 'SHOW TABLES'")],
    store: StoreOption = "",
    as_json: JsonOption = False,
) -> None:
    """Query the warehouse in SQL.

    Read-only; 'SHOW TABLES' lists its views.
    """
    import duckdb

    from catalog.storage.warehouse import query as read_query
    from resources.artifacts.local_copies import database
    from shelfsight.cli.output import print_output

    try:
        rows = read_query(database(store), sql).to_dicts()
    except duckdb.Error as error:
        raise ValueError(str(error)) from error
    print_output(rows, as_json=as_json, has_data=True)
