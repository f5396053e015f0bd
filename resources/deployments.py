"""The deployment that answers in a store, wherever the store lies."""

import json
from pathlib import Path

from ml.deployment.deployment import POINTER, current_folder
from resources.store import Store


def current_deployment(store: Store) -> Path:
    """The folder of the deployment that answers, on this machine; FileNotFoundError where none does yet."""
    if store.is_remote:
        pointer = store.scratch.joinpath(*POINTER)
        if (record := store.read_json(*POINTER)) is not None:
            pointer.parent.mkdir(parents=True, exist_ok=True)
            pointer.write_text(json.dumps(record))
    return store.here("deployment", current_folder(store.scratch).name)
