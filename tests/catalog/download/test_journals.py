"""A journal keeps its whole records whatever happens to its end."""

import tempfile
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from upath import UPath

from catalog.download.downloader import DownloadResult
from catalog.download.fetched import Fetched, Validators
from catalog.download.journals import Journal
from catalog.download.records import record_of, result_of
from catalog.images.statuses import Status
from catalog.images.stored_image import StoredImage
from catalog.storage.files import StoreNotWritableError

AT = datetime(2024, 5, 1, 12, 30, 1, 250_000, tzinfo=UTC)


def result(status: Status = Status.OK, data: bytes = b"an image") -> DownloadResult:
    fetched = Fetched(
        status=status,
        http_status=200,
        final_url="http://a.example/b",
        attempts=2,
        duration_ms=12.5,
        validators=Validators('"v1"', "Wed, 01 May 2024 12:00:00 GMT"),
    )
    image = StoredImage(data, 40, 30, "ab" * 32, 2**64 - 1) if status is Status.OK else None
    return DownloadResult(status=status, fetched=fetched, image=image, fetched_at=AT)


def final(records: list[tuple[str | None, DownloadResult]]) -> dict[str | None, DownloadResult]:
    """The last result of each link that has a final one."""
    return {url: end for url, end in records if not end.status.retryable}


links = st.one_of(st.none(), st.text(max_size=20))
results = st.builds(result, st.sampled_from(Status), st.binary(max_size=50))


@given(records=st.lists(st.tuples(links, results), min_size=1, max_size=6), data=st.data())
@settings(deadline=None)
def test_records_before_a_cut_remain_and_later_ones_can_follow(
    records: list[tuple[str | None, DownloadResult]], data: st.DataObject
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "journal"
        journal, sizes = Journal(path), [0]
        journal.open()
        for url, ended in records:
            journal.add(url, ended)
            sizes.append(path.stat().st_size)
        assert journal.results() == dict(records)

        length = data.draw(st.integers(0, sizes[-1]))
        with path.open("r+b") as file:
            file.truncate(length)
        whole = records[: max(index for index, size in enumerate(sizes) if size <= length)]
        assert journal.open() == {url: end.status for url, end in final(whole).items()}
        journal.add("more", result())
        assert journal.results() == dict(whole) | {"more": result()}


def test_record_with_a_flipped_byte_does_not_count_and_those_after_it_do(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    journal = Journal(path)
    journal.open()
    for name in "abc":
        journal.add(name, result())
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    assert set(journal.results()) == {"a", "c"}
    assert journal.open() == {"a": Status.OK, "c": Status.OK}
    assert journal.num_bad == 1
    assert set(journal.results()) == {"a", "c"}
    assert journal.num_bad == 0, "the bad one has moved to quarantine"


hostile = st.one_of(st.none(), st.text(st.characters(exclude_categories=()), max_size=20))


@given(hostile, hostile, hostile)
def test_whatever_a_server_names_its_versions_is_replayed(etag: str, modified: str, final_url: str) -> None:
    fetched = Fetched(status=Status.OK, final_url=final_url, validators=Validators(etag, modified))
    ended = DownloadResult(status=Status.OK, fetched=fetched, image=None, fetched_at=AT)
    assert result_of(record_of("a", ended), b"") == ("a", ended)
    assert all(value.isascii() and value.isprintable() for value in fetched.validators.headers().values())


def test_retryable_result_is_recorded_but_not_final(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal")
    journal.open()
    journal.add("a", result(Status.TIMEOUT))
    assert journal.open() == {}
    assert set(journal.results()) == {"a"}


def test_journal_of_a_remote_store_is_local_and_its_own(tmp_path: Path) -> None:
    one, other = (Journal.of(UPath(f"memory://store/outcomes/delivery={key}"), "shard-00000") for key in "ab")
    assert one._path != other._path
    assert one._path.name == ".shard-00000.journal"
    assert Journal.of(UPath(tmp_path), "shard-00000")._path == tmp_path / ".shard-00000.journal"


def test_journal_of_a_remote_store_is_writable_only_by_this_user(
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
