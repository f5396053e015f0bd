"""The Dagster instance of a project: a folder in its store, with the settings of this checkout."""

import shutil
from pathlib import Path

from resources.settings import Settings
from resources.store import Store

SETTINGS_FILE = "dagster.yaml"
SHIPPED = Path(__file__).parent.parent / SETTINGS_FILE


def home_of(settings: Settings, store: Store) -> Path:
    """Returns the folder of a store's instance: that of DAGSTER_HOME, or `dagster/` in its folder on this machine."""
    return settings.dagster_home or store.scratch / "dagster"


def made_home(settings: Settings, store: Store) -> Path:
    """Returns the folder of a store's instance; where its settings are missing, it gets those of this checkout."""
    home = home_of(settings, store)
    if not (home / SETTINGS_FILE).exists():
        home.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(SHIPPED, home / SETTINGS_FILE)
    return home
