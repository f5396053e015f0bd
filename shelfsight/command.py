"""The command line: its words, its help, and which function answers each of them.

Exit codes: 0 answered, 1 could not (the reason stands on stderr), 2 not understood. What a word needs is imported where
it is answered: nobody waits for Dagster or PyTorch who only asks what a picture shows.
"""

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

Answer = Callable[[argparse.Namespace], None]


def main(words: Sequence[str] | None = None) -> int:
    """Answer one command; the exit code."""
    options = parser().parse_args(words)
    answer: Answer = options.answer
    try:
        answer(options)
    except (LookupError, OSError, ValueError) as error:
        print(f"shelfsight {options.word}: {_plainly(error)}", file=sys.stderr)  # noqa: T201 a command's words
        return 1
    return 0


def parser() -> argparse.ArgumentParser:
    """All words and their options."""
    top = argparse.ArgumentParser(
        prog="shelfsight",
        description="Ask a catalogue: what a picture shows, what is like it, how things stand.",
        epilog="The store is the folder or URL that --store or SHELFSIGHT_STORE names, ./store otherwise.",
    )
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--store", default=os.environ.get("SHELFSIGHT_STORE", "store"), help="the store")
    common.add_argument("--json", action="store_true", help="answer in JSON")
    words = top.add_subparsers(dest="word", required=True, metavar="WORD")

    feed = words.add_parser("feed", help="hand a partner's feed in", description="Hand a partner's feed in.")
    verbs = feed.add_subparsers(dest="verb", required=True, metavar="VERB")
    add = verbs.add_parser(
        "add",
        parents=[common],
        help="put a feed file into a partner's inbox",
        description="Put a feed file into a partner's inbox, where feed_sensor finds it.",
    )
    add.add_argument("file", type=Path, metavar="FILE")
    add.add_argument("--partner", help="whose it is; the name of the folder that it lies in otherwise")
    add.set_defaults(answer=_feed_add)

    classify = words.add_parser(
        "classify",
        parents=[common],
        help="tell the category of pictures",
        description="Tell the category of pictures by the deployed champion, as deep as it is sure.",
    )
    classify.add_argument("pictures", nargs="+", metavar="PICTURE_OR_URL")
    classify.add_argument("--coverage", type=float, default=0.9, help="how often answers have to be right (0.9)")
    classify.set_defaults(answer=_classify)

    similar = words.add_parser(
        "similar",
        parents=[common],
        help="list products that look like a product or a picture",
        description="List products whose pictures look most like a product's, or like a picture.",
    )
    similar.add_argument("wanted", metavar="PRODUCT_OR_PICTURE", help="an id such as hansen:4711, or a picture's file")
    similar.add_argument("--encoder", help="whose embeddings; the one that tells categories best otherwise")
    similar.add_argument("-k", type=int, default=10, help="how many (10)")
    similar.add_argument("--sheet", type=Path, help="a PNG to write: what was asked for, then what is like it")
    similar.set_defaults(answer=_similar)

    query = words.add_parser(
        "query",
        parents=[common],
        help="ask the warehouse in SQL",
        description="Ask the warehouse in SQL; nothing can be written. 'SHOW TABLES' lists its views.",
    )
    query.add_argument("sql", metavar="SQL")
    query.set_defaults(answer=_query)

    status = words.add_parser(
        "status",
        parents=[common],
        help="tell how things stand",
        description="Tell the deliveries and what was made of them, the champion, its deployment and the sensors.",
    )
    status.set_defaults(answer=_status)
    return top


def _feed_add(options: argparse.Namespace) -> None:
    from shelfsight.feeds import add
    from shelfsight.told import tell

    tell(add(options.store, options.file, options.partner), as_json=options.json)


def _classify(options: argparse.Namespace) -> None:
    from shelfsight.classify import classify
    from shelfsight.told import tell

    tell(classify(options.store, options.pictures, options.coverage), as_json=options.json)


def _similar(options: argparse.Namespace) -> None:
    from shelfsight.similar import similar
    from shelfsight.told import tell

    tell(similar(options.store, options.wanted, options.encoder, options.k, options.sheet), as_json=options.json)


def _query(options: argparse.Namespace) -> None:
    import duckdb

    from catalog.warehouse import query
    from resources.mirror import database
    from shelfsight.told import tell

    try:
        rows = query(database(options.store), options.sql).to_dicts()
    except duckdb.Error as error:
        raise ValueError(str(error)) from error
    tell(rows, as_json=options.json)


def _status(options: argparse.Namespace) -> None:
    from shelfsight.status import status
    from shelfsight.told import tell

    tell(status(options.store), as_json=options.json)


def _plainly(error: Exception) -> str:
    """The message, without the quotes that a KeyError puts about it."""
    return str(error.args[0]) if isinstance(error, KeyError) and error.args else str(error)
