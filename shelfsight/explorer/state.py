"""The state that all requests share: settings, store, database and images."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request

from resources.settings import Settings
from resources.store import Store
from shelfsight.explorer.access.sessions import Sessions
from shelfsight.explorer.access.users import Users
from shelfsight.explorer.catalog_index import CatalogIndex
from shelfsight.explorer.database import Database
from shelfsight.explorer.shard_images import ShardImages
from shelfsight.explorer.similar import Neighbors
from shelfsight.explorer.waiting import StoreStatus


@dataclass(frozen=True, kw_only=True)
class ExplorerState:
    """Everything that pages and the API read."""

    settings: Settings
    store: Store
    database: Database
    index: CatalogIndex
    images: ShardImages
    users: Users
    sessions: Sessions
    status: StoreStatus
    neighbors: Neighbors

    def close(self) -> None:
        """Closes the connections of DuckDB."""
        self.database.close()
        self.index.close()


def state_of(request: Request) -> ExplorerState:
    """Returns the state of the application that received the request."""
    state: ExplorerState = request.app.state.explorer
    return state


State = Annotated[ExplorerState, Depends(state_of)]
