"""Entries of the inbox that lead elsewhere or are no files: refused with a reason; the others are registered."""

import os
import socket
from collections.abc import Callable
from pathlib import Path

import dagster as dg
import pytest
from upath import UPath

from catalog.feeds.feed_content import fingerprint_of
from catalog.feeds.sources import FeedFile, InboxError
from catalog_assets.ingestion.feed_sensor import feed_sensor
from catalog_assets.ingestion.inbox import arrivals
from resources.policies import ArrivalPolicy
from resources.settings import Settings
from resources.store import Store
from shelfsight.cli.automation_state import Automation
from shelfsight.cli.feeds import add
from shelfsight.cli.waiting_feeds import waiting_feeds
from tests.catalog_assets.delivering import drop, tsv

LINK, PIPE, SOCKET = "it is a symbolic link", "it is a named pipe", "it is a socket"
OUTSIDE = "outside"  # beside the inbox, with a feed that nobody delivered


def linked_folder(inbox: Path, name: str) -> None:
    (inbox / name).symlink_to(inbox.parent / OUTSIDE)


def link(to: str) -> Callable[[Path, str], None]:
    return lambda inbox, name: (inbox / name).symlink_to(to if to.startswith("/") else inbox.parent / to)


def pipe(inbox: Path, name: str) -> None:
    os.mkfifo(inbox / name)


def bound_socket(inbox: Path, name: str) -> None:
    with socket.socket(socket.AF_UNIX) as made:
        folder = os.open(inbox / "hansen", os.O_RDONLY)
        made.bind(f"/proc/self/fd/{folder}/{Path(name).name}")  # whose whole path may be too long
        os.close(folder)


# What lies in the inbox under which name, and the reason that is shown.
ENTRIES: dict[str, tuple[str, Callable[[Path, str], None], str]] = {
    "a file of the system": ("hansen/passwd.tsv", link("/etc/passwd"), LINK),
    "a file without a suffix": ("hansen/shadow", link("/etc/shadow"), LINK),
    "a feed elsewhere": ("hansen/feed.tsv", link(f"{OUTSIDE}/feed.tsv"), LINK),
    "another feed of the inbox": ("hansen/copy.tsv", link("inbox/hansen/big.tsv"), LINK),
    "itself": ("hansen/loop.tsv", link("inbox/hansen/loop.tsv"), LINK),
    "nothing": ("hansen/gone.tsv", link("nowhere/gone.tsv"), LINK),
    "a device": ("hansen/zeros.tsv", link("/dev/zero"), LINK),
    "the memory of this process": ("hansen/mem.tsv", link("/proc/self/mem"), LINK),
    "its environment": ("hansen/environ.csv", link("/proc/self/environ"), LINK),
    "a link to a link": ("hansen/twice.tsv", link(f"{OUTSIDE}/link.tsv"), LINK),
    "a folder elsewhere": ("hansen/folder", link(OUTSIDE), LINK),
    "the folder of a partner": ("meier", link(OUTSIDE), LINK),
    "the root folder": ("root", link("/"), LINK),
    "a link in a linked folder": ("schmidt", link(f"{OUTSIDE}/nested"), LINK),
    "the partner's own folder": ("again", link("inbox/hansen"), LINK),
    "a named pipe": ("hansen/pipe.tsv", pipe, PIPE),
    "a named pipe that is compressed": ("hansen/pipe.tsv.gz", pipe, PIPE),
    "a socket": ("hansen/socket.tsv", bound_socket, SOCKET),
}
NAMES = [
    b"\xff\xfe.tsv",
    b"new\nline.tsv",
    b"esc\x1b[2Jape.tsv",
    b"spring.\x1b[31m.tsv",
    b"right\xe2\x80\xaeleft.tsv",
    b" .tsv",
]


@pytest.fixture
def store(store: Store) -> Store:
    """A store with a feed, and a folder beside its inbox."""
    drop(store, "xyz")
    outside = store.local / OUTSIDE
    (outside / "nested").mkdir(parents=True)
    (outside / "feed.tsv").write_bytes(tsv("secret"))
    (outside / "link.tsv").symlink_to(outside / "feed.tsv")
    (outside / "nested" / "feed.tsv").symlink_to("/etc/passwd")
    return store


@pytest.mark.parametrize("entry", ENTRIES)
def test_it_is_refused_with_its_reason_and_the_others_are_registered(
    store: Store, instance: dg.DagsterInstance, entry: str
) -> None:
    name, make, reason = ENTRIES[entry]
    make(store.local / "inbox", name)
    found = arrivals(store, instance, {})
    assert [delivery.key for delivery in found.deliveries] == ["hansen.big"]
    [problem] = found.problems
    assert problem.startswith(f"feed {name} is refused: {reason}")
    [waiting] = [each for each in waiting_feeds(store, Automation()) if each.delivery == name]
    assert reason in str(waiting)
    assert waiting.action


@pytest.mark.parametrize("name", NAMES)
def test_a_name_that_cannot_be_printed_is_refused_in_letters_that_can(
    store: Store, instance: dg.DagsterInstance, name: bytes
) -> None:
    folder = os.fsencode(store.local / "inbox" / "hansen")
    Path(os.fsdecode(folder + b"/" + name)).write_bytes(tsv("a"))
    found = arrivals(store, instance, {})
    assert [delivery.key for delivery in found.deliveries] == ["hansen.big"]
    [problem] = found.problems
    assert problem.isprintable()
    assert problem.isascii()
    resources = {"store": store, "arrival_policy": ArrivalPolicy()}
    cursor = feed_sensor(dg.build_sensor_context(instance=instance, resources=resources)).cursor  # type: ignore[union-attr]
    skipped = feed_sensor(dg.build_sensor_context(instance=instance, cursor=cursor, resources=resources))
    assert isinstance(skipped, dg.SkipReason | dg.SensorResult)
    assert all(str(each).isprintable() for each in waiting_feeds(store, Automation()))


@pytest.mark.parametrize("swapped", ["a link to a file", "a link to a pipe", "a pipe", "a linked folder", "a folder"])
def test_a_file_that_is_swapped_after_it_was_listed_is_not_read(store: Store, swapped: str) -> None:
    file = store.local / "inbox" / "hansen" / "big.tsv"
    feed = FeedFile.in_inbox(UPath(file))
    file.unlink()
    os.mkfifo(store.local / OUTSIDE / "pipe")
    if swapped == "a linked folder":
        file.parent.rmdir()
        file.parent.symlink_to(store.local / OUTSIDE)
        (store.local / OUTSIDE / "big.tsv").write_bytes(tsv("secret"))
    elif swapped == "a pipe":
        os.mkfifo(file)
    elif swapped == "a folder":
        file.mkdir()
    else:
        file.symlink_to(store.local / OUTSIDE / ("pipe" if "pipe" in swapped else "feed.tsv"))
    with pytest.raises(InboxError, match=r"feed hansen/big\.tsv is refused: it is a"):
        fingerprint_of(feed)


def test_a_hidden_link_is_left_out_as_every_hidden_file_is(store: Store, instance: dg.DagsterInstance) -> None:
    (store.local / "inbox" / "hansen" / ".big.tsv.part").symlink_to("/etc/passwd")
    (store.local / "inbox" / ".snapshot").symlink_to("/")
    assert arrivals(store, instance, {}).problems == []


def test_an_inbox_that_is_itself_a_link_is_one(store: Store, instance: dg.DagsterInstance, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(store.local / "inbox")
    linked = Store(root=store.root, inbox_root=str(tmp_path / "link"))
    assert [delivery.key for delivery in arrivals(linked, instance, {}).deliveries] == ["hansen.big"]


def test_a_feed_is_not_added_through_a_linked_folder_of_a_partner(store: Store, tmp_path: Path) -> None:
    (store.local / "reference" / "partners.toml").write_text("[partners.meier]\n")
    (store.local / "inbox" / "meier").symlink_to(store.local / OUTSIDE)
    (tmp_path / "new.tsv").write_bytes(tsv("a"))
    with pytest.raises(ValueError, match=r"meier' is a symbolic link, .* replace it by a folder"):
        add(Settings(store=store.root), tmp_path / "new.tsv", "meier")
    assert not (store.local / OUTSIDE / "new.tsv").exists()


def test_a_feed_that_a_person_names_may_be_a_link(store: Store) -> None:
    feed = FeedFile.at_path(store.local / OUTSIDE / "link.tsv")
    assert fingerprint_of(feed)[1] == len(tsv("secret"))
