"""The command line: subcommands, options and help.

Exit codes: 0 success, 1 failure (with the reason on stderr), 2 malformed command. Each subcommand imports what it
needs, so that none waits for Dagster or PyTorch without using them.
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

Run = Callable[[argparse.Namespace], None]


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command and returns the exit code."""
    options = parser().parse_args(arguments)
    run: Run = options.run
    try:
        options.store = options.store or _store_of_settings()
        run(options)
    except (LookupError, OSError, ValueError) as error:
        print(f"shelfsight {options.command}: {_message(error)}", file=sys.stderr)  # noqa: T201 a command's output
        return 1
    return 0


def parser() -> argparse.ArgumentParser:
    """Returns the parser of all subcommands and options."""
    top = argparse.ArgumentParser(
        prog="shelfsight",
        description="Classify images, find similar products, query the tables and see the status of a catalog.",
        epilog="The store is the folder or URL of --store, of SHELFSIGHT_STORE, or ./store.",
    )
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--store", help="folder or URL of the store")
    common.add_argument("--json", action="store_true", help="print JSON")
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")

    feed = commands.add_parser("feed", help="deliver a partner's feed", description="Deliver a partner's feed.")
    actions = feed.add_subparsers(dest="action", required=True, metavar="ACTION")
    add = actions.add_parser(
        "add",
        parents=[common],
        help="copy a feed file into a partner's inbox",
        description="Copy a feed file into a partner's inbox, where feed_sensor finds it.",
    )
    add.add_argument("file", type=Path, metavar="FILE")
    add.add_argument("--partner", help="partner of the feed; by default the name of the file's folder")
    add.set_defaults(run=_feed_add)

    classify = commands.add_parser(
        "classify",
        parents=[common],
        help="predict the category of images",
        description="Predict the category of images with the deployed champion, as deep as it is confident.",
    )
    classify.add_argument("images", nargs="+", metavar="IMAGE_OR_URL")
    classify.add_argument("--coverage", type=float, default=0.9, help="share of predictions that is to be right (0.9)")
    classify.set_defaults(run=_classify)

    similar = commands.add_parser(
        "similar",
        parents=[common],
        help="list products that look like a product or an image",
        description="List the products whose images are most similar to a product's image or to an image file.",
    )
    similar.add_argument("query", metavar="PRODUCT_OR_IMAGE", help="an id such as hansen:4711, or an image file")
    similar.add_argument(
        "--encoder", help="encoder of the embeddings; by default the one with the best nearest neighbors"
    )
    similar.add_argument("-k", type=int, default=10, help="number of products (10)")
    similar.add_argument("--sheet", type=Path, help="PNG to write: the query, then the similar products")
    similar.set_defaults(run=_similar)

    query = commands.add_parser(
        "query",
        parents=[common],
        help="query the warehouse in SQL",
        description="Query the warehouse in SQL, read-only. 'SHOW TABLES' lists its views.",
    )
    query.add_argument("sql", metavar="SQL")
    query.set_defaults(run=_query)

    status = commands.add_parser(
        "status",
        parents=[common],
        help="show the status of the store",
        description="Show the deliveries and their progress, the champion, its deployment and the sensors.",
    )
    status.set_defaults(run=_status)

    run = commands.add_parser(
        "run",
        parents=[common],
        help="bring everything in the project's plan up to date",
        description="Bring everything in the [plan] of shelfsight.toml up to date, in this process. An interrupted run "
        "goes on where it was.",
    )
    run.add_argument(
        "--dry-run",
        action="store_true",
        help="register new feeds, and list what would run with the seconds it took before",
    )
    run.add_argument("--only", metavar="STAGE", help="a job or an asset group: run nothing else")
    run.add_argument("--until", metavar="STAGE", help="a job or an asset group: run nothing after it")
    run.set_defaults(run=_run)

    check = commands.add_parser(
        "check",
        parents=[common],
        help="validate the project before anything runs",
        description="Validate the settings, recipes, plan, reference data and feeds of a project.",
    )
    check.set_defaults(run=_check)
    return top


def _feed_add(options: argparse.Namespace) -> None:
    from shelfsight.cli.feeds import add
    from shelfsight.cli.output import print_output

    print_output(add(options.store, options.file, options.partner), as_json=options.json)


def _classify(options: argparse.Namespace) -> None:
    from shelfsight.cli.classify import classify
    from shelfsight.cli.output import print_output

    print_output(classify(options.store, options.images, options.coverage), as_json=options.json)


def _similar(options: argparse.Namespace) -> None:
    from shelfsight.cli.output import print_output
    from shelfsight.cli.similar import similar

    print_output(similar(options.store, options.query, options.encoder, options.k, options.sheet), as_json=options.json)


def _query(options: argparse.Namespace) -> None:
    import duckdb

    from catalog.storage.warehouse import query
    from resources.artifacts.local_copies import database
    from shelfsight.cli.output import print_output

    try:
        rows = query(database(options.store), options.sql).to_dicts()
    except duckdb.Error as error:
        raise ValueError(str(error)) from error
    print_output(rows, as_json=options.json)


def _status(options: argparse.Namespace) -> None:
    from shelfsight.cli.output import print_output
    from shelfsight.cli.status import status

    print_output(status(options.store), as_json=options.json)


def _run(options: argparse.Namespace) -> None:
    from resources.settings import Settings
    from shelfsight.cli.output import print_output
    from shelfsight.cli.run import FAILED, PROBLEMS, RunOptions, run

    chosen = RunOptions(only=options.only, until=options.until, is_dry=options.dry_run)
    found = run(Settings.read(store=options.store), chosen)
    print_output(found, as_json=options.json)
    if num_failed := len(found.get(FAILED, ())) + len(found[PROBLEMS]):
        raise ValueError(f"{num_failed} deliveries or feeds failed, the others are up to date; see the list above")


def _check(options: argparse.Namespace) -> None:
    from resources.settings import Settings
    from shelfsight.cli.check import check
    from shelfsight.cli.output import print_output

    found = check(Settings.read(store=options.store))
    print_output(found, as_json=options.json)
    if problems := found["problems"]:
        raise ValueError(f"{len(problems)} problems in the project; see the list above")


def _store_of_settings() -> str:
    from resources.settings import Settings

    return Settings.read().store


def _message(error: Exception) -> str:
    """Returns the message, without the quotes that a KeyError adds."""
    return str(error.args[0]) if isinstance(error, KeyError) and error.args else str(error)
