"""Application: pages and API over one store."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from fastapi import APIRouter, Depends, FastAPI
from starlette.staticfiles import StaticFiles

from catalog.storage.read_only import QueryLimits
from resources.artifacts.local_copies import database
from resources.settings import Settings
from resources.store import Store
from shelfsight.explorer import errors
from shelfsight.explorer.access.csrf import check_csrf
from shelfsight.explorer.access.hosts import HostGuard, is_loopback
from shelfsight.explorer.access.roles import require_user
from shelfsight.explorer.access.sessions import Sessions
from shelfsight.explorer.access.users import Users
from shelfsight.explorer.catalog_index import CatalogIndex
from shelfsight.explorer.database import Database
from shelfsight.explorer.pages import catalog, deliveries, downloads, images, login, overview, product
from shelfsight.explorer.shard_images import ShardImages
from shelfsight.explorer.similar import Neighbors
from shelfsight.explorer.state import ExplorerState
from shelfsight.explorer.waiting import StoreStatus

STATIC = Path(__file__).parent / "static"
SCRATCH = "explorer"  # folder of the store's scratch

# Each module's `router`, in the order in which paths are matched.
PAGES: tuple[APIRouter, ...] = (
    login.router,
    overview.router,
    catalog.router,
    product.router,
    deliveries.router,
    downloads.router,
    images.router,
)
API: tuple[APIRouter, ...] = ()


def create_application(settings: Settings) -> FastAPI:
    """Returns the application of a store. No network is loaded before the first image is classified.

    Raises:
        UserFileError: the user file cannot be read.
    """
    application = FastAPI(
        title="shelfsight",
        version="1",
        docs_url=None,  # those pages load their scripts from elsewhere
        redoc_url=None,
        openapi_url="/v1/openapi.json",
        dependencies=[Depends(require_user), Depends(check_csrf)],
        lifespan=_lifespan,
        max_body_size=settings.explorer_max_upload_bytes,
        telemetry={"tracing": False, "metrics": False, "logs": False, "auto_configure": False},
    )
    application.state.explorer = _state(settings)
    application.add_middleware(
        HostGuard,
        names=_names(settings),
        allows_addresses=not is_loopback(settings.explorer_host),
    )
    errors.install(application)
    application.mount("/static", StaticFiles(directory=STATIC), name="static")
    for router in PAGES:
        application.include_router(router, include_in_schema=False)
    for router in API:
        application.include_router(router)
    return application


@asynccontextmanager
async def _lifespan(application: FastAPI) -> AsyncIterator[None]:
    yield
    application.state.explorer.close()


def _state(settings: Settings) -> ExplorerState:
    store = Store.of(settings)
    warehouse = Database(database(settings.root), _limits(settings))
    users = Users(Path(settings.explorer_users).absolute() if settings.explorer_users else None)
    users.names()  # a broken file is noticed now
    return ExplorerState(
        settings=settings,
        store=store,
        database=warehouse,
        index=CatalogIndex(warehouse, store, store.scratch / SCRATCH / "index.duckdb"),
        images=ShardImages(store),
        users=users,
        sessions=Sessions.of_file(store.scratch / SCRATCH / "session.key"),
        status=StoreStatus(settings.root),
        neighbors=Neighbors(store),
    )


def _limits(settings: Settings) -> QueryLimits:
    return QueryLimits(
        timeout_s=settings.query_timeout_s,
        memory_bytes=int(settings.explorer_memory_gib * 2**30),
        num_threads=settings.query_threads,
    )


def _names(settings: Settings) -> list[str]:
    names = [each.strip() for each in settings.explorer_hosts.split(",") if each.strip()]
    return [*names, settings.explorer_host.strip("[]")]
