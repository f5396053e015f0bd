"""Templates: pages of Jinja2, escaped throughout, with the names that every page has."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import jinja2
from fastapi import Request
from fastapi.responses import HTMLResponse
from markupsafe import Markup, escape

from shelfsight.explorer.access.csrf import csrf_token, set_cookie
from shelfsight.explorer.access.users import Role
from shelfsight.explorer.navigation import NAVIGATION

FOLDER = Path(__file__).parent / "templates"
THEMES = ("light", "dark")


def render(request: Request, name: str, **values: Any) -> HTMLResponse:
    """Returns the page of a template.

    Besides `values` it has: `user` (None before the login), `can_review`, `csrf` (the token of forms), `navigation`,
    `path`, `theme`, and the functions and filters below.
    """
    user = getattr(request.state, "user", None)
    page = environment().get_template(name)
    response = HTMLResponse(
        page.render(
            user=user,
            can_review=user is not None and user.role >= Role.REVIEWER,
            csrf=csrf_token(request, request.app.state.explorer.sessions),
            navigation=NAVIGATION,
            path=request.url.path,
            theme=request.cookies.get("theme") if request.cookies.get("theme") in THEMES else "",
            **values,
        ),
        headers={"Cache-Control": "no-store"},
    )
    set_cookie(request, response)
    return response


@cache
def environment() -> jinja2.Environment:
    """The templates of this package; an unknown name in one is an error."""
    made = jinja2.Environment(
        loader=jinja2.FileSystemLoader(FOLDER), autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True
    )
    made.filters.update(count=count, percent=percent, number=number, when=when, segment=segment, code=code)
    made.globals.update(link=link)
    return made


def link(path: str, filters: Mapping[str, object] | None = None, **more: object) -> str:
    """Returns an address with filters; those that are empty, None or False are left out."""
    chosen = {**(filters or {}), **more}
    plain = {name: 1 if value is True else value for name, value in chosen.items() if value not in (None, "", False)}
    return f"{path}?{urlencode(plain)}" if plain else path


def segment(text: object) -> str:
    """Escapes a text as one segment of an address, slashes included."""
    return quote(str(text), safe="")


def code(text: str) -> Markup:
    """Marks up what stands between backticks as code; everything is escaped."""
    parts = [escape(part) for part in text.split("`")]
    if len(parts) % 2 == 0:  # one has no partner
        return escape(text)
    return Markup("").join(Markup("<code>{}</code>").format(part) if at % 2 else part for at, part in enumerate(parts))


def count(value: float | None) -> str:
    """Formats a count: 1,234."""
    return "–" if value is None else f"{value:,.0f}"  # noqa: RUF001 a dash of its own width


def percent(value: float | None, digits: int = 1) -> str:
    """Formats a share of 1: 12.3 %."""
    return "–" if value is None else f"{value:.{digits}%}".replace("%", " %")  # noqa: RUF001


def number(value: float | None, digits: int = 3) -> str:
    """Formats a number."""
    return "–" if value is None else f"{value:,.{digits}f}"  # noqa: RUF001


def when(value: Any) -> str:
    """Formats a time, in UTC."""
    return "–" if value is None else f"{value:%Y-%m-%d %H:%M}"  # noqa: RUF001
