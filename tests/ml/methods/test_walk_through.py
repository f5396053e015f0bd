"""docs/how-to/add-a-method.md, followed word by word in a copy of the project."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

PROJECT = Path(__file__).parents[3]
PAGE = (PROJECT / "docs" / "how-to" / "add-a-method.md").read_text()
MAX_LINES = 60


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


def patched(text: str, change: str) -> str:
    """The text after a change in diff's format, whose unchanged lines it holds side by side."""
    lines = change.splitlines()
    before = "\n".join(line[1:] for line in lines if not line.startswith("+"))
    assert text.count(before) == 1, before
    return text.replace(before, "\n".join(line[1:] for line in lines))


def test_the_walk_through_adds_a_method_in_one_short_file(tmp_path: Path) -> None:
    for name in ("ml", "tests"):
        shutil.copytree(PROJECT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(PROJECT / "pyproject.toml", tmp_path)
    method, recipe = blocks("python")
    assert len(method.splitlines()) <= MAX_LINES
    [path] = re.findall(r"The file, `(.*?)`", PAGE)
    (tmp_path / path).write_text(method)
    registry = tmp_path / "ml" / "methods" / "__init__.py"
    for change in blocks("diff"):
        registry.write_text(patched(registry.read_text(), change))
    recipes = tmp_path / "ml" / "recipes.py"
    listed = '        pretrained_by("byol"),\n'
    assert listed in recipes.read_text()
    recipes.write_text(recipes.read_text().replace(listed, f"{listed}        {recipe.strip()},\n"))

    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}

    def run(*command: str) -> str:
        return subprocess.run(command, cwd=tmp_path, env=environment, check=True, capture_output=True, text=True).stdout

    names = run(sys.executable, "-c", "from ml.recipes import ENCODER_RECIPES; print(*ENCODER_RECIPES)")
    assert "simsiam-mnv3" in names.split()
    [command] = blocks("console")
    program, *arguments = shlex.split(command.removeprefix("$ "))
    assert program == "pytest"
    output = run(sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *arguments)
    [num_passed] = re.findall(r"(\d+) passed", output)
    assert int(num_passed) >= 10  # the contract on five backbones
