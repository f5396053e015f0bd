"""Catalog: the taxonomy as a tree and the products of a filter as a grid of images."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import HTMLResponse

from shelfsight.explorer.access.roles import Reader
from shelfsight.explorer.catalog_filter import HAVING, SORTS, STATUSES, CatalogFilter
from shelfsight.explorer.database import Database
from shelfsight.explorer.errors import NotFoundError
from shelfsight.explorer.state import State
from shelfsight.explorer.templates import render

router = APIRouter()

ITEMS_A_PAGE = 60
MAX_PAGE = 10_000
COLUMNS = """
product_id, partner, delivery, title, status, sha256, shard, predicted_id, label_id, probability, disagrees,
value_at_stake
"""
NAMES = "SELECT category_id, name, path FROM categories WHERE category_id IN (SELECT unnest(?::BIGINT[]))"
ANCESTORS = """
SELECT above.* FROM tree AS above JOIN tree AS chosen ON chosen.place BETWEEN above.place AND above.last_place
WHERE chosen.category_id = ? ORDER BY above.depth
"""
CHILDREN = """
SELECT tree.* FROM tree JOIN tree AS chosen ON tree.place BETWEEN chosen.place AND chosen.last_place
WHERE chosen.category_id = ? AND tree.depth = chosen.depth + 1 ORDER BY tree.value_at_stake DESC, tree.place
"""
ROOTS = "SELECT * FROM tree WHERE depth = 1 ORDER BY value_at_stake DESC, place"

Filter = Annotated[CatalogFilter, Depends()]


@router.get("/catalog")
def catalog(
    request: Request,
    state: State,
    user: Reader,
    filters: Filter,
    page: Annotated[int, Query(ge=1, le=MAX_PAGE)] = 1,
) -> HTMLResponse:
    """Shows the tree, the filters and one page of the grid."""
    index = state.index.current()
    tree = _tree(index, int(filters.category) if filters.category else None)
    num, items = find_items(index, filters, page)
    return render(
        request,
        "catalog.html",
        filters=filters,
        chosen=filters.address(),
        tree=tree,
        num=num,
        items=items,
        page=page,
        num_pages=min(MAX_PAGE, -(-num // ITEMS_A_PAGE)),
        sorts=SORTS,
        having=HAVING,
        statuses=STATUSES,
        partners=index.rows("SELECT DISTINCT partner FROM facets ORDER BY partner"),
        deliveries=_deliveries(index, filters.partner),
    )


def find_items(index: Database, filters: CatalogFilter, page: int = 1) -> tuple[int, list[dict[str, Any]]]:
    """Returns the number of products that pass, and those of a page with the names of their categories."""
    conditions, parameters = filters.conditions()
    counted = index.row(f"SELECT count(*) AS num FROM items WHERE {conditions}", parameters)  # noqa: S608
    # First the keys of the page's rows, then their columns: the sorting moves nothing else.
    rows = index.rows(
        f"SELECT {COLUMNS} FROM items WHERE position IN (SELECT position FROM items WHERE {conditions} "  # noqa: S608
        f"ORDER BY {filters.order} LIMIT ? OFFSET ?) ORDER BY {filters.order}",
        [*parameters, ITEMS_A_PAGE, (page - 1) * ITEMS_A_PAGE],
    )
    ids = {each[key] for each in rows for key in ("predicted_id", "label_id")} - {None}
    names = {each["category_id"]: each for each in index.rows(NAMES, [sorted(ids)])}
    for each in rows:
        each["predicted"] = names.get(each["predicted_id"])
        each["label"] = names.get(each["label_id"])
    return int(counted["num"]) if counted else 0, rows


def _tree(index: Database, category: int | None) -> dict[str, list[dict[str, Any]]]:
    """The chosen category with all above it, and the categories one level below."""
    if category is None:
        return {"above": [], "below": index.rows(ROOTS)}
    above = index.rows(ANCESTORS, [category])
    if not above:
        raise NotFoundError(f"there is no category {category} in the taxonomy of this store")
    return {"above": above, "below": index.rows(CHILDREN, [category])}


def _deliveries(index: Database, partner: str) -> list[dict[str, Any]]:
    """The newest deliveries of the partner, or of all."""
    return index.rows(
        "SELECT delivery, max(received_at) AS received_at FROM facets WHERE ? = '' OR partner = ? GROUP BY delivery "
        "ORDER BY received_at DESC, delivery LIMIT 500",
        [partner, partner],
    )
