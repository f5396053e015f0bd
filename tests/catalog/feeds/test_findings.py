"""What was found out about a feed is noted once, and kept in the record of its delivery."""

from dataclasses import replace

import pytest

from catalog.feeds.feed import DEFAULT_OPTIONS, ReadOptions
from catalog.feeds.findings import Findings


def test_recorded_finding_stays() -> None:
    options = replace(DEFAULT_OPTIONS, findings=Findings({"encoding": "cp1252"}))
    assert options.note("encoding", "utf-8") == options.detected("encoding") == "cp1252"
    assert options.note("delimiter", ";") == ";"
    assert options.findings is not None and list(options.findings.recorded) == ["encoding", "delimiter"]


def test_without_recorder_nothing_is_kept() -> None:
    assert DEFAULT_OPTIONS.note("encoding", "utf-8") == "utf-8"
    assert DEFAULT_OPTIONS.detected("encoding") is None


@pytest.mark.parametrize("changed", [{"encoding": "cp1250"}, {"delimiter": ";"}, {"columns": {"SKU": "id"}}])
def test_fingerprint_changes_with_settings_alone(changed: dict[str, object]) -> None:
    changed_options = ReadOptions(**changed)  # type: ignore[arg-type]
    assert changed_options.fingerprint and not DEFAULT_OPTIONS.fingerprint
    assert (
        replace(changed_options, findings=Findings({"encoding": "cp1252"})).fingerprint == changed_options.fingerprint
    )
