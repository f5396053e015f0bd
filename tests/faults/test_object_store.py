"""A store behind S3 that refuses or vanishes: the delivery fails by name, and the next run completes it there."""

import json
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.request import Request, urlopen

import boto3
import polars as pl
import pyarrow.parquet as pq
import pytest
from moto.server import ThreadedMotoServer
from upath import UPath

from catalog.storage.files import StoreNotReadableError, StoreNotWritableError
from demo.shop import Shop
from tests.catalog.download.download_until_killed import download
from tests.catalog.images.sample_images import jpeg

NUM_PRODUCTS, NEVER = 60, 1_000_000
SHARD = r"'s3://catalog/store/images/shard-0000\d-[0-9a-f]+\.parquet'"

# Of the server, its client and what they are made of; none is ours.
pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]


@contextmanager
def serving(port: int) -> Iterator[str]:
    """A new S3 server on loopback, without authentication."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=port)
    server.start()
    endpoint = f"http://127.0.0.1:{port}"
    try:
        tell(f"{endpoint}/moto-api/reset")
        yield endpoint
    finally:
        heed_rights(endpoint, NEVER)
        server.stop()


def tell(url: str, body: str = "") -> None:
    headers = {"Content-Type": "text/plain"}
    urlopen(Request(url, data=body.encode(), headers=headers, method="POST")).close()  # noqa: S310 loopback


def heed_rights(endpoint: str, num_free_actions: int) -> None:
    """Requires authentication after a number of actions."""
    tell(f"{endpoint}/moto-api/reset-auth", str(num_free_actions))


@pytest.fixture
def port(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> int:
    """A free port, in a test whose journals lie in a folder of its own."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@pytest.fixture
def shop() -> Iterator[Shop]:
    with Shop(lambda image_id: jpeg(40, 30, seed=int(image_id[1:])), faults={}.get) as opened:
        yield opened


def products(shop: Shop) -> pl.DataFrame:
    links = [f"{shop.url}/p/p{number}.jpg" for number in range(NUM_PRODUCTS)]
    return pl.DataFrame({"product_id": [f"s:{number}" for number in range(NUM_PRODUCTS)], "image_url": links})


def store_at(endpoint: str, key: str = "root", secret: str = "root") -> UPath:  # noqa: S107 nobody's
    few = {"retries": {"max_attempts": 0}}  # of the client's own, whose patience would be tested
    return UPath("s3://catalog/store", endpoint_url=endpoint, key=key, secret=secret, config_kwargs=few)


def client(service: str, endpoint: str):  # type: ignore[no-untyped-def]
    keys = {"aws_access_key_id": "root", "aws_secret_access_key": "root"}
    return boto3.client(service, endpoint_url=endpoint, region_name="us-east-1", **keys)


def check_complete(shop: Shop, store: UPath) -> None:
    """The delivery ends there: an image for every product, and no request for a link that had ended before."""
    before = shop.requests.copy()
    outcomes = download(products(shop), store)
    assert set(outcomes["status"]) == {"ok"}
    assert (shop.requests - before).total() < NUM_PRODUCTS  # what had come was in the journals
    tables = [pq.read_table(path.open("rb")) for path in sorted((store / "images").iterdir(), key=str)]
    assert [id_ for table in tables for id_ in table["product_id"].to_pylist()] == outcomes["product_id"].to_list()
    before = shop.requests.copy()
    assert download(products(shop), store).equals(outcomes)
    assert shop.requests == before


def test_a_bucket_that_does_not_exist_is_named_and_the_delivery_is_completed_later(port: int, shop: Shop) -> None:
    with serving(port) as endpoint:
        with pytest.raises(StoreNotWritableError, match=rf"cannot write {SHARD}: .*bucket does not exist"):
            download(products(shop), store_at(endpoint))
        client("s3", endpoint).create_bucket(Bucket="catalog")
        check_complete(shop, store_at(endpoint))


def allow(endpoint: str, *actions: str) -> None:
    """Lets the user `writer` do this and nothing else."""
    statement = {"Effect": "Allow", "Action": list(actions), "Resource": "*"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    client("iam", endpoint).put_user_policy(UserName="writer", PolicyName="rights", PolicyDocument=policy)


def test_a_denied_write_names_place_and_reason_and_rights_let_it_end(port: int, shop: Shop) -> None:
    with serving(port) as endpoint:
        client("s3", endpoint).create_bucket(Bucket="catalog")
        client("iam", endpoint).create_user(UserName="writer")
        keys = client("iam", endpoint).create_access_key(UserName="writer")["AccessKey"]
        store = store_at(endpoint, keys["AccessKeyId"], keys["SecretAccessKey"])
        allow(endpoint, "s3:Get*", "s3:List*")
        heed_rights(endpoint, 0)
        with pytest.raises(StoreNotWritableError, match=rf"cannot write {SHARD}: Access Denied; make that place"):
            download(products(shop), store)
        heed_rights(endpoint, 1)
        allow(endpoint, "s3:*")
        check_complete(shop, store)


def test_a_denied_read_names_the_place(port: int, shop: Shop) -> None:
    with serving(port) as endpoint:
        client("s3", endpoint).create_bucket(Bucket="catalog")
        heed_rights(endpoint, 0)
        with pytest.raises(StoreNotReadableError, match=r"cannot read 's3://catalog/store.*Forbidden"):
            download(products(shop), store_at(endpoint, "nobody"))


def test_a_store_that_vanishes_in_mid_delivery_is_named_and_completed_when_it_is_back(port: int) -> None:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=port)

    def image(image_id: str) -> bytes:
        if image_id == "p30" and shop.requests["/p/p30.jpg"] == 1:
            server.stop()
        return jpeg(40, 30, seed=int(image_id[1:]))

    server.start()
    store = store_at(f"http://127.0.0.1:{port}")
    client("s3", f"http://127.0.0.1:{port}").create_bucket(Bucket="catalog")
    with Shop(image, faults={}.get) as shop:
        with pytest.raises(StoreNotWritableError, match=rf"cannot write {SHARD}: .*[Cc]onnect"):
            download(products(shop), store)
        again = ThreadedMotoServer(ip_address="127.0.0.1", port=port)  # with the buckets of the first
        again.start()
        try:
            check_complete(shop, store)
        finally:
            again.stop()
