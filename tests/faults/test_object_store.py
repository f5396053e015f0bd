"""A store behind S3: a refused write fails the delivery by name, and the next run completes it there."""

import socket
from collections.abc import Iterator

import boto3
import polars as pl
import pytest
from moto.server import ThreadedMotoServer
from upath import UPath

from catalog.files import StoreNotWritableError
from demo.shop import Shop
from tests.catalog.images.download_until_killed import download
from tests.catalog.images.pictures import jpeg

KEYS = {"key": "test", "secret": "test"}

# Of the server, its client and what they are made of; none is ours.
pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]


@pytest.fixture
def endpoint() -> Iterator[str]:
    """A server that speaks S3, on loopback."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = int(found.getsockname()[1])
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=port)
    server.start()
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.stop()


def test_a_refused_write_names_the_place_and_the_delivery_is_completed_later(endpoint: str) -> None:
    store = UPath("s3://catalogue/store", endpoint_url=endpoint, **KEYS)
    with Shop(lambda picture_id: jpeg(40, 30, seed=int(picture_id[1:])), faults={}.get) as shop:
        links = [f"{shop.url}/p/p{number}.jpg" for number in range(60)]
        wanted = pl.DataFrame({"product_id": [f"s:{number}" for number in range(60)], "image_url": links})
        with pytest.raises(
            StoreNotWritableError, match=r"cannot write 's3://catalogue/store/images/shard-0000\d\.parquet'"
        ):
            download(wanted, store)

        client = boto3.client(
            "s3",
            endpoint_url=endpoint,
            aws_access_key_id="test",
            aws_secret_access_key="test",  # noqa: S106 nobody's
            region_name="us-east-1",
        )
        client.create_bucket(Bucket="catalogue")
        before = shop.requests.copy()
        outcomes = download(wanted, store)
        assert set(outcomes["status"]) == {"ok"}
        assert (shop.requests - before).total() < 60  # what had come was in the journals
        held = client.list_objects_v2(Bucket="catalogue", Prefix="store/images/")["Contents"]
        assert [each["Key"] for each in held] == [f"store/images/shard-0000{index}.parquet" for index in range(3)]

        before = shop.requests.copy()
        assert download(wanted, store).equals(outcomes)
        assert shop.requests == before
