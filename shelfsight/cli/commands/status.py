"""`shelfsight status`: shows the status of the store."""

from shelfsight.cli.options import JsonOption, StoreOption


def status(store: StoreOption = "", as_json: JsonOption = False) -> None:
    """Show the status of the store.

    The deliveries and their progress, the champion, its deployment and the sensors.
    """
    from shelfsight.cli.output import print_output
    from shelfsight.cli.status import status as read_status

    print_output(read_status(store), as_json=as_json)
