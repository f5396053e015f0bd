"""SIGKILL at twenty random moments of one download: nothing lost, nothing counted twice, every image whole."""

import hashlib
import io
import math
import random
import shutil
import signal
import time
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import polars as pl
import pyarrow.parquet as pq
from PIL import Image
from upath import UPath

from catalog.download.journals import Journal
from catalog.images.decoders import MAX_BATCH_IMAGES
from catalog.images.shard_files import IMAGES_SCHEMA
from catalog.storage.cores import num_cores
from demo.faults import Fault
from demo.shop import Shop
from tests.catalog.download.download_until_killed import download, start_downloading
from tests.catalog.download.gate import Gate, opening, requests_when_quiet
from tests.catalog.images.sample_images import jpeg
from tests.patience import until

NUM_KILLS, NUM_PRODUCTS, SHARD_ROWS, SEED = 20, 1_500, 25, 11
MAX_IMAGES = 60  # that the shop gives before the next kill
MAX_CONNECTIONS = 8  # so many links can be on the way when the process is killed
MAX_BEING_DECODED = 2 * MAX_BATCH_IMAGES * num_cores()  # and so many images between the client and the journal
FAULTS = {"p10": Fault.GONE, "p700": Fault.TRUNCATED, "p900": Fault.HTML}


def image(image_id: str) -> bytes:
    return jpeg(40, 30, seed=int(image_id[1:]))


def paths_of(ids: Iterable[str]) -> set[str]:
    return {f"/p/p{product_id[2:]}.jpg" for product_id in ids}


def in_finished_shards(store: Path) -> set[str]:
    """The paths at the shop of the products whose shard is finished."""
    tables = [pl.read_parquet(path) for path in (store / "outcomes").glob("shard-*.parquet")]
    return paths_of(pl.concat(tables)["product_id"]) if tables else set()


def in_journals(store: Path, shop: Shop) -> set[str]:
    """The paths whose end is noted in the journal of a shard under way; reading mends a journal, so a copy is read."""
    noted: set[str] = set()
    for path in (store / "outcomes").glob(".shard-*.journal"):
        copy = shutil.copy(path, store.parent / "copy.journal")
        noted |= {url.removeprefix(shop.url) for url in Journal(Path(copy)).open() if url}
    return noted


def test_after_twenty_kills_every_product_has_one_outcome_and_every_image_is_whole(tmp_path: Path) -> None:
    moments, gate, store = random.Random(SEED), Gate(image), tmp_path / "store"
    num_lost = num_killed_in_mid_shard = 0
    with Shop(gate, faults=FAULTS.get) as shop, opening(gate):
        links = [f"{shop.url}/p/p{number}.jpg" for number in range(NUM_PRODUCTS)]
        wanted = pl.DataFrame({"product_id": [f"s:{n}" for n in range(NUM_PRODUCTS)], "image_url": links})
        wanted.write_parquet(tmp_path / "products.parquet")
        before: Counter[str] = Counter()
        settled: set[str] = set()
        for _ in range(NUM_KILLS):
            gate.let_through(moments.randint(1, MAX_IMAGES))
            process = start_downloading(tmp_path / "products.parquet", store)
            until(lambda: gate.is_closed, "the last image before the kill", poll_s=0.002)
            time.sleep(moments.uniform(0.0, 0.2))
            process.kill(signal.SIGKILL)  # fails if the download is over: then it needs more products
            gate.let_through(math.inf)
            after = requests_when_quiet(shop)
            assert not settled & set(after - before), "asked again, though its end was on the disk"
            noted = in_journals(store, shop)
            settled = in_finished_shards(store) | noted
            num_killed_in_mid_shard += bool(noted)
            lost = set(after - before) - settled
            assert len(lost) <= MAX_CONNECTIONS + MAX_BEING_DECODED
            num_lost += len(lost)
            before = after
        outcomes = download(wanted, UPath(store))
        assert not settled & set(shop.requests - before)
        num_requests = shop.requests.total()

    assert num_killed_in_mid_shard >= NUM_KILLS // 2
    assert num_requests == NUM_PRODUCTS + num_lost
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
    assert sorted(path.name for path in (store / "outcomes").iterdir() if not path.name.endswith(".writing")) == [
        f"shard-{index:05d}.parquet" for index in range(NUM_PRODUCTS // SHARD_ROWS)
    ]
