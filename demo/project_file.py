"""The project file of the demo, as the package ships it."""

from importlib.resources import files
from pathlib import Path

from resources.project_file import PROJECT_FILE


def project_text(*, is_full: bool) -> str:
    """Returns the `shelfsight.toml` of the demo, of the whole flow or of all that the platform can do."""
    return (files("demo") / "project" / ("full.toml" if is_full else PROJECT_FILE)).read_text(encoding="utf-8")


def write_project_file(folder: Path, *, is_full: bool) -> None:
    """Writes the project's file unless there is one, which may have been edited."""
    file = folder / PROJECT_FILE
    if not file.exists():
        folder.mkdir(parents=True, exist_ok=True)
        file.write_text(project_text(is_full=is_full), encoding="utf-8")
