"""A process that serves every case of the fault suite, and images; prints its address, and ends with its input.

Whatever it does, endlessly as some cases have it, takes no time from the process that downloads.
"""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import unquote

from tests.catalog.download.raw_server import RawServer, Reply, response
from tests.catalog.images.sample_images import jpeg
from tests.faults.case import Case
from tests.faults.headers import headers
from tests.faults.images import images
from tests.faults.responses import deeper, responses


def cases() -> dict[str, Case]:
    """All cases, by name."""
    return {each.name: each for each in [*images(), *responses(), *headers()]}


@contextmanager
def hostile_server() -> Iterator[str]:
    """The address of a server that replies `/NAME` as the case has it, and `/N` with the image of seed N."""
    with subprocess.Popen(
        [sys.executable, "-m", __name__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None and process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.stdin.close()


def _main() -> None:
    replies = {name: each.reply for name, each in cases().items() if each.reply is not None}
    healthy = {str(seed): [response("200 OK", jpeg(seed=seed))] for seed in range(20)}

    def reply(path: str) -> Reply:
        name = unquote(path[1:])
        if path.startswith("/deeper/"):
            return deeper(path)
        return replies[name]() if name in replies else healthy.get(name, [response("404 Not Found")])

    with RawServer(reply) as server:
        print(server.url, flush=True)  # noqa: T201 read by `hostile_server`
        sys.stdin.read()


if __name__ == "__main__":
    _main()
