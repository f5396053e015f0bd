"""Downloads: outcomes by partner and host over time, with examples of each status."""

from collections import defaultdict
from dataclasses import asdict, dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import HTMLResponse

from shelfsight.explorer.access.roles import Reader
from shelfsight.explorer.catalog_filter import MAX_TEXT
from shelfsight.explorer.errors import MissingTableError
from shelfsight.explorer.state import State
from shelfsight.explorer.templates import render

router = APIRouter()

MAX_HOSTS = 50
MAX_DAYS = 60
WHERE = """
WHERE (? = '' OR partner = ?) AND (? = '' OR host = ?) AND (? = '' OR delivery = ?) AND (? = '' OR status = ?)
"""
BY_STATUS = f"SELECT status, sum(num)::BIGINT AS num FROM downloads {WHERE} GROUP BY status ORDER BY num DESC, status"  # noqa: S608
BY_HOST = f"""
SELECT partner, host, sum(num)::BIGINT AS total, coalesce(sum(num) FILTER (status = 'ok'), 0)::BIGINT AS num_ok
FROM downloads {WHERE} GROUP BY partner, host ORDER BY total - num_ok DESC, total DESC, partner, host LIMIT {MAX_HOSTS}
"""  # noqa: S608
BY_DAY = f"""
SELECT day, status, sum(num)::BIGINT AS num FROM downloads {WHERE} AND day IN (
    SELECT DISTINCT day FROM downloads WHERE day IS NOT NULL ORDER BY day DESC LIMIT {MAX_DAYS}
) GROUP BY day, status ORDER BY day DESC, num DESC
"""  # noqa: S608
EXAMPLES = f"""
SELECT * FROM download_examples {WHERE}
QUALIFY row_number() OVER (PARTITION BY status ORDER BY fetched_at DESC, product_id) <= 5
ORDER BY status = 'ok', status, fetched_at DESC
"""  # noqa: S608

Text = Annotated[str, Query(max_length=MAX_TEXT)]


@dataclass(frozen=True, kw_only=True)
class DownloadFilter:
    """The downloads to show; an empty text counts for nothing."""

    partner: Text = ""
    host: Text = ""
    delivery: Text = ""
    status: Text = ""


@router.get("/downloads")
def downloads(
    request: Request, state: State, user: Reader, filters: Annotated[DownloadFilter, Depends()]
) -> HTMLResponse:
    """Shows the outcomes of downloads that pass the filters."""
    if not state.database.has("outcomes"):
        raise MissingTableError("outcomes")
    index = state.index.current()
    chosen = asdict(filters)
    parameters = [value for each in chosen.values() for value in (each, each)]
    examples: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for each in index.rows(EXAMPLES, parameters):
        examples[each["status"]].append(each)
    statuses = index.rows(BY_STATUS, parameters)
    days = _by_day(index.rows(BY_DAY, parameters), [each["status"] for each in statuses])
    hosts = index.rows(BY_HOST, parameters)
    return render(
        request,
        "downloads.html",
        chosen=chosen,
        statuses=statuses,
        hosts=hosts,
        max_hosts=MAX_HOSTS,
        days=days,
        examples=examples,
    )


def _by_day(rows: list[dict[str, Any]], statuses: list[str]) -> list[dict[str, Any]]:
    """Returns one entry a day, newest first, with the number of each status."""
    days: dict[Any, dict[str, int]] = defaultdict(dict)
    for each in rows:
        days[each["day"]][each["status"]] = each["num"]
    return [
        {"day": day, "num": sum(counts.values()), "counts": [counts.get(status, 0) for status in statuses]}
        for day, counts in days.items()
    ]
