"""The origin: a process that serves photographs over loopback, each under any number of addresses, with faults.

python -m benchmarks.origin FOLDER --port N [--side PX] [--seed N] [--hosts N]
"""

import argparse
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

from PIL import Image

from demo.faults import Fault, fault_of
from demo.shop import Shop

MAX_ENLARGED = 600  # some 250 MB of JPEGs
ENLARGED_QUALITY = 90


@dataclass(frozen=True)
class Origin:
    """Where photographs are served: ``/p/NUMBER.jpg`` for any number, at each of the hosts."""

    hosts: list[str]
    port: int

    def link(self, number: int) -> str:
        """The address of a picture; numbers go round the hosts."""
        return f"http://{self.hosts[number % len(self.hosts)]}:{self.port}/p/{number}.jpg"


@contextmanager
def serving(folder: Path, *, side_px: int = 0, seed: int = 7, num_hosts: int = 1) -> Iterator[Origin]:
    """An origin in a process of its own, until the block ends; with ``side_px`` its pictures are enlarged to it."""
    words = [str(folder), "--side", str(side_px), "--seed", str(seed), "--hosts", str(num_hosts)]
    port = free_port()
    process = subprocess.Popen([sys.executable, "-m", "benchmarks.origin", *words, "--port", str(port)])
    try:
        while not _listens(port):
            if process.poll() is not None:
                raise RuntimeError(f"the origin ended with {process.returncode}")
            time.sleep(0.1)
        yield Origin(loopback_hosts(num_hosts), port)
    finally:
        process.kill()
        process.wait()


def loopback_hosts(num_hosts: int) -> list[str]:
    """Addresses of this machine, all of them loopback."""
    return [f"127.0.{index // 250}.{1 + index % 250}" for index in range(num_hosts)]


def pictures(folder: Path, side_px: int) -> list[bytes]:
    """The photographs' files, enlarged where that is asked for."""
    files = sorted((folder / "images").glob("*.jpg"))
    if not side_px:
        return [file.read_bytes() for file in files]
    return [_enlarged(file, side_px) for file in files[:MAX_ENLARGED]]


def picture_fault(picture_id: str, seed: int) -> Fault | None:
    """The faults that end without a picture, at their published rates: 13 % of all links."""
    fault = fault_of(picture_id, seed)
    return None if fault in {Fault.FLAKY, Fault.THROTTLED} else fault


def _enlarged(file: Path, side_px: int) -> bytes:
    with Image.open(file) as image:
        scale = side_px / min(image.size)
        size = (round(image.width * scale), round(image.height * scale))
        large = image.convert("RGB").resize(size, Image.Resampling.BICUBIC)
    encoded = BytesIO()
    large.save(encoded, "JPEG", quality=ENLARGED_QUALITY)
    return encoded.getvalue()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--side", type=int, default=0)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--hosts", type=int, default=1)
    parser.add_argument("--port", type=int, required=True)
    options = parser.parse_args()
    served = pictures(options.folder, options.side)
    with Shop(
        lambda picture_id: served[int(picture_id) % len(served)],
        host=loopback_hosts(options.hosts),
        port=options.port,
        faults=lambda picture_id: picture_fault(picture_id, options.seed),
    ):
        signal.pause()


def free_port() -> int:
    """A port that nobody listens at now."""
    with socket.socket() as found:
        found.bind(("0.0.0.0", 0))  # noqa: S104 nobody is listened to
        return int(found.getsockname()[1])


def _listens(port: int) -> bool:
    with socket.socket() as asking:
        return asking.connect_ex(("127.0.0.1", port)) == 0


if __name__ == "__main__":
    main()
