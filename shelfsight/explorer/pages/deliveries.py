"""Deliveries: every delivery with its progress, and of one the rejected rows, drift and what it waits for."""

from dataclasses import asdict, dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import HTMLResponse

from shelfsight.explorer.access.roles import Reader
from shelfsight.explorer.catalog_filter import MAX_TEXT
from shelfsight.explorer.database import Database
from shelfsight.explorer.errors import MissingTableError, NotFoundError
from shelfsight.explorer.state import ExplorerState, State
from shelfsight.explorer.templates import render
from shelfsight.explorer.waiting import StatusNotReadableError

router = APIRouter()

DELIVERIES_A_PAGE = 200
DELIVERIES = """
SELECT delivery, split_part(delivery, '.', 1) AS partner, feed, received_at, sha256, first_row, num_rows
FROM deliveries WHERE (? = '' OR split_part(delivery, '.', 1) = ?) AND (? = '' OR delivery = ?)
ORDER BY received_at DESC, delivery LIMIT ? OFFSET ?
"""
COUNTS = """
SELECT delivery, sum(num)::BIGINT AS num_products,
       sum(num) FILTER (status IN ('ok', 'placeholder'))::BIGINT AS num_images
FROM facets WHERE delivery IN (SELECT unnest(?::VARCHAR[])) GROUP BY delivery
"""
PREDICTED = """
SELECT delivery, count(predicted_id) AS num_predictions, count(*) FILTER (disagrees) AS num_disagreeing
FROM items WHERE delivery IN (SELECT unnest(?::VARCHAR[])) GROUP BY delivery
"""
REJECTED = """
SELECT delivery, count(DISTINCT row) AS num_rejected FROM rejected
WHERE delivery IN (SELECT unnest(?::VARCHAR[])) GROUP BY delivery
"""
REASONS = """
SELECT reason, count(*) AS num, arg_min(detail, row) AS detail FROM rejected WHERE delivery = ?
GROUP BY reason ORDER BY num DESC, reason
"""
ROWS = """
SELECT row, reason, detail, left(raw, 400) AS raw FROM rejected WHERE delivery = ? AND (? = '' OR reason = ?)
ORDER BY row, reason LIMIT 50
"""
DRIFT = "SELECT * FROM drift WHERE delivery = ?"
OUTCOMES = (
    "SELECT status, sum(num)::BIGINT AS num FROM facets WHERE delivery = ? GROUP BY status ORDER BY num DESC, status"
)

Text = Annotated[str, Query(max_length=MAX_TEXT)]


@dataclass(frozen=True, kw_only=True)
class DeliveryFilter:
    """The deliveries to show, and of one the reason of the rejected rows; an empty text counts for nothing."""

    partner: Text = ""
    delivery: Text = ""
    reason: Text = ""


@router.get("/deliveries")
def deliveries(
    request: Request,
    state: State,
    user: Reader,
    filters: Annotated[DeliveryFilter, Depends()],
    page: Annotated[int, Query(ge=1, le=10_000)] = 1,
) -> HTMLResponse:
    """Shows the deliveries of a partner, or of all, or one in detail."""
    partner, delivery, reason = filters.partner, filters.delivery, filters.reason
    if not state.database.has("deliveries"):
        raise MissingTableError("deliveries")
    wanted = [partner, partner, delivery, delivery, DELIVERIES_A_PAGE, (page - 1) * DELIVERIES_A_PAGE]
    rows = state.database.rows(DELIVERIES, wanted)
    waiting, problem = _waiting(state)
    if delivery and not rows and delivery not in {each["delivery"] for each in waiting}:
        raise NotFoundError(f"there is no delivery {delivery!r}")
    _add_counts(state, rows)
    return render(
        request,
        "deliveries.html",
        rows=rows,
        **asdict(filters),
        page=page,
        is_last=len(rows) < DELIVERIES_A_PAGE,
        waiting=[each for each in waiting if _concerns(each["delivery"], partner, delivery)],
        status_problem=problem,
        detail=_detail(state, delivery, reason) if delivery and rows else None,
    )


def _concerns(waiting: str, partner: str, delivery: str) -> bool:
    """True where an entry is about the delivery, or its feed, or one of the partner."""
    if delivery:
        return waiting == delivery or delivery.startswith(f"{waiting}.")
    return not partner or waiting.startswith((f"{partner}.", f"{partner}/"))


def _waiting(state: ExplorerState) -> tuple[list[dict[str, Any]], str]:
    try:
        return state.status.read()["waiting"], ""
    except StatusNotReadableError as error:
        return [], str(error)


def _add_counts(state: ExplorerState, rows: list[dict[str, Any]]) -> None:
    """Adds the numbers of products, images, predictions and rejected rows; None where they are not known."""
    keys = [each["delivery"] for each in rows]
    counts: dict[str, dict[str, Any]] = {key: {} for key in keys}
    for database, sql, needed in _queries(state):
        if needed:
            for each in database.rows(sql, [keys]):
                counts[each["delivery"]] |= each
    names = ("num_products", "num_images", "num_predictions", "num_disagreeing", "num_rejected")
    for each in rows:
        each.update({name: counts[each["delivery"]].get(name) for name in names})


def _queries(state: ExplorerState) -> list[tuple[Database, str, bool]]:
    rejected = (state.database, REJECTED, state.database.has("rejected"))
    try:
        index = state.index.current()
    except MissingTableError:
        return [rejected]
    return [(index, COUNTS, True), (index, PREDICTED, True), rejected]


def _detail(state: ExplorerState, delivery: str, reason: str) -> dict[str, Any]:
    database = state.database
    has_rejected = database.has("rejected")
    return {
        "reasons": database.rows(REASONS, [delivery]) if has_rejected else [],
        "rejected": database.rows(ROWS, [delivery, reason, reason]) if has_rejected else [],
        "drift": database.row(DRIFT, [delivery]) if database.has("drift") else None,
        "outcomes": _outcomes(state, delivery),
    }


def _outcomes(state: ExplorerState, delivery: str) -> list[dict[str, Any]]:
    try:
        return state.index.current().rows(OUTCOMES, [delivery])
    except MissingTableError:
        return []
