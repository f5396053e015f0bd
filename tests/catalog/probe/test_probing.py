"""The probe: a sample fetched over real sockets, every link a row, no image stored, within every host's limits."""

from collections.abc import Iterator

import polars as pl
import pytest

from catalog.download.host_limiter import Politeness
from catalog.download.settings import FetchSettings
from catalog.images.decoding import decode
from catalog.images.stored_image import StoredImage
from catalog.probe.probing import PROBE_SCHEMA, probe
from catalog.probe.sampling import Sampling, draw, links_to_fetch
from demo.faults import Fault
from demo.shop import Shop
from tests.catalog.images.sample_images import jpeg

SETTINGS = FetchSettings(
    timeout_s=3.0,
    allowed_networks=("127.0.0.1/32",),
    backoff_s=0.01,
    politeness=Politeness(max_connections=16),
    short_side_px=64,
)
FAULTS = {fault.value: fault for fault in Fault}
IMAGE = jpeg(300, 200)


@pytest.fixture
def shop() -> Iterator[Shop]:
    """A shop that has any image, with a fault where its name is one."""
    with Shop(lambda _: IMAGE, faults=FAULTS.get) as opened:
        yield opened


def sample(links: dict[str, str | None]) -> pl.DataFrame:
    products = pl.LazyFrame(
        {
            "product_id": list(links),
            "partner_id": "hansen",
            "image_url": list(links.values()),
            "delivery": "d",
        },
        schema_overrides={"image_url": pl.String},
    )
    return draw([links_to_fetch(products)], Sampling())


def test_every_link_is_a_row_with_its_outcome(shop: Shop) -> None:
    names = ["fine", "not_found", "home", "html", "truncated", "stall", "broken", "flaky"]
    links: dict[str, str | None] = {name: f"{shop.url}/p/{name}.jpg" for name in names}
    links |= {"missing": None, "nonsense": "n/a", "inside": "http://10.0.0.1/a.jpg"}
    progress: list[tuple[int, int]] = []
    found = probe(sample(links), SETTINGS, num_cores=2, on_progress=lambda *counts: progress.append(counts))
    rows = found.rows
    assert rows.schema == PROBE_SCHEMA
    assert dict(rows.select("product_id", "status").iter_rows()) == {
        "fine": "ok",
        "not_found": "gone",
        "home": "redirected_home",
        "html": "not_an_image",
        "truncated": "corrupt",
        "stall": "timeout",
        "broken": "http_error",
        "flaky": "ok",
        "missing": "invalid_url",
        "nonsense": "invalid_url",
        "inside": "blocked_address",
    }
    assert progress[-1] == (11, 11)

    fine = rows.row(by_predicate=pl.col("product_id") == "fine", named=True)
    stored = decode(IMAGE, SETTINGS)
    assert isinstance(stored, StoredImage)
    assert (fine["bytes_fetched"], fine["bytes_stored"]) == (len(IMAGE), len(stored.data))
    assert fine["duration_ms"] > 0
    stalled = rows.row(by_predicate=pl.col("product_id") == "stall", named=True)
    assert stalled["duration_ms"] >= 900 * SETTINGS.timeout_s
    assert rows.filter(pl.col("status") != "ok")["bytes_stored"].sum() == 0
    assert 0 < found.client_ms < found.process_ms
    assert found.decode_ms >= 0
    assert 0 < found.pace_ms < 900 * SETTINGS.timeout_s  # the stalled link is the last


def test_host_that_refuses_is_paused(shop: Shop) -> None:
    with Shop(lambda _: IMAGE, faults=lambda _: Fault.REFUSED) as closed:
        links: dict[str, str | None] = {f"c{index}": f"{closed.url}/p/{index}.jpg" for index in range(300)}
        links |= {f"o{index}": f"{shop.url}/p/{index}.jpg" for index in range(300)}
        rows = probe(sample(links), SETTINGS, num_cores=2).rows
        is_closed = pl.col("host") == f"127.0.0.1:{closed.port}"
        assert set(rows.filter(is_closed)["status"]) == {"host_refused", "host_paused"}
        assert set(rows.filter(~is_closed)["status"]) == {"ok"}
        assert closed.requests.total() < 150  # twenty failures in a row, of at most three attempts, end it


def test_empty_sample_is_an_empty_table() -> None:
    found = probe(pl.DataFrame(schema=PROBE_SCHEMA), SETTINGS, num_cores=1)
    assert found.rows.schema == PROBE_SCHEMA
    assert found.rows.is_empty()
