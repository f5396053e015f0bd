"""`shelfsight init`: makes a project around a feed, several feeds of one partner, or a folder of images."""

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from upath import UPath

from catalog.feeds.feed import ReadOptions
from catalog.feeds.sampling import Sample
from catalog.products.column_proposals import own_names, propose_columns
from catalog.products.mapping_files import PROPOSALS_HEADER, YES, csv_text
from catalog.products.partners import PARTNERS_FILE
from catalog.products.type_proposals import propose_categories
from catalog.storage.files import replace_file
from catalog.taxonomy.files import TAXONOMY_FILE
from catalog.taxonomy.tree import TAXONOMY_URL, Taxonomy
from resources.project_file import PROJECT_FILE, ProjectError
from shelfsight.cli.init_feed import (
    FeedLabels,
    Source,
    chosen_columns,
    found_preset,
    found_source,
    inbox_name,
    labels_of_feeds,
    plain_name,
    sampled,
    shown_columns,
)
from shelfsight.cli.init_file import project_toml
from shelfsight.cli.init_taxonomy import GOOGLE, OWN, taxonomy_text

ENCODER = CLASSIFIER = "photo-cpu"  # presets for photographs on a machine without a GPU
SURE_SCORE = 0.8  # proposals from here on are confirmed together, where a person says so

Ask = Callable[[str, str], str]  # shows a question and its default, and returns the reply


@dataclass(frozen=True, kw_only=True)
class InitOptions:
    """The options: a feed, a folder of feeds or of images, its partner, the taxonomy, and corrections of columns.

    `columns` are the feed's own column names -> attributes. Proposed categories of at least `accept` are confirmed.
    """

    feed: Path | None = None
    partner: str | None = None
    taxonomy: str | None = None
    columns: Mapping[str, str] = field(default_factory=dict)
    accept: float | None = None


@dataclass(frozen=True, kw_only=True)
class _Draft:
    """The files of a project, before any of them is written: texts and copied feeds, by their path in it."""

    texts: Mapping[str, str] = field(default_factory=dict)
    feeds: Mapping[str, Path] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)  # for the person
    steps: Sequence[str] = ()  # what the person does before anything runs


def init(folder: Path, options: InitOptions, ask: Ask) -> dict[str, Any]:
    """Makes a project and returns what it has and the next commands; asks at most five questions.

    Nothing is written unless everything could be read, and no file is ever replaced.

    Raises:
        ProjectError: the folder is a project already, or has a file that would be replaced.
        OSError: a feed, the taxonomy or the folder cannot be read or written.
        ValueError: the feed is refused, or its columns or the taxonomy cannot be found out.
    """
    if (folder / PROJECT_FILE).exists():
        raise ProjectError(f"{folder / PROJECT_FILE} exists; change it there, or name another folder")
    place = options.feed or _path(ask("Feed, folder of feeds or folder of images (empty for none yet)", ""))
    source = found_source(place) if place is not None else Source()
    partner = options.partner or ask("Name of the partner that delivers it", _partner_name(place))
    partner = plain_name(partner)
    draft = _of_feeds(folder, source.feeds, partner, options, ask) if source.feeds else _without_feed(source, partner)
    _write(folder, draft)
    return {
        "project": str(folder),
        **draft.facts,
        "next": [f"cd {folder}", *draft.steps, "shelfsight check", "shelfsight run", "shelfsight up"],
    }


def _without_feed(source: Source, partner: str) -> _Draft:
    """Returns a project that has no feed yet; images become one by another command."""
    texts = {f"reference/{PARTNERS_FILE}": _partners(partner, {})}
    if source.images is not None:
        return _Draft(texts=texts, steps=[f"shelfsight import {source.images.absolute()} --partner {partner}"])
    steps = [f"save {TAXONOMY_URL} as reference/{TAXONOMY_FILE}", f"shelfsight feed add FILE --partner {partner}"]
    return _Draft(texts=texts, steps=steps)


def _of_feeds(folder: Path, feeds: Sequence[Path], partner: str, options: InitOptions, ask: Ask) -> _Draft:
    """Returns a project around feeds: columns, taxonomy, and categories of product types."""
    sample = sampled(feeds)
    preset = None if options.columns else found_preset(sample)
    columns = {} if preset is not None else _columns(sample, options, ask)
    own = own_names(columns)
    labels = labels_of_feeds(feeds, ReadOptions(columns=own, preset=preset.name if preset else ""))

    kept = folder / "reference" / TAXONOMY_FILE
    choice = options.taxonomy or (GOOGLE if kept.is_file() else _taxonomy_choice(labels, ask))
    text = taxonomy_text(choice, kept=kept, own_paths=[*labels.google, *labels.product_types])
    taxonomy = Taxonomy.parse(text, choice)
    rows = _product_types(labels, taxonomy, options.accept, ask)

    settings = {}
    texts = {} if kept.is_file() and choice == GOOGLE else {f"reference/{TAXONOMY_FILE}": text}
    if preset is not None:
        settings["preset"] = preset.name
    if own:
        settings["columns"] = f"{partner}-columns.csv"
        texts[f"reference/{settings['columns']}"] = csv_text(("column", "attribute"), own.items())
    if rows:
        settings["product_types"] = f"{partner}-product-types.csv"
        texts[f"reference/{settings['product_types']}"] = csv_text(PROPOSALS_HEADER, rows)
    texts[f"reference/{PARTNERS_FILE}"] = _partners(partner, settings)
    num_labeled = sum(num for label, num in labels.google.items() if taxonomy.resolve(label) is not None)
    num_labeled += sum(row[4] for row in rows if row[2] == YES)
    num_open = sum(row[2] != YES for row in rows)
    return _Draft(
        texts=texts,
        feeds={f"inbox/{partner}/{inbox_name(feed)}": feed for feed in feeds},
        facts={
            "partner": partner,
            "products": labels.num_products,
            "columns": f"those of {preset.title}" if preset else shown_columns(columns),
            "labeled products": num_labeled,
            "product types to confirm": num_open,
        },
        steps=[f"write {YES} into the column confirmed of reference/{settings['product_types']}"] if num_open else [],
    )


def _columns(sample: Sample, options: InitOptions, ask: Ask) -> dict[str, str]:
    """Returns the feed's own column names -> attributes, as proposed and corrected by a person."""
    proposed = {each.column: each.attribute for each in propose_columns(sample).values()}
    corrections = options.columns or _corrections(ask(f"Columns: {shown_columns(proposed)}. Corrections", ""))
    return chosen_columns(sample, proposed, corrections)


def _taxonomy_choice(labels: FeedLabels, ask: Ask) -> str:
    return ask(
        f"Taxonomy: '{GOOGLE}', '{OWN}' for the {len(labels.google) + len(labels.product_types):,} categories of the "
        "feed itself, or a file",
        GOOGLE,
    )


def _product_types(
    labels: FeedLabels, taxonomy: Taxonomy, accept: float | None, ask: Ask
) -> list[tuple[str, str, str, float, int]]:
    """Returns the rows of the file of product types, the most frequent first, and which of them count as labels."""
    if not labels.product_types:
        return []
    proposals = propose_categories(list(labels.product_types), taxonomy)
    num_sure = sum(SURE_SCORE <= each.score < 1 for each in proposals)
    if accept is None:
        question = (
            f"{num_sure} of {len(proposals)} product types look sure (a score of {SURE_SCORE}); count them as labels"
        )
        is_accepted = num_sure and ask(question, "no").strip().casefold() in ("y", "yes", "ja", "j")
        accept = SURE_SCORE if is_accepted else 1.0
    rows = [
        (
            each.product_type,
            each.category or "",
            YES if each.category is not None and each.score >= accept else "",
            each.score,
            labels.product_types[each.product_type],
        )
        for each in proposals
    ]
    return sorted(rows, key=lambda row: (-row[4], row[0]))


def _partners(partner: str, settings: Mapping[str, str]) -> str:
    """Returns the text of `partners.toml`."""
    comments = {
        "preset": "The system that exports its feeds.",
        "columns": "Column names of its feeds, and the attributes of Merchant Center that they mean.",
        "product_types": f"Its product types and their categories; rows that are confirmed with '{YES}' are labels.",
    }
    lines = [f"# {comments[name]}\n{name} = '{value}'\n" for name, value in settings.items()]
    return (
        "# The partners of this catalog, a table for each.\n\n"
        f"[partners.{partner}]\n{''.join(lines)}"
        "# currency = 'EUR'                          # of prices without one, as exports of shop systems have them\n"
        "# golden = true                             # verified labels: they evaluate, and never train\n"
        "# feeds = ['https://shop.example/feed.tsv'] # feeds that are fetched, beside those in the inbox\n"
    )


def _write(folder: Path, draft: _Draft) -> None:
    """Writes the files of a project, its own last; ProjectError where one of them exists."""
    texts = {**draft.texts, PROJECT_FILE: project_toml(ENCODER, CLASSIFIER)}
    for name in (*draft.feeds, *texts):
        if (folder / name).exists():
            raise ProjectError(f"{folder / name} exists and would be replaced; move it away, or name another folder")
    (folder / "inbox").mkdir(parents=True, exist_ok=True)
    for name, feed in draft.feeds.items():
        with feed.open("rb") as source, replace_file(UPath(folder / name)) as copy:
            shutil.copyfileobj(source, copy)
    for name, text in texts.items():
        with replace_file(UPath(folder / name)) as file:
            file.write(text.encode())


def _corrections(reply: str) -> dict[str, str]:
    """Parses `Bild=image_link, Preis=`."""
    parts = [part.partition("=") for part in reply.split(",") if part.strip()]
    return {column.strip(): attribute.strip() for column, _, attribute in parts}


def _partner_name(place: Path | None) -> str:
    """Returns the folder's or the file's name as a partner's."""
    if place is None:
        return "partner"
    return plain_name(place.absolute().stem if place.is_file() else place.absolute().name)


def _path(reply: str) -> Path | None:
    return Path(reply).expanduser() if reply.strip() else None
