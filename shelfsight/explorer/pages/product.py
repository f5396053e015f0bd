"""Product: one product with its image, categories, alternatives, relatives, history, and the runs behind it."""

from typing import Any
from urllib.parse import quote

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from shelfsight.explorer.access.roles import Reader
from shelfsight.explorer.product_record import ProductRecord, mlflow_run, product_record
from shelfsight.explorer.state import ExplorerState, State
from shelfsight.explorer.templates import render

router = APIRouter()


@router.get("/products/{product_id:path}")
def product(request: Request, state: State, user: Reader, product_id: str) -> HTMLResponse:
    """Shows one product."""
    record = product_record(state.database, product_id)
    return render(
        request,
        "product.html",
        record=record,
        similar=state.neighbors.of(product_id),
        runs=_runs(request, state, record),
    )


def _runs(request: Request, state: ExplorerState, record: ProductRecord) -> list[dict[str, Any]]:
    """Addresses of the pages of Dagster and MLflow about what made this product's rows."""
    host = request.url.hostname or "127.0.0.1"
    dagster = f"http://{host}:{state.settings.dagster_port}"
    partition = quote(record.current["delivery"], safe="")
    is_made = {"products": True, "images": record.current["status"], "universal_catalog": record.prediction}
    runs = [
        {
            "name": f"Dagster: {asset} of {record.current['delivery']}",
            "url": f"{dagster}/assets/{asset}?partition={partition}",
        }
        for asset, made in is_made.items()
        if made
    ]
    classifier = record.prediction["classifier"] if record.prediction else None
    run = mlflow_run(state.database, classifier) if classifier else None
    if run:
        mlflow = f"http://{host}:{state.settings.mlflow_port}"
        runs.append({"name": f"MLflow: training of {classifier}", "url": f"{mlflow}/#/runs/{quote(run, safe='')}"})
    return runs
