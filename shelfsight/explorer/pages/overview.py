"""Overview: the state of the catalog on one page; every number links to the rows behind it."""

from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from shelfsight.explorer.access.roles import Reader
from shelfsight.explorer.database import Database
from shelfsight.explorer.errors import MissingTableError
from shelfsight.explorer.state import ExplorerState, State
from shelfsight.explorer.templates import render
from shelfsight.explorer.waiting import StatusNotReadableError

router = APIRouter()

# Queries of one view each; a view that is missing leaves out a part of the page.
DECISIONS = "SELECT * FROM champion_decisions ORDER BY decided_at DESC LIMIT 5"
DRIFT = """
SELECT delivery, num_products, beyond_chance, has_shifted, share_uncertain, share_uncertain_training, is_uncertain,
       share_without_image
FROM drift ORDER BY has_shifted DESC, is_uncertain DESC, beyond_chance DESC NULLS LAST, delivery LIMIT 8
"""
FRESHNESS = "SELECT * FROM feed_freshness ORDER BY is_late DESC, age_days DESC NULLS LAST, partner_id LIMIT 50"
CHAMPION = "SELECT classifier, split, metric, value, reason, version FROM champion"
GOLDEN = "SELECT split, num, top1, ci_low, ci_high, top1_before, has_fallen FROM golden_score"
FUNNEL = "SELECT * FROM funnel ORDER BY partner LIMIT 200"
COVERAGE = "SELECT * FROM coverage ORDER BY level"


@router.get("/")
def overview(request: Request, state: State, user: Reader) -> HTMLResponse:
    """Shows the funnel, coverage, the champion, drift, freshness, decisions and what waits."""
    funnel, coverage = _of_index(state)
    return render(
        request,
        "overview.html",
        funnel=funnel,
        coverage=coverage,
        champion=_first(state.database, "champion", CHAMPION),
        golden=_first(state.database, "golden_score", GOLDEN),
        decisions=_rows(state.database, "champion_decisions", DECISIONS),
        drift=_rows(state.database, "drift", DRIFT),
        freshness=_rows(state.database, "feed_freshness", FRESHNESS),
        **_status(state),
    )


def _of_index(state: ExplorerState) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    try:
        index = state.index.current()
    except MissingTableError:
        return [], []
    return index.rows(FUNNEL), index.rows(COVERAGE)


def _rows(database: Database, view: str, sql: str) -> list[dict[str, Any]]:
    return database.rows(sql) if database.has(view) else []


def _first(database: Database, view: str, sql: str) -> dict[str, Any] | None:
    return next(iter(_rows(database, view, sql)), None)


def _status(state: ExplorerState) -> dict[str, Any]:
    """The deliveries that wait, or the reason why they are not known."""
    if not state.store.path.exists():
        return {"waiting": [], "deployed": None, "status_problem": ""}
    try:
        status = state.status.read()
    except StatusNotReadableError as error:
        return {"waiting": [], "deployed": None, "status_problem": str(error)}
    return {"waiting": status["waiting"][:50], "deployed": status["deployed"], "status_problem": ""}
