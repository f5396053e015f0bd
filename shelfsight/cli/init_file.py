"""The commented `shelfsight.toml` of a new project: its plan, and every setting with its default."""

import json
import textwrap
from pathlib import Path
from typing import Any

from resources.file_settings import key_of
from resources.settings import Settings

WIDTH = 100
HEAD = """\
# A catalog of shelfsight: settings first, then recipes, then the plan. Lines with a # in front are defaults:
# remove the # to change one. Environment variables of the same name, SHELFSIGHT_..., count before this file.
# `shelfsight check` validates all of it.
"""
RECIPES = """\
# Recipes: each starts from a preset and changes some fields. `shelfsight recipes` lists presets.
#
# [encoders.photos]                       # a network and its weights
# extends = "photo-cpu"
# resolution = 192                        # pixels of a side
#
# [classifiers.photos]                    # what is trained with it
# extends = "photo-cpu"
# encoder = "photos"

# The plan: what `shelfsight run` brings up to date. `shelfsight up` trains the first champion of these classifiers as
# soon as there are `min_labels` labels.
[plan]
encoders = ["{encoder}"]
classifiers = ["{classifier}"]
"""
# The demo's own, and where a project has its file anyway.
LEFT_OUT = frozenset({"demo_shop_port", "demo_data"})
IN_PROJECT = {"store": "store", "inbox": "inbox", "reference": "reference", "dagster_home": "store/dagster"}


def project_toml(encoder: str, classifier: str) -> str:
    """Returns the text of a new project's file, whose plan has one encoder and one classifier."""
    settings = "\n".join(_setting(name) for name in Settings.model_fields if name not in LEFT_OUT)
    return f"{HEAD}\n{settings}\n\n{RECIPES.format(encoder=encoder, classifier=classifier)}"


def _setting(name: str) -> str:
    """Returns a setting as a comment: its description, then its default."""
    field = Settings.model_fields[name]
    words = (field.description or "").replace("`", "")
    described = textwrap.wrap(f"{words[:1].upper()}{words[1:]}.", WIDTH, initial_indent="# ", subsequent_indent="# ")
    default = IN_PROJECT.get(name, field.get_default(call_default_factory=True))
    return "\n".join([*described, f"# {key_of(name)} = {_toml(default)}", ""])


def _toml(value: Any) -> str:
    if isinstance(value, Path):
        home = Path.home()
        value = f"~/{value.relative_to(home)}" if value.is_relative_to(home) else str(value)
    return json.dumps(value)  # texts, numbers, booleans and empty tables are written alike
