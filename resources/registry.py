"""The registry of champions: every classifier that ever asked for the place is a version of one MLflow model.

Its alias `champion` is the one that answers, `former` the one before it, and `candidate` one that was not promoted yet.
``mlflow.artifacts.download_artifacts("models:/classifier@champion")`` brings the weights and the record.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from resources.tracking import Tracking

MODEL = "classifier"
CHAMPION, CANDIDATE, FORMER = "champion", "candidate", "former"


def register_candidate(tracking: Tracking, run_id: str, files: Sequence[Path], tags: Mapping[str, str]) -> str:
    """Make a classifier's files, of its MLflow run, a version with the alias `candidate`; returns its number.

    What is registered already, by the tag `sha256`, becomes no second version.
    """
    client = tracking.client()
    held = [
        each for each in client.search_model_versions(f"name = '{MODEL}'") if each.tags.get("sha256") == tags["sha256"]
    ]
    version = str(held[0].version) if held else tracking.register(MODEL, run_id, files, tags)
    client.set_registered_model_alias(MODEL, CANDIDATE, version)
    return version


def promote(tracking: Tracking, version: str) -> None:
    """Move the alias `champion` to a version; the one that had it is `former` from then on."""
    client = tracking.client()
    aliases = {name: str(held) for name, held in client.get_registered_model(MODEL).aliases.items()}
    before = aliases.get(CHAMPION)
    if before is not None and before != version:
        client.set_registered_model_alias(MODEL, FORMER, before)
    client.set_registered_model_alias(MODEL, CHAMPION, version)
    if aliases.get(CANDIDATE) == version:
        client.delete_registered_model_alias(MODEL, CANDIDATE)
