"""The page about settings: a table of all of them, generated from their types."""

import json
from pathlib import Path
from typing import Any

from resources.file_settings import key_of
from resources.setting_fields import COVERAGES
from resources.settings import Settings, variable_of

KINDS = {"string": "text", "integer": "whole number", "number": "number", "boolean": "`true` or `false`"}


def settings_markdown() -> str:
    """All settings as a Markdown table: name, variable, type, default, description."""
    lines = ["| name | variable | type | default | description |", "|---|---|---|---|---|"]
    for name, field in Settings.model_fields.items():
        default = "`~/.cache/shelfsight`" if name == "scratch" else _shown(field.get_default(call_default_factory=True))
        cells = (f"`{key_of(name)}`", f"`{variable_of(name)}`", _type_of(name), default, field.description or "")
        lines.append(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |")
    return "\n".join(lines) + "\n"


def _type_of(name: str) -> str:
    """The type of a setting as people write it: the choices, or the kind of value and its bounds."""
    schema = Settings.model_json_schema(by_alias=False)["properties"][name]
    if "enum" in schema:
        return ", ".join(f"`{choice}`" for choice in schema["enum"])
    if name == "coverage":
        return ", ".join(f"`{choice:g}`" for choice in COVERAGES)
    words = "path" if Path in _parts(name) else KINDS.get(schema.get("type", ""), "JSON object")
    low, high = schema.get("minimum"), schema.get("maximum")
    if "exclusiveMinimum" in schema:
        return f"{words} above {schema['exclusiveMinimum']:g}"
    return words if low is None else f"{words}, {low:g} to {high}" if high is not None else f"{words}, at least {low:g}"


def _parts(name: str) -> tuple[Any, ...]:
    annotation = Settings.model_fields[name].annotation
    return (annotation, *getattr(annotation, "__args__", ()))


def _shown(default: Any) -> str:
    if default in ("", None):
        return "none"
    return f"`{json.dumps(default) if isinstance(default, bool | dict) else default}`"
