"""The Dagster instance of a project: a folder in its store, with the settings that the package ships."""

import shutil
from importlib.resources import files
from pathlib import Path

from resources.settings import Settings
from resources.store import Store

SETTINGS_FILE = "dagster.yaml"
_PACKAGE = Path(str(files("resources")))
# A checkout has these files at its root, the wheel has them in this package.
_FOLDER = _PACKAGE if (_PACKAGE / SETTINGS_FILE).is_file() else _PACKAGE.parent
SHIPPED = _FOLDER / SETTINGS_FILE
WORKSPACE = _FOLDER / "workspace.yaml"


def home_of(settings: Settings, store: Store) -> Path:
    """Returns the folder of a store's instance: that of DAGSTER_HOME, or `dagster/` in its folder on this machine."""
    return settings.dagster_home or store.scratch / "dagster"


def made_home(settings: Settings, store: Store) -> Path:
    """Returns the folder of a store's instance; where its settings are missing, it gets those of the package."""
    home = home_of(settings, store)
    if not (home / SETTINGS_FILE).exists():
        home.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(SHIPPED, home / SETTINGS_FILE)
    return home
