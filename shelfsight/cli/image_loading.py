"""Loading images to classify: links are fetched at the same time under a download's guards, all are decoded safely."""

import asyncio
import errno
from collections import deque
from collections.abc import AsyncGenerator, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from catalog.download.fetching import Fetcher
from catalog.download.settings import FetchSettings
from catalog.images.decoders import Decoders
from catalog.images.statuses import Status
from catalog.images.stored_image import StoredImage
from catalog.storage.cores import num_cores
from resources.configured import download_settings
from resources.downloader import ImageDownloader
from resources.places import reference_root
from resources.settings import Settings
from shelfsight.cli.image_inputs import ImageInput

NO_FILE, UNREADABLE = "no_such_file", "unreadable"  # statuses of files, beside those of `Status`
NUM_AHEAD = 128  # images that are loaded ahead of the one that is due


@dataclass(frozen=True, slots=True)
class LoadedImage:
    """An image as a download would store it, or the status that explains why there is none."""

    name: str
    status: str
    data: bytes | None = None


def fetch_settings(store: str) -> FetchSettings:
    """Returns the settings of a download into a store, with its limits for each host."""
    settings = Settings.read(store=store)
    downloader = ImageDownloader(**download_settings(settings, reference_root(settings)))
    return replace(
        downloader.settings(), user_agent=f"shelfsight/0.1 (classify; {settings.contact or 'no contact configured'})"
    )


async def load_images(inputs: Iterable[ImageInput], settings: FetchSettings) -> AsyncGenerator[LoadedImage, None]:
    """Yields the images in their order, of which at most `NUM_AHEAD` are in memory; never raises for one of them."""
    with _decoders(settings) as decoders:
        async with Fetcher(settings, gates=[decoders.ready]) as fetcher:
            loader = _Loader(settings, fetcher, decoders)
            pending: deque[asyncio.Task[LoadedImage]] = deque()
            try:
                for each in inputs:
                    pending.append(asyncio.create_task(loader.load(each)))
                    if len(pending) == NUM_AHEAD:
                        yield await pending.popleft()
                while pending:
                    yield await pending.popleft()
            finally:
                for task in pending:
                    task.cancel()
                await asyncio.gather(*pending, return_exceptions=True)


@contextmanager
def _decoders(settings: FetchSettings) -> Iterator[Decoders]:
    decoders = Decoders(settings, num_cores(), settings.decode_timeout_s)
    try:
        yield decoders
    finally:
        decoders.close()


@dataclass(frozen=True)
class _Loader:
    """Loads single images."""

    settings: FetchSettings
    fetcher: Fetcher
    decoders: Decoders

    async def load(self, image: ImageInput) -> LoadedImage:
        """Fetches or reads an image, and decodes it."""
        content = await self._fetched(image.place) if image.is_link else await self._read(image.place)
        if isinstance(content, bytes):
            decoded = await self.decoders.decode(content)
            if isinstance(decoded, StoredImage):
                return LoadedImage(image.name, Status.OK, decoded.data)
            content = decoded
        return LoadedImage(image.name, content)

    async def _fetched(self, url: str) -> bytes | str:
        fetched = await self.fetcher.fetch(url)
        return fetched.status if fetched.data is None else fetched.data

    async def _read(self, place: str) -> bytes | str:
        await self.decoders.ready.wait()
        return await asyncio.to_thread(_file_content, place, self.settings.max_bytes)


def _file_content(place: str, max_bytes: int) -> bytes | str:
    """Returns the bytes of a file, or a status."""
    try:
        with Path(place).open("rb") as file:
            content = file.read(max_bytes + 1)
    except OSError as error:
        return NO_FILE if error.errno in (errno.ENOENT, errno.ENOTDIR) or not place else UNREADABLE
    return Status.TOO_LARGE if len(content) > max_bytes else content
