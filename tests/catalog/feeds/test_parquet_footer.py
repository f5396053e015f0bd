"""Parquet footers are checked in a process of their own: what ends it is refused, and a broken check is an error."""

import io

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from catalog.feeds import parquet_footer
from catalog.feeds.parquet_footer import check_footer
from tests.faults.fuzz import FINDS


def table(*values: str) -> bytes:
    written = io.BytesIO()
    pq.write_table(pa.table({"id": values}), written)
    return written.getvalue()


def test_a_footer_that_the_library_reads_passes_and_is_remembered() -> None:
    data = table("one", "of", "its", "own")
    num_passed = len(parquet_footer._passed)
    check_footer(io.BytesIO(data))
    check_footer(io.BytesIO(data))
    assert len(parquet_footer._passed) == num_passed + 1


def test_a_footer_that_raises_is_left_to_the_reader() -> None:
    data = table("x")
    length = int.from_bytes(data[-8:-4], "little")
    check_footer(io.BytesIO(data[: -8 - length] + b"\xff" * length + data[-8:]))


def test_a_footer_that_ends_the_process_is_refused() -> None:
    refused = []
    for path in sorted(FINDS.glob("feeds-parquet-*")):
        try:
            check_footer(io.BytesIO(path.read_bytes()))
        except pa.ArrowInvalid as error:
            refused.append(str(error))
    assert set(refused) == {"its footer is damaged"}


def test_a_check_that_cannot_start_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet_footer, "MODULE", "catalog.feeds.no_such_module")
    with pytest.raises(RuntimeError, match=r"the process that checks Parquet footers failed \(.*no_such_module"):
        check_footer(io.BytesIO(table("never", "seen", "before")))
