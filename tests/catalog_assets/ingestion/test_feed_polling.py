"""Polls of feeds: side by side and at most so many, each collected once, and none waits for one that hangs."""

import threading
from collections.abc import Iterator
from concurrent.futures import Future

import pytest

from catalog_assets.ingestion.feed_polling import FeedPoller, Poll


class Feed:
    """A feed whose poll ends when it is released."""

    def __init__(self, name: str, *, max_s: float | None = None) -> None:
        self.name = name
        self.released, self.started, self.num_polls = threading.Event(), threading.Event(), 0
        self.poll = Poll(name=name, run=self._run, max_s=max_s)

    def _run(self) -> str:
        self.num_polls += 1
        self.started.set()
        self.released.wait(30)
        return f"{self.name} {self.num_polls}"


@pytest.fixture
def feeds() -> Iterator[list[Feed]]:
    made = [Feed(name) for name in "abcdef"]
    yield made
    for each in made:
        each.released.set()


def ended(collected: dict[str, Future[str] | float]) -> list[str]:
    return [each.result() for each in collected.values() if isinstance(each, Future)]


def test_what_ends_is_collected_while_the_others_go_on(feeds: list[Feed]) -> None:
    poller = FeedPoller[str]()
    for each in feeds[1:]:
        each.released.set()
    while len(ended(collected := poller.collect([each.poll for each in feeds], 0.2))) < 5:
        pass  # a machine under load
    assert isinstance(collected["a"], float)
    feeds[0].released.set()
    assert ended(poller.collect([feeds[0].poll])) == ["a 1"]


def test_a_poll_is_collected_once_and_started_again_after_that(feeds: list[Feed]) -> None:
    poller = FeedPoller[str]()
    feeds[0].released.set()
    assert [ended(poller.collect([feeds[0].poll])) for _ in range(3)] == [["a 1"], ["a 2"], ["a 3"]]


def test_no_more_are_in_progress_than_allowed_and_the_first_go_first(feeds: list[Feed]) -> None:
    poller = FeedPoller[str](max_at_once=2)
    assert list(poller.collect([each.poll for each in feeds], 0.05)) == ["a", "b"]
    assert [each.num_polls for each in feeds] == [1, 1, 0, 0, 0, 0]
    for each in feeds:
        each.released.set()
    assert ended(poller.collect([each.poll for each in feeds])) == [f"{each.name} 1" for each in feeds]


def test_one_that_hangs_takes_no_place_and_is_not_waited_for() -> None:
    poller = FeedPoller[str](max_at_once=1)
    hanging, other = Feed("hanging", max_s=0.05), Feed("other")
    other.released.set()
    collected = poller.collect([hanging.poll, other.poll])
    assert ended(collected) == ["other 1"]
    assert isinstance(collected["hanging"], float)
    assert isinstance(poller.collect([hanging.poll])["hanging"], float)
    assert hanging.num_polls == 1  # no second one starts beside it
    hanging.released.set()


@pytest.mark.parametrize("error", [ValueError("broken"), MemoryError(), KeyboardInterrupt(), SystemExit(1)])
def test_an_error_is_that_of_its_poll(error: BaseException, feeds: list[Feed]) -> None:
    def fail() -> str:
        raise error

    feeds[0].released.set()
    collected = FeedPoller[str]().collect([Poll(name="failing", run=fail), feeds[0].poll])
    failed = collected["failing"]
    assert isinstance(failed, Future)
    assert failed.exception() is error
    assert ended({"a": collected["a"]}) == ["a 1"]


def test_those_of_another_scan_count_as_in_progress_and_make_room_as_they_end(feeds: list[Feed]) -> None:
    poller = FeedPoller[str](max_at_once=1)
    assert isinstance(poller.collect([feeds[0].poll], 0.01)["a"], float)
    feeds[1].released.set()
    threading.Timer(0.05, feeds[0].released.set).start()
    assert ended(poller.collect([feeds[1].poll])) == ["b 1"]
    assert ended(poller.collect([feeds[0].poll])) == ["a 1"]


def test_no_time_starts_nothing(feeds: list[Feed]) -> None:
    assert FeedPoller[str]().collect([each.poll for each in feeds], -1.0) == {}
    assert sum(each.num_polls for each in feeds) == 0
