"""The deployment that answers in a store, wherever that lies; without Dagster, so that a command starts at once."""

from pathlib import Path

from catalog.files import place
from ml.deployment.deployment import current_folder
from resources.mirror import here


def current_deployment(root: str) -> Path:
    """The folder of the deployment that answers, on this machine; FileNotFoundError where none does yet."""
    return here(root, "deployment", current_folder(place(root)).name)
