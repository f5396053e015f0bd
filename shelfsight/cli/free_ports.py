"""Free ports: a port that a service needs is tried before the service starts, so that the error names its setting."""

import socket

from resources.project_file import PROJECT_FILE
from resources.settings import variable_of


def check_free(name: str, host: str, port: int) -> None:
    """Raises ValueError naming the setting of a port on which another process listens."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as trying:
        trying.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trying.bind((host, port))
        except OSError as error:
            raise ValueError(
                f"{name} {port} is not to be had on {host} ({error.strerror}); end what listens there, or choose "
                f"another: {name} in {PROJECT_FILE}, or {variable_of(name)}"
            ) from error
