"""Benchmarks: the generated page, plot and README table match the results, and claims carry their machine."""

import ast
import importlib.util
import json
from pathlib import Path

import pytest
from PIL import Image

from benchmarks import claims, report
from benchmarks.claims import Claim, at_least, at_least_times, at_most, at_most_times, beside, figure, machine
from benchmarks.margins import DIGEST, LIMITS, digest, margins
from benchmarks.report import CHOSEN, PAGE, PLOT, chosen, page, results
from tests.conftest import REPOSITORY
from tests.sources import parsed

PACKAGES = ("catalog", "ml", "resources", "catalog_assets", "shelfsight", "demo", "benchmarks", "tests")
CPU_INFO = """processor\t: 0
model name\t: Example CPU
flags\t\t: fpu avx2 avx512f avx512_bf16 sse2 amx_bf16

processor\t: 1
model name\t: Another CPU
flags\t\t: fpu
"""


def record(claim: Claim) -> dict[str, object]:
    return {**vars(claim), "machine": "somewhere"}


def test_the_page_is_generated_from_the_results() -> None:
    assert PAGE.read_text() == page(), "run python -m benchmarks.report"


def test_the_plot_shows_the_results() -> None:
    with Image.open(PLOT) as image:
        assert image.info[DIGEST] == digest(results()), "run python -m benchmarks.report"


def test_the_page_lists_every_claim_with_its_machine() -> None:
    text = PAGE.read_text()
    for records in results().values():
        for each in records:
            assert f"| {each['claim']} |" in text
            assert each["machine"] in text


def test_the_readme_shows_ten_claims_of_the_results() -> None:
    assert len(list(chosen(results()))) == len(CHOSEN) == 10


def test_a_pattern_that_matches_no_single_claim_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    found = {"demo": [record(figure("first", 1, "s")), record(figure("second", 2, "s"))]}
    for pattern, num in (("third", 0), ("*", 2)):
        monkeypatch.setattr(report, "CHOSEN", (("demo", pattern),))
        with pytest.raises(ValueError, match=f"matches {num} claims of 'demo'; change it in CHOSEN"):
            list(chosen(found))


def test_a_claim_names_the_cores_the_processor_and_its_instruction_sets(tmp_path: Path) -> None:
    (tmp_path / "cpuinfo").write_text(CPU_INFO)
    assert machine(tmp_path / "cpuinfo").endswith(" cores, Example CPU (avx2, avx512f, avx512_bf16, amx_bf16)")
    (tmp_path / "cpuinfo").write_text(CPU_INFO.replace("avx", "x").replace("amx", "x"))
    assert "Example CPU (no avx2" in machine(tmp_path / "cpuinfo")
    assert "(instruction sets unknown)" in machine(tmp_path / "nowhere")


def test_published_claims_hold_their_bound_and_their_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(claims, "RESULTS", tmp_path / "results")
    claims.publish("example", [at_least("fast", 3, 2, "x/s"), at_most("small", 3, 2, "MiB"), figure("known", 1, "")])
    records = json.loads((tmp_path / "results" / "example.json").read_text())
    assert [json.loads(line) for line in capsys.readouterr().out.splitlines()] == records
    assert [(each["bound"], each["holds"]) for each in records] == [
        ("at least", True),
        ("at most", False),
        (None, None),
    ]
    assert {each["machine"] for each in records} == {machine()}


def test_a_margin_is_above_one_where_the_claim_holds_and_a_bar_of_zero_has_none() -> None:
    found = [
        at_least("rate", 4, 2, "x/s"),
        at_most("time", 4, 2, "s"),
        at_least_times("rate", 6, 2, 2, "x/s"),
        at_most_times("time", 6, 2, 2, "s"),
        at_most("negative", -1, 2, "%"),
        at_least("negative", -1, 2, "points"),
        at_most("zero", 0, 0, "shards"),
        beside("peer", 1, 2, "s"),
    ]
    ratios = [each.ratio for each in margins({"example": [record(claim) for claim in found]})]
    assert ratios == [2, 0.5, 1.5, pytest.approx(2 / 3), LIMITS[1], LIMITS[0]]


def test_every_published_margin_agrees_with_whether_its_claim_holds() -> None:
    assert all((each.ratio >= 1) == each.holds for each in margins(results()))


@pytest.mark.parametrize("path", sorted((REPOSITORY / "benchmarks").glob("*.py")), ids=lambda path: path.stem)
def test_what_a_benchmark_imports_from_the_project_exists(path: Path) -> None:
    """No other test runs a benchmark, and mypy does not know the peers."""
    imports = [node for node in ast.walk(parsed(path)) if isinstance(node, ast.ImportFrom) and node.module]
    missing = [
        f"{node.module}.{alias.name}"
        for node in imports
        if str(node.module).partition(".")[0] in PACKAGES
        for alias in node.names
        if not exists(str(node.module), alias.name)
    ]
    assert missing == []


def exists(module: str, name: str) -> bool:
    """Returns True if a module has the name, or a package the module."""
    found = importlib.import_module(module)
    return hasattr(found, name) or (
        hasattr(found, "__path__") and importlib.util.find_spec(f"{module}.{name}") is not None
    )
