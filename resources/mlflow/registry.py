"""The registry of champions: every classifier that was ever a candidate is a version of one MLflow model.

Its alias `champion` names the version that predicts for the catalog, `former` the one before it, and `candidate` the
last one that was refused. ``mlflow.artifacts.download_artifacts("models:/classifier@champion")`` downloads the weights
and the record.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from resources.mlflow.tracking import CURRENT, Tracking

MODEL = "classifier"


def register_candidate(tracking: Tracking, run_id: str, files: Sequence[Path], tags: Mapping[str, str]) -> str:
    """Register a classifier's files, of its MLflow run, as a version; returns its number.

    A classifier that is registered already, by the tag `sha256`, is not registered twice.
    """
    client = tracking.client()
    versions = client.search_model_versions(f"name = '{MODEL}'")
    existing = [str(each.version) for each in versions if each.tags.get("sha256") == tags["sha256"]]
    if not existing:
        return tracking.register(MODEL, run_id, files, tags)
    # A run killed while it registered the version may not have moved this alias.
    client.set_registered_model_alias(MODEL, CURRENT, max(int(each.version) for each in versions))
    return existing[0]


def set_aliases(tracking: Tracking, versions: Mapping[str, str | None]) -> None:
    """Point each alias to its version, and delete those without one; done again, it changes nothing."""
    client = tracking.client()
    existing = {name: str(version) for name, version in client.get_registered_model(MODEL).aliases.items()}
    for name, version in versions.items():
        if version is None and name in existing:
            client.delete_registered_model_alias(MODEL, name)
        elif version is not None and existing.get(name) != version:
            client.set_registered_model_alias(MODEL, name, version)
