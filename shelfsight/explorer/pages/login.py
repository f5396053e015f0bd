"""Login: a name and a password of the user file, or a name and the token of the settings."""

from typing import Annotated

from fastapi import APIRouter, Form, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from shelfsight.explorer.access.roles import find_user, has_login, token_fingerprint
from shelfsight.explorer.access.sessions import COOKIE, LIFETIME_S
from shelfsight.explorer.access.tokens import user_of_token
from shelfsight.explorer.access.users import NAME
from shelfsight.explorer.state import ExplorerState, State
from shelfsight.explorer.templates import render

router = APIRouter()


@router.get("/login")
def login_page(request: Request, state: State, next: str = "/") -> Response:  # noqa: A002 the name in the address
    """Shows the form."""
    if not has_login(state) or find_user(request) is not None:
        return RedirectResponse(_own_page(next), 303)
    return _form(request, state, next)


@router.post("/login")
def login(
    request: Request,
    state: State,
    name: Annotated[str, Form(max_length=100)],
    password: Annotated[str, Form(max_length=2_000)],
    next: Annotated[str, Form(max_length=2_000)] = "/",  # noqa: A002
) -> Response:
    """Opens a session."""
    fingerprint = _fingerprint(state, name, password)
    if fingerprint is None:
        response = _form(request, state, next, problem="Name or password is wrong.")
        response.status_code = 401
        return response
    opened = RedirectResponse(_own_page(next), 303)
    is_secure = request.url.scheme == "https"
    opened.set_cookie(
        COOKIE,
        state.sessions.cookie(name, fingerprint),
        max_age=LIFETIME_S,
        httponly=True,
        samesite="lax",
        secure=is_secure,
    )
    return opened


@router.post("/logout")
def logout() -> Response:
    """Ends the session of this browser."""
    closed = RedirectResponse("/login", 303)
    closed.delete_cookie(COOKIE)
    return closed


def _fingerprint(state: ExplorerState, name: str, password: str) -> str | None:
    """Returns the fingerprint of a right password or token, or None."""
    if state.users.verify(name, password) is not None:
        known = state.users.find(name)
        return known[1] if known is not None else None
    if state.users.find(name) is None and NAME.fullmatch(name):
        with_token = user_of_token(password, state.settings.explorer_token, name)
        return token_fingerprint(state) if with_token is not None else None
    return None


def _form(request: Request, state: ExplorerState, next_page: str, problem: str = "") -> HTMLResponse:
    return render(
        request,
        "login.html",
        next=next_page,
        problem=problem,
        has_users=bool(state.settings.explorer_users),
        has_token=bool(state.settings.explorer_token),
    )


def _own_page(place: str) -> str:
    """Returns the path if it is one of this server, or else the first page: a link cannot lead elsewhere."""
    is_own = place.startswith("/") and not place.startswith(("//", "/\\")) and "\\" not in place and place.isprintable()
    return place if is_own else "/"
