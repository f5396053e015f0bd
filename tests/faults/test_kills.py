"""SIGKILL at twenty random moments of one download: nothing lost, nothing counted twice, every picture whole."""

import hashlib
import io
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import polars as pl
import pyarrow.parquet as pq
from PIL import Image
from upath import UPath

from catalog.images.shard_files import IMAGES_SCHEMA
from demo.faults import Fault
from demo.shop import Shop
from tests.catalog.images.download_until_killed import download
from tests.catalog.images.pictures import jpeg
from tests.conftest import REPOSITORY

NUM_KILLS, NUM_PRODUCTS, SEED = 20, 1_500, 11
MAX_IN_FLIGHT = 64  # links that one process may have asked for without having noted how it ended
FAULTS = {"p10": Fault.GONE, "p700": Fault.TRUNCATED, "p900": Fault.HTML}


def picture(picture_id: str) -> bytes:
    time.sleep(0.008)
    return jpeg(40, 30, seed=int(picture_id[1:]))


def start(table: Path, folder: Path) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-m", "tests.catalog.images.download_until_killed", str(table), str(folder)]
    return subprocess.Popen(command, cwd=REPOSITORY)


def test_after_twenty_kills_every_product_has_one_outcome_and_every_picture_is_whole(tmp_path: Path) -> None:
    moments = random.Random(SEED)
    store = tmp_path / "store"
    with Shop(picture, faults=FAULTS.get) as shop:
        links = [f"{shop.url}/p/p{number}.jpg" for number in range(NUM_PRODUCTS)]
        wanted = pl.DataFrame({"product_id": [f"s:{n}" for n in range(NUM_PRODUCTS)], "image_url": links})
        wanted.write_parquet(tmp_path / "products.parquet")
        num_killed = 0
        while num_killed < NUM_KILLS:
            asked_before = shop.requests.total()
            process = start(tmp_path / "products.parquet", store)
            while shop.requests.total() == asked_before and process.poll() is None:
                time.sleep(0.005)  # it is importing: only a kill of the download itself counts
            time.sleep(moments.uniform(0.0, 0.5))
            assert process.poll() is None, "the download was over before its last kill: give it more products"
            process.send_signal(signal.SIGKILL)
            process.wait()
            num_killed += 1
        outcomes = download(wanted, UPath(store))
        num_requests = shop.requests.total()

    assert outcomes["product_id"].to_list() == wanted["product_id"].to_list()
    assert dict(outcomes["status"].value_counts().iter_rows()) == {
        "ok": NUM_PRODUCTS - len(FAULTS),
        "gone": 1,
        "corrupt": 1,
        "not_an_image": 1,
    }
    rows = [
        row
        for path in sorted((store / "images").glob("*.parquet"))
        for row in pq.read_table(path, schema=IMAGES_SCHEMA).to_pylist()
    ]
    assert len(rows) == NUM_PRODUCTS - len(FAULTS)
    assert {row["product_id"] for row in rows} == set(outcomes.filter(status="ok")["product_id"])
    for row in rows:
        data = row["image"]["bytes"]
        assert hashlib.sha256(data).hexdigest() == row["sha256"]
        Image.open(io.BytesIO(data)).load()
    assert num_requests <= NUM_PRODUCTS + NUM_KILLS * MAX_IN_FLIGHT
    assert sorted(path.name for path in (store / "outcomes").iterdir() if not path.name.endswith(".writing")) == [
        f"shard-{index:05d}.parquet" for index in range(NUM_PRODUCTS // 25)
    ]
