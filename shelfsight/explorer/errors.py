"""Errors of the explorer: each has a status and a code. `/v1` responds with JSON, everything else with a page.

ExplorerError
├── BadRequestError     400  a value of the request that cannot be used
├── NotLoggedInError    401  no user; a page redirects to the login
├── ForbiddenError      403  a user without the role, or a request from elsewhere
├── NotFoundError       404  no such product, image or page
├── MissingTableError   404  a table that nothing has made yet; its page says which command does
├── TooLargeError       413  more bytes than `explorer_max_upload_bytes`
└── BusyError           503  more requests than are served at once; `Retry-After` says when to return
"""

from typing import Any
from urllib.parse import quote

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, RedirectResponse
from starlette.exceptions import HTTPException
from starlette.responses import Response

from catalog.storage.read_only import QueryLimitError

API = "/v1/"


class ExplorerError(Exception):
    """An error with the status and the code of its response; its message names the value and the way out."""

    status = 500
    code = "internal_error"
    headers: dict[str, str] = {}  # noqa: RUF012 nobody changes it


class BadRequestError(ExplorerError):
    """A value of the request that cannot be used."""

    status, code = 400, "bad_request"


class NotLoggedInError(ExplorerError):
    """A request without a user, where one is needed."""

    status, code = 401, "not_logged_in"
    headers = {"WWW-Authenticate": "Bearer"}  # noqa: RUF012


class ForbiddenError(ExplorerError):
    """A request that its user, or its sender, may not make."""

    status, code = 403, "forbidden"


class NotFoundError(ExplorerError):
    """There is no such product, image or page."""

    status, code = 404, "not_found"


class MissingTableError(ExplorerError):
    """A table that nothing has made yet."""

    status, code = 404, "missing_table"

    def __init__(self, table: str) -> None:
        super().__init__(f"the store has no {table} yet; `shelfsight run` makes it")
        self.table = table


class TooLargeError(ExplorerError):
    """A request with more bytes than may be sent."""

    status, code = 413, "too_large"


class BusyError(ExplorerError):
    """More requests than are served at once."""

    status, code = 503, "busy"
    headers = {"Retry-After": "1"}  # noqa: RUF012


def install(application: FastAPI) -> None:
    """Makes responses of the errors."""
    application.add_exception_handler(ExplorerError, _explorer_error)
    application.add_exception_handler(QueryLimitError, _query_limit)
    application.add_exception_handler(RequestValidationError, _validation)
    application.add_exception_handler(HTTPException, _http)
    application.add_exception_handler(Exception, _fault)


def is_api(path: str) -> bool:
    """True for paths whose errors are JSON."""
    return path.startswith(API)


def error_response(request: Request, status: int, code: str, message: str) -> Response:
    """Returns the response of an error: typed JSON for the API, else a page."""
    if is_api(request.url.path):
        return JSONResponse({"error": {"code": code, "message": message}}, status)
    from shelfsight.explorer.templates import render

    response = render(request, "error.html", code=code, message=message, status=status)
    response.status_code = status
    return response


def _explorer_error(request: Request, error: Any) -> Response:
    if isinstance(error, NotLoggedInError) and not is_api(request.url.path) and request.method == "GET":
        place = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        return RedirectResponse(f"/login?next={quote(place, safe='')}", 303)
    status = error.status
    if isinstance(error, MissingTableError) and not is_api(request.url.path):
        status = 200  # a page of a store that is not complete yet is a page
    response = error_response(request, status, error.code, str(error))
    response.headers.update(error.headers)
    return response


def _query_limit(request: Request, error: Exception) -> Response:
    return error_response(request, 503, "query_limit", str(error))


def _validation(request: Request, error: Any) -> Response:
    problems = "; ".join(f"{_place(each)}: {each['msg']}" for each in error.errors())
    return error_response(request, 422, "invalid_parameter", problems)


def _place(problem: Any) -> str:
    return ".".join(str(part) for part in problem["loc"] if part not in ("query", "path", "body"))


def _http(request: Request, error: Any) -> Response:
    code = {404: "not_found", 405: "method_not_allowed"}.get(error.status_code, "http_error")
    response = error_response(request, error.status_code, code, str(error.detail))
    response.headers.update(error.headers or {})
    return response


def _fault(request: Request, error: Exception) -> Response:
    """A fault of the program; its traceback is logged by the server, and nothing of it leaves."""
    return error_response(request, 500, "internal_error", f"{type(error).__name__}; the server's log has its traceback")
