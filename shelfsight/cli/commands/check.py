"""`shelfsight check`: validates the project before anything runs."""

from shelfsight.cli.failures import PartialFailureError
from shelfsight.cli.options import JsonOption, StoreOption


def check(store: StoreOption = "", as_json: JsonOption = False) -> None:
    """Validate the project before anything runs.

    Its settings, recipes, plan, reference data and feeds.
    """
    from resources.settings import Settings
    from shelfsight.cli.check import check as check_project
    from shelfsight.cli.output import print_output

    checked = check_project(Settings.read(store=store))
    print_output(checked, as_json=as_json)
    if problems := checked["problems"]:
        raise PartialFailureError(f"{len(problems)} problems in the project; see the list above")
