"""Overview: the state of the catalog on one page."""

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from shelfsight.explorer.access.roles import Reader
from shelfsight.explorer.state import State
from shelfsight.explorer.templates import render

router = APIRouter()


@router.get("/")
def overview(request: Request, state: State, user: Reader) -> HTMLResponse:
    """Shows the funnel, the champion, drift, freshness and what waits."""
    funnel = []
    if state.database.has("outcomes_by_partner"):
        funnel = state.database.rows("SELECT partner, status, num FROM outcomes_by_partner ORDER BY partner, num DESC")
    return render(request, "overview.html", funnel=funnel)
