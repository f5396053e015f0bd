"""Syntax trees of source files."""

import ast
import gc
from pathlib import Path


def parsed(path: Path) -> ast.Module:
    """Returns the syntax tree of a file.

    Without a garbage collection meanwhile: what it finalizes may parse source itself, to show a warning, and Python
    3.11 then raises SystemError of the first parse (CPython issue 106905).
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        return ast.parse(path.read_text())
    finally:
        if was_enabled:
            gc.enable()
