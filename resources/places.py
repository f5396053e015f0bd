"""The places of what people put in: partners' feeds, and the reference data.

In a project they lie beside its file, where people look. Without a project, and with a remote store, which several
machines share, they are folders of the store.
"""

from catalog.storage.files import absolute, is_remote
from resources.settings import Settings, project_file


def inbox_root(settings: Settings) -> str:
    """Returns the absolute path, or the URL, of the folder of feeds."""
    return _place(settings, settings.inbox, "inbox")


def reference_root(settings: Settings) -> str:
    """Returns the absolute path, or the URL, of the folder of taxonomy and partners' settings."""
    return _place(settings, settings.reference, "reference")


def _place(settings: Settings, written: str, name: str) -> str:
    folder = project_file().folder
    if written:
        return absolute(written)
    if folder is not None and not is_remote(settings.root):
        return str(folder / name)
    return f"{settings.root.rstrip('/')}/{name}"
