"""The current deployment of a store, local or remote; imports no Dagster, so that a command starts at once."""

from pathlib import Path

from catalog.storage.files import store_path
from ml.deployment.deployment import current_folder
from resources.artifacts.local_copies import sync_down

CANDIDATES = "cache/deployment"  # exports that were not accepted, or not yet, below a store's scratch folder


def current_deployment(root: str) -> Path:
    """Returns the local folder of the current deployment.

    Raises:
        FileNotFoundError: nothing is deployed yet.
    """
    return sync_down(root, "deployment", current_folder(store_path(root)).name)
