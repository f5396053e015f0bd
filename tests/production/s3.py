"""A server that speaks S3 on loopback, a process of its own, and a store in a bucket of it."""

import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import pytest

from catalog.storage.files import store_path
from tests.end_to_end.services import free_port, responds
from tests.patience import until

STORE = "s3://catalog/store"


@contextmanager
def s3_server() -> Iterator[Mapping[str, str]]:
    """The environment by which everything finds the server, until the block ends; it holds an empty bucket."""
    port = free_port()
    command = [sys.executable, "-W", "ignore", "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    environment = {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
        "AWS_ALLOW_HTTP": "true",
        "AWS_ACCESS_KEY_ID": "root",
        "AWS_SECRET_ACCESS_KEY": "root",
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        try:
            until(lambda: responds(f"http://127.0.0.1:{port}/moto-api/"), "the S3 server")
            store_path(STORE).fs.mkdir("catalog")
            yield environment
        finally:
            process.kill()
            process.wait()
