"""Origin: a process that serves photographs over loopback, each at any number of addresses, with faults.

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
    """The hosts and port that serve photographs: ``/p/NUMBER.jpg`` for any number, at each host."""

    hosts: list[str]
    port: int

    def link(self, number: int) -> str:
        """Returns the address of an image; consecutive numbers are at different hosts."""
        return f"http://{self.hosts[number % len(self.hosts)]}:{self.port}/p/{number}.jpg"


@contextmanager
def serving(folder: Path, *, side_px: int = 0, seed: int = 7, num_hosts: int = 1) -> Iterator[Origin]:
    """Serves an origin in a separate process until the block ends; ``side_px`` enlarges its images."""
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
    """Returns loopback addresses of this machine."""
    return [f"127.0.{index // 250}.{1 + index % 250}" for index in range(num_hosts)]


def images(folder: Path, side_px: int) -> list[bytes]:
    """Reads the photographs, enlarged where ``side_px`` is not 0."""
    files = sorted((folder / "images").glob("*.jpg"))
    if not side_px:
        return [file.read_bytes() for file in files]
    return [_enlarged(file, side_px) for file in files[:MAX_ENLARGED]]


def image_fault(image_id: str, seed: int) -> Fault | None:
    """Returns the faults that end without an image, at their published rates: 13 % of all links."""
    fault = fault_of(image_id, seed)
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
    served = images(options.folder, options.side)
    with Shop(
        lambda image_id: served[int(image_id) % len(served)],
        host=loopback_hosts(options.hosts),
        port=options.port,
        faults=lambda image_id: image_fault(image_id, options.seed),
    ):
        signal.pause()


def free_port() -> int:
    """Returns a port that is free now."""
    with socket.socket() as found:
        found.bind(("0.0.0.0", 0))  # noqa: S104 nothing listens
        return int(found.getsockname()[1])


def _listens(port: int) -> bool:
    with socket.socket() as asking:
        return asking.connect_ex(("127.0.0.1", port)) == 0


if __name__ == "__main__":
    main()
