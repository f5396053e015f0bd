"""Builds the reference pages from the code: command line, settings, recipes, assets, tables, rejections, Python API.

A hook of MkDocs (https://www.mkdocs.org/user-guide/configuration/#hooks); `PAGES` names every generated page.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

API = {
    "Taxonomy": ["catalog.taxonomy.tree", "catalog.taxonomy.moves"],
    "Feeds": ["catalog.feeds.feed", "catalog.feeds.formats", "catalog.feeds.registration"],
    "Download": ["catalog.download.settings", "catalog.images.statuses", "catalog.images.outcomes"],
    "Dataset": ["catalog.dataset.build", "catalog.dataset.splits", "catalog.dataset.duplicates"],
    "Evaluation": ["catalog.evaluation.scores", "catalog.evaluation.comparison", "catalog.evaluation.promotion"],
    "Exports": ["catalog.exports.catalog_export", "catalog.exports.dataset_export", "catalog.exports.current_catalog"],
    "Encoders": ["ml.encoders.encoder", "ml.recipe_types", "ml.recipe_parts", "ml.methods.method"],
    "Embeddings": ["ml.embeddings.quality", "ml.embeddings.similarity_index"],
    "Classifiers": ["ml.classifiers.classifier", "ml.classifiers.heads", "ml.classifiers.losses"],
    "Search": ["ml.search.recipe", "ml.search.budget", "ml.search.space"],
    "Deployment": ["ml.deployment.deployment", "ml.deployment.variants"],
    "Store": ["resources.store", "resources.settings"],
}


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds every generated page to the site."""
    for uri, page in PAGES.items():
        files.append(File.generated(config, uri, content=page()))
    return files


def cli_page() -> str:
    """The commands of `shelfsight`, with their help."""
    from shelfsight.cli.command import NAME, click_command
    from shelfsight.cli.failures import EXIT_CODES

    parts = ["# Command line", "", EXIT_CODES, "", *_command(NAME, click_command())]
    return "\n".join(parts)


def settings_page() -> str:
    """Every setting: variable, type, default, meaning."""
    from resources.settings_page import settings_markdown

    intro = (
        "Each setting is an environment variable, and a key of a project's `shelfsight.toml`: there without prefix, "
        "in small letters. A value of the wrong type or out of range is refused at the start."
    )
    return f"# Settings\n\n{intro}\n\n{settings_markdown()}"


def recipes_page() -> str:
    """Every recipe of every kind, with the fields that differ from the defaults."""
    from ml import recipes
    from ml.search.recipe import SEARCH_RECIPES

    kinds: dict[str, Mapping[str, Any]] = {
        "Encoders": recipes.ENCODER_RECIPES,
        "Classifiers": recipes.CLASSIFIER_RECIPES,
        "Searches": SEARCH_RECIPES,
        "Students": recipes.STUDENT_RECIPES,
        "Ensembles": recipes.ENSEMBLE_RECIPES,
        "Attributes": recipes.ATTRIBUTE_RECIPES,
    }
    parts = ["# Recipes", "", "The presets that a project extends: the fields that differ from their default.", ""]
    for kind, known in kinds.items():
        parts += [f"## {kind}", "", "| name | fields |", "| --- | --- |"]
        parts += [f"| `{name}` | {_cell(', '.join(_changed(recipe)))} |" for name, recipe in known.items()]
        parts.append("")
    return "\n".join(parts)


def assets_page() -> str:
    """Every asset and job, by domain."""
    from catalog_assets.definitions import defs

    graph = defs.resolve_asset_graph()
    nodes = sorted((graph.get(key) for key in graph.get_all_asset_keys()), key=lambda node: node.key.path[-1])
    parts = ["# Assets and jobs", ""]
    for group in dict.fromkeys(node.group_name for node in nodes):
        parts += [f"## {group}", "", "| asset | description | made from |", "| --- | --- | --- |"]
        for node in (each for each in nodes if each.group_name == group):
            parents = ", ".join(f"`{key.path[-1]}`" for key in sorted(node.parent_keys))
            description = (node.description or "").split("\n\n")[0]
            parts.append(f"| `{node.key.path[-1]}` | {_cell(description)} | {parents} |")
        parts.append("")
    parts += ["## Jobs", "", "| job | what it does |", "| --- | --- |"]
    parts += [f"| `{job.name}` | {_cell(job.description or '')} |" for job in defs.jobs or []]
    return "\n".join(parts)


def tables_page() -> str:
    """Every table and view of the store, with its columns."""
    from catalog.schema.markdown import tables_markdown

    return f"# Tables and views\n\n{tables_markdown()}"


def rejections_page() -> str:
    """Every reason for which a row of a feed is rejected."""
    from catalog.products.rejections import rejections_markdown

    intro = (
        "A row of a feed, or an attribute of it, that cannot be used is a row of the table "
        "[`rejected`](tables.md#rejected), with its reason, the text of the row, and a detail with the value and the "
        "way out. Correct the feed and deliver it again under the same name; only what changed is downloaded."
    )
    return f"# Rejected rows\n\n{intro}\n\n{rejections_markdown()}"


def python_page() -> str:
    """The Python API, rendered by mkdocstrings."""
    parts = ["# Python API", ""]
    for title, modules in API.items():
        parts += [f"## {title}", ""]
        parts += [f"::: {module}\n    options:\n      heading_level: 3\n" for module in modules]
    return "\n".join(parts)


def _command(name: str, command: Any) -> list[str]:
    """A command of the Click tree, with its options, and those below it."""
    from typer import Context

    context = Context(command, info_name=name)
    with context.scope(cleanup=False):
        usage = re.sub(r"\s+", " ", context.get_usage()).removeprefix("Usage: ").strip()
        shown = [(each, each.get_help_record(context)) for each in command.get_params(context)]
    lines = [f"## `{name}`", "", command.help or "", "", f"    {usage}", "", "| argument | meaning |", "| --- | --- |"]
    lines += [f"| `{_cell(record[0])}` | {_cell(record[1])} |" for _, record in shown if record is not None]
    lines.append("")
    for word, inner in getattr(command, "commands", {}).items():
        lines += _command(f"{name} {word}", inner)
    return lines


def _changed(recipe: Any) -> list[str]:
    """`field=value` of the fields that differ from their default; nested dataclasses by their own changed fields."""
    shown = []
    for field in fields(recipe):
        value = getattr(recipe, field.name)
        if field.name == "name" or value == field.default:
            continue
        text = f"{type(value).__name__}({', '.join(_changed(value))})" if is_dataclass(value) else repr(value)
        shown.append(f"`{field.name}={text}`")
    return [each.replace("``", "`") for each in (re.sub(r"(?<!^)`(?!$)", "", each) for each in shown)]


def _cell(text: str) -> str:
    return re.sub(r"\s+", " ", text).replace("|", "\\|")


PAGES: Mapping[str, Callable[[], str]] = {
    "reference/cli.md": cli_page,
    "reference/settings.md": settings_page,
    "reference/recipes.md": recipes_page,
    "reference/assets.md": assets_page,
    "reference/tables.md": tables_page,
    "reference/rejections.md": rejections_page,
    "reference/python.md": python_page,
}
