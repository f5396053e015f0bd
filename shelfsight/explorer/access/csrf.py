"""CSRF: requests that change something carry a token that only a page of this server knows.

The token signs a random cookie of the browser. Requests of the API, which no form of a page sends, are checked by
their origin instead (`hosts`).
"""

import hmac
import secrets

from fastapi import Request
from starlette.responses import Response

from shelfsight.explorer.access.sessions import Sessions
from shelfsight.explorer.errors import ForbiddenError, is_api

COOKIE = "shelfsight_csrf"
FIELD = "csrf"
HEADER = "x-csrf-token"
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


def csrf_token(request: Request, sessions: Sessions) -> str:
    """Returns the token for the forms of a page."""
    return sessions.signature("csrf", _seed(request).encode())


def set_cookie(request: Request, response: Response) -> None:
    """Sets the browser's random cookie where it has none."""
    if request.cookies.get(COOKIE) != _seed(request):
        is_secure = request.url.scheme == "https"
        response.set_cookie(COOKIE, _seed(request), httponly=True, samesite="lax", secure=is_secure)


async def check_csrf(request: Request) -> None:
    """Raises ForbiddenError where a request that changes something lacks the token of its browser."""
    if request.method in SAFE or is_api(request.url.path):
        return
    state = request.app.state.explorer
    in_header = request.headers.get(HEADER)
    presented = in_header if in_header is not None else (await request.form()).get(FIELD)
    cookie = request.cookies.get(COOKIE)
    wanted = state.sessions.signature("csrf", cookie.encode()) if cookie else ""
    if not wanted or not isinstance(presented, str) or not hmac.compare_digest(presented.encode(), wanted.encode()):
        raise ForbiddenError("the form has expired, or another site sent it; load the page again and repeat")


def _seed(request: Request) -> str:
    """The browser's random cookie; a new one is kept for the length of the request."""
    known = request.cookies.get(COOKIE, "")
    if len(known) >= 32:
        return known
    if not hasattr(request.state, "csrf_seed"):
        request.state.csrf_seed = secrets.token_urlsafe(32)
    seed: str = request.state.csrf_seed
    return seed
