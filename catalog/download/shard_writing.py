"""Shard writing: collects the results of links and writes each shard as soon as all of its links have one."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor

from catalog.download.downloader import DownloadResult, LinkResult, internal_error
from catalog.download.journals import Journal, MemoryJournal
from catalog.download.shard_plans import ShardPlan, links_of
from catalog.download.storable_results import storable_results
from catalog.download.unforeseen import log_unforeseen
from catalog.images.statuses import Status

NUM_WRITERS = 2  # shards written at once: their images are what memory holds of a delivery

Counts = tuple[int, int]  # products that have got an outcome, and those of them that have got an image


class OpenShard:
    """A shard under way: its journal, and the links that have no result in it yet."""

    def __init__(self, plan: ShardPlan, journal: Journal | MemoryJournal) -> None:
        self._plan, self._journal = plan, journal
        recorded = journal.open()
        links = list(links_of(plan.todo))
        self.links = {link.url: link for link in links if link.url not in recorded}
        resumed = [(len(link.product_ids), recorded[link.url]) for link in links if link.url in recorded]
        num_ok = sum(num for num, status in resumed if status is Status.OK)
        self.resumed: Counts = sum(num for num, _ in resumed), num_ok

    def add(self, url: str | None, result: DownloadResult) -> Counts:
        """Records the result of a link, for all products that show it.

        A result that cannot be recorded is replaced by an internal error.

        Raises:
            StoreNotWritableError: the disk refuses.
        """
        try:
            self._journal.add(url, result)
        except OSError:  # every other link would end like this one
            raise
        except Exception as error:
            log_unforeseen("recording", url, error)
            result = internal_error()
            self._journal.add(url, result)
        num_products = len(self.links.pop(url).product_ids)
        return num_products, num_products if result.status is Status.OK else 0

    def write(self) -> None:
        """Writes the finished shard and removes its journal.

        A link whose record is bad, or whose result fits no table, is an internal error.

        Raises:
            RuntimeError: the journal has lost records.
        """
        results = self._journal.results()
        lost = [link.url for link in links_of(self._plan.todo) if link.url not in results]
        if len(lost) > self._journal.num_bad:
            raise RuntimeError(
                f"the journal of {self._plan.files.name} has lost the results of {len(lost)} links, as if something "
                f"else wrote the same delivery; run this again, which fetches them"
            )
        self._plan.write(storable_results({**results, **{url: internal_error() for url in lost}}))
        self._journal.remove()


def write_shards(
    results: Iterable[Iterable[LinkResult]], shards: Mapping[int, OpenShard]
) -> Generator[Counts, None, None]:
    """Writes the shards (by index) from the results of their links, which may come in any order.

    Yields the counts of each batch of results. Writing a shard again, even at the same time elsewhere, leaves the
    same files: it replaces whole files by equal ones.

    Raises:
        StoreNotWritableError: a file cannot be written.
        RuntimeError: the results end before every link has one.
    """
    writers = ThreadPoolExecutor(NUM_WRITERS, thread_name_prefix="shard-writer")
    try:
        writes: list[Future[None]] = []
        for shard in shards.values():
            if not shard.links:
                writes.append(writers.submit(shard.write))
            yield shard.resumed
        for batch in results:
            num_products = num_ok = 0
            for index, url, result in batch:
                shard = shards[index]
                counts = shard.add(url, result)
                num_products, num_ok = num_products + counts[0], num_ok + counts[1]
                if not shard.links:
                    writes.append(writers.submit(shard.write))
            yield num_products, num_ok
            for write in [each for each in writes if each.done()]:
                write.result()
                writes.remove(write)
        for write in writes:
            write.result()
    finally:
        writers.shutdown(cancel_futures=True)
    if unfinished := [index for index, shard in shards.items() if shard.links]:
        raise RuntimeError(f"the results ended before those of shards {unfinished} were complete; run this again")
