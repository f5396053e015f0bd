"""The taxonomy of a new project: from a file, from the partner's own categories, or from Google's address."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

from upath import UPath

from catalog.taxonomy.own_labels import own_taxonomy
from catalog.taxonomy.parsing import read_text
from catalog.taxonomy.tree import TAXONOMY_URL, Taxonomy

GOOGLE, OWN = "google", "own"


def taxonomy_text(choice: str, *, kept: Path, own_paths: Sequence[str], url: str = TAXONOMY_URL) -> str:
    """Returns the content of the taxonomy's file, valid.

    Args:
        choice: `google`, `own`, or the path of a file in Google's format.
        kept: the place of the taxonomy in the project; a file that is there already counts before Google's address.
        own_paths: the partner's own categories; those with an empty name are left out.
        url: Google's address.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the taxonomy cannot be fetched, or is none.
    """
    if choice == OWN:
        return own_taxonomy(path for path in own_paths if all(name.strip() for name in path.split(">")))
    if choice == GOOGLE:
        text = read_text(UPath(kept)) if kept.is_file() else _fetched(url, kept)
        Taxonomy.parse(text, str(kept) if kept.is_file() else url)
        return text
    place = Path(choice).expanduser()
    if not place.is_file():
        raise FileNotFoundError(
            f"there is no taxonomy {choice!r}; name a file in Google's format, {GOOGLE!r} or {OWN!r}"
        )
    text = read_text(UPath(place))
    Taxonomy.parse(text, str(place))
    return text


def _fetched(url: str, kept: Path) -> str:
    """Returns the taxonomy from its address, by the guarded client of the downloads."""
    from catalog.download.fetched import Fetched
    from catalog.download.fetching import Fetcher
    from catalog.download.settings import FetchSettings
    from resources.settings import Settings

    allowed = tuple(filter(None, map(str.strip, Settings.read().allowed_networks.split(","))))

    async def fetch() -> Fetched:
        async with Fetcher(FetchSettings(user_agent="shelfsight/0.1 (init)", allowed_networks=allowed)) as fetcher:
            return await fetcher.fetch(url)

    fetched = asyncio.run(fetch())
    if fetched.data is None:
        raise ValueError(
            f"{url} cannot be fetched ({fetched.status}); save it from a browser as {kept} and run the command again, "
            f"or name a file with --taxonomy, or make one of your own categories with --taxonomy {OWN}"
        )
    return fetched.data.decode("utf-8-sig", errors="replace")
