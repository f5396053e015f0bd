"""The registry of rejection reasons has all that the code gives, and no other; all are explained."""

import ast
from collections.abc import Iterator

from catalog.products.rejections import REJECTIONS, rejections_markdown
from tests.conftest import REPOSITORY
from tests.faults.dirty.table import FEED_CASES

ROOMS = ("catalog/feeds", "catalog/products")


def test_every_reason_that_a_dirty_feed_gives_is_registered() -> None:
    assert {reason for case in FEED_CASES for reason in case.rejected} <= set(REJECTIONS)


def test_every_registered_reason_is_given_somewhere() -> None:
    given = set(literals()) | {f"category_{kind}" for kind in ("split", "changed", "lost")}
    assert set(REJECTIONS) <= given


def test_every_reason_that_a_reader_gives_is_registered() -> None:
    given = set(reasons_in_calls())
    assert {"wrong_field_count", "field_too_large", "broken_json", "wrong_type"} <= given
    assert given <= set(REJECTIONS)


def test_every_reason_is_explained() -> None:
    page = rejections_markdown()
    for reason, each in REJECTIONS.items():
        assert reason == each.reason
        assert f"| `{reason}` |" in page
        assert all(text.rstrip(".") and "|" not in text for text in (each.meaning, each.kept, each.fix))
        assert each.meaning.endswith(".") and each.fix.endswith(".")


def modules() -> Iterator[ast.Module]:
    for room in ROOMS:
        for path in (REPOSITORY / room).rglob("*.py"):
            if path.name != "rejections.py":
                yield ast.parse(path.read_text())


def literals() -> Iterator[str]:
    """All texts in the code of the rooms."""
    for module in modules():
        for node in ast.walk(module):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield node.value


def reasons_in_calls() -> Iterator[str]:
    """The reasons of calls of `reject(raw, reason, detail)` and of `BrokenItem` and `RefusedRows`."""
    for module in modules():
        for node in ast.walk(module):
            if not isinstance(node, ast.Call):
                continue
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            position = {"reject": 1, "BrokenItem": 1, "RefusedRows": 1}.get(name)
            if position is not None and len(node.args) > position:
                reason = node.args[position]
                if isinstance(reason, ast.Constant):
                    yield reason.value
