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

    One query, which reads the views that 'SHOW TABLES' lists and nothing else: no other file, no network; nothing can
    be written. The settings query_timeout_s, query_memory_gib and query_threads limit it.
    """
    import duckdb

    from catalog.storage.bounded_query import bounded_query
    from resources.artifacts.local_copies import database
    from resources.settings import Settings
    from shelfsight.cli.output import print_output

    limits = Settings.read().query_limits
    try:
        rows = bounded_query(database(store), sql, limits).to_dicts()
    except duckdb.Error as error:
        raise ValueError(str(error)) from error
    print_output(rows, as_json=as_json, has_data=True)
