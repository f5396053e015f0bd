"""A journal keeps whole records whatever happens to its end."""

import tempfile
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from upath import UPath

from catalog.files import StoreNotWritableError
from catalog.images.downloading import Ending
from catalog.images.fetched import Fetched, Validators
from catalog.images.journals import Journal
from catalog.images.picture import Picture
from catalog.images.statuses import Status

AT = datetime(2024, 5, 1, 12, 30, 1, 250_000, tzinfo=UTC)


def ending(status: Status = Status.OK, data: bytes = b"a picture") -> Ending:
    fetched = Fetched(
        status=status,
        http_status=200,
        final_url="http://a.example/b",
        attempts=2,
        duration_ms=12.5,
        validators=Validators('"v1"', "Wed, 01 May 2024 12:00:00 GMT"),
    )
    picture = Picture(data, 40, 30, "ab" * 32, 2**64 - 1) if status is Status.OK else None
    return Ending(status=status, fetched=fetched, picture=picture, fetched_at=AT)


links = st.one_of(st.none(), st.text(max_size=20))
endings = st.builds(ending, st.sampled_from(Status), st.binary(max_size=50))


@given(records=st.lists(st.tuples(links, endings), min_size=1, max_size=6), data=st.data())
@settings(deadline=None)
def test_whatever_is_cut_off_the_records_before_it_stand_and_later_ones_can_follow(
    records: list[tuple[str | None, Ending]], data: st.DataObject
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "journal"
        journal, sizes = Journal(path), [0]
        journal.open()
        for url, ended in records:
            journal.add(url, ended)
            sizes.append(path.stat().st_size)
        assert journal.endings() == dict(records)

        length = data.draw(st.integers(0, sizes[-1]))
        with path.open("r+b") as file:
            file.truncate(length)
        whole = records[: max(index for index, size in enumerate(sizes) if size <= length)]
        assert journal.open() == {url for url, ended in whole if not ended.status.retryable}
        journal.add("more", ending())
        assert journal.endings() == dict(whole) | {"more": ending()}


def test_a_record_with_a_flipped_byte_and_what_follows_it_do_not_count(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    journal = Journal(path)
    journal.open()
    for name in "abc":
        journal.add(name, ending())
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    assert set(journal.endings()) == {"a"}
    assert journal.open() == {"a"}


def test_what_may_end_differently_is_noted_but_not_final(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal")
    journal.open()
    journal.add("a", ending(Status.TIMEOUT))
    assert journal.open() == set()
    assert set(journal.endings()) == {"a"}


def test_the_journal_of_a_remote_store_is_local_and_its_own(tmp_path: Path) -> None:
    one, other = (Journal.of(UPath(f"memory://store/outcomes/delivery={key}"), "shard-00000") for key in "ab")
    assert one._path != other._path
    assert one._path.name == ".shard-00000.journal"
    assert Journal.of(UPath(tmp_path), "shard-00000")._path == tmp_path / ".shard-00000.journal"


def test_a_remote_shards_journal_lies_where_only_this_user_can_write(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    remote = UPath("memory://store/outcomes/delivery=a")
    Journal.of(remote, "shard-00000").open()
    [own] = tmp_path.iterdir()
    assert own.stat().st_mode & 0o777 == 0o700
    own.chmod(0o777)
    with pytest.raises(StoreNotWritableError, match="is not a folder of this user alone; remove it or set TMPDIR"):
        Journal.of(remote, "shard-00000")
