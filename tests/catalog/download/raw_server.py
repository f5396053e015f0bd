"""A server that sends exactly the bytes it is given, however wrong they are as HTTP."""

import socketserver
import threading
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import suppress
from types import TracebackType

TLS_HELLO = b"\x16\x03"  # replied to at once, as the nonsense it is to plain HTTP
END_OF_HEAD = b"\r\n\r\n"
Reply = Iterable[bytes] | None  # None: silence until the other side gives up


def response(status: str, body: bytes = b"", *headers: str) -> bytes:
    """A correct HTTP response that closes its connection."""
    lines = (f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", "Connection: close", *headers)
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def head_of(parts: Iterable[bytes]) -> Iterable[bytes]:
    """The parts of a response to HEAD, which has no body."""
    sent = b""
    for part in parts:
        end = (sent + part).find(END_OF_HEAD)
        yield part if end < 0 else part[: end + len(END_OF_HEAD) - len(sent)]
        if end >= 0:
            return
        sent += part


class RawServer:
    """Replies to every path by a function, each connection in a thread of its own; counts the requests."""

    def __init__(self, reply: Callable[[str], Reply], host: str = "127.0.0.1", port: int = 0) -> None:
        self.requests: Counter[str] = Counter()
        self.headers: list[str] = []  # of every request, as received
        self._closing = threading.Event()
        outer = self

        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                received = b""
                while b"\r\n\r\n" not in received and not received.startswith(TLS_HELLO):
                    chunk = self.request.recv(65_536)
                    if not chunk:
                        return
                    received += chunk
                outer.headers.append(received.decode("latin-1"))
                path = "TLS" if received.startswith(TLS_HELLO) else received.decode("latin-1").split(" ")[1]
                outer.requests[path] += 1
                parts = reply(path)
                with suppress(OSError):  # the client may hang up at any moment: that is what is tested
                    if parts is None:
                        outer._closing.wait(30)
                        return
                    for part in head_of(parts) if received.startswith(b"HEAD ") else parts:
                        self.request.sendall(part)

        class Server(socketserver.ThreadingTCPServer):
            daemon_threads = True
            allow_reuse_address = True
            request_queue_size = 64

        self._server = Server((host, port), Handler)
        self.port = self._server.server_address[1]
        self.url = f"http://{host}:{self.port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)

    def __enter__(self) -> "RawServer":
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closing.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
