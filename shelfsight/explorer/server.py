"""Server: the explorer behind uvicorn, in one process, until a signal; requests in progress are finished first."""

import signal
from collections.abc import Callable
from pathlib import Path

from resources.settings import Settings, variable_of
from shelfsight.cli.free_ports import check_free
from shelfsight.explorer.access.hosts import is_loopback
from shelfsight.explorer.access.tokens import MIN_TOKEN
from shelfsight.explorer.access.users import Users

STOP_S = 20  # for requests in progress


class OpenExplorerError(ValueError):
    """The settings would let anybody in; the message says which setting keeps strangers out."""


def serve(settings: Settings, announce: Callable[[str], None]) -> None:
    """Serves the explorer until Ctrl-C or SIGTERM.

    Args:
        settings: name the store, the address and who may look.
        announce: shows a line with the address.

    Raises:
        OpenExplorerError: the address is not loopback, and there is neither a token nor a user.
        UserFileError: the user file cannot be read.
        ValueError: the port is taken.
    """
    require_access(settings)
    check_free("explorer_port", settings.explorer_host, settings.explorer_port)
    import uvicorn

    from shelfsight.explorer.application import create_application

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: None)  # uvicorn, which ends at both, repeats the signal afterwards
    application = create_application(settings)
    announce(f"Explorer {address(settings)}   (Ctrl-C ends it)")
    uvicorn.run(
        application,
        host=settings.explorer_host,
        port=settings.explorer_port,
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=STOP_S,
    )


def address(settings: Settings) -> str:
    """The address of the first page."""
    host = settings.explorer_host
    return f"http://{f'[{host}]' if ':' in host else host}:{settings.explorer_port}"


def require_access(settings: Settings) -> None:
    """Raises OpenExplorerError where others than this machine are served and nothing keeps strangers out."""
    token = settings.explorer_token
    if token and len(token) < MIN_TOKEN:
        raise OpenExplorerError(f"explorer_token has {len(token)} characters; write at least {MIN_TOKEN}")
    if is_loopback(settings.explorer_host) or token:
        return
    if not settings.explorer_users:
        raise OpenExplorerError(
            f"explorer_host is {settings.explorer_host!r}, which others can reach, and nobody has to log in; set "
            f"explorer_users and add people by `shelfsight explore-users add`, or set {variable_of('explorer_token')}"
        )
    if not Users(Path(settings.explorer_users)).names():
        raise OpenExplorerError(
            f"explorer_users is {settings.explorer_users!r}, which names nobody; add people by "
            "`shelfsight explore-users add`"
        )
