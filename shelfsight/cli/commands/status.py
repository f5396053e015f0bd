"""`shelfsight status`: shows the status of the store."""

from shelfsight.cli.options import JsonOption, StoreOption


def status(store: StoreOption = "", as_json: JsonOption = False) -> None:
    """Show the status of the store.

    The deliveries and their progress, why some wait and what to do, the champion, its deployment and the sensors.
    """
    from shelfsight.cli.output import print_output
    from shelfsight.cli.status import sentences
    from shelfsight.cli.status import status as read_status

    current = read_status(store)
    print_output(current if as_json else current | {"waiting": sentences(current["waiting"])}, as_json=as_json)
