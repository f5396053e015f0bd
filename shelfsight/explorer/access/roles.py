"""Roles: the user of a request. A page or a route that changes something takes a `Reviewer`, any other a `Reader`."""

from typing import Annotated

from fastapi import Depends, Request

from shelfsight.explorer.access.hosts import is_loopback
from shelfsight.explorer.access.sessions import COOKIE
from shelfsight.explorer.access.tokens import bearer_of, user_of_token
from shelfsight.explorer.access.users import Role, User
from shelfsight.explorer.errors import ForbiddenError, NotLoggedInError
from shelfsight.explorer.state import ExplorerState, state_of

LOCAL_USER = User("local", Role.ADMIN)
PUBLIC = frozenset({"/login", "/v1/health"})  # also without a user


def has_login(state: ExplorerState) -> bool:
    """True where a user file or a token decides who may look; always when others than this machine are served."""
    settings = state.settings
    return bool(settings.explorer_token or settings.explorer_users) or not is_loopback(settings.explorer_host)


def find_user(request: Request) -> User | None:
    """Returns the user of a request by its token or its session; without a login everybody on loopback is `local`."""
    state = state_of(request)
    if not has_login(state):
        return LOCAL_USER
    presented = bearer_of(request.headers.get("authorization", ""))
    if presented is not None:
        return user_of_token(presented, state.settings.explorer_token)
    session = state.sessions.session(request.cookies.get(COOKIE, ""))
    if session is None:
        return None
    if session.fingerprint == token_fingerprint(state):
        return User(session.name, Role.REVIEWER)
    known = state.users.find(session.name)
    return known[0] if known is not None and known[1] == session.fingerprint else None


def token_fingerprint(state: ExplorerState) -> str:
    """A text that changes with the token; of sessions that were opened with it."""
    token = state.settings.explorer_token
    return f"token {state.sessions.signature('token', token.encode())}" if token else "no token"


def require_user(request: Request) -> None:
    """Lets no request pass without a user, whatever its route depends on."""
    user = find_user(request)
    request.state.user = user
    if user is None and request.url.path not in PUBLIC:
        raise NotLoggedInError("log in at /login, or send `Authorization: Bearer` with explorer_token")


def _reader(request: Request) -> User:
    user: User | None = request.state.user
    if user is None:
        raise NotLoggedInError("log in at /login")
    return user


def _reviewer(request: Request) -> User:
    user = _reader(request)
    if user.role < Role.REVIEWER:
        raise ForbiddenError(f"{user.name} is a {user.role.name.lower()}, and only reviewers may change something")
    return user


Reader = Annotated[User, Depends(_reader)]
Reviewer = Annotated[User, Depends(_reviewer)]
