"""Pages of the tiny catalog show what SQL over the warehouse finds, and every number links to the rows behind it."""

import html
import re
from typing import Any

import pytest
from starlette.testclient import TestClient

from catalog.storage.warehouse import query
from resources.artifacts.local_copies import database
from shelfsight.explorer.navigation import NAVIGATION
from tests.tiny_catalog import TinyCatalog

COUNT = re.compile(r'<h2 id="found">([\d,]+) product')


def text_of(client: TestClient, path: str) -> str:
    response = client.get(path)
    assert response.status_code == 200, response.text
    return response.text


def num_found(client: TestClient, path: str) -> int:
    found = COUNT.search(text_of(client, path))
    assert found
    return int(found[1].replace(",", ""))


def value(catalog: TinyCatalog, sql: str) -> Any:
    return query(database(str(catalog.root)), sql).item()


@pytest.mark.parametrize(("path", "name"), NAVIGATION)
def test_every_page_has_a_heading_and_marks_itself(path: str, name: str, explorer: TestClient) -> None:
    page = text_of(explorer, path)
    assert "<h1>" in page
    assert f'<a href="{path}" aria-current="page">{name}</a>' in page


@pytest.mark.parametrize("path", [path for path, _ in NAVIGATION])
def test_every_link_of_a_page_leads_to_a_page(path: str, explorer: TestClient) -> None:
    links = {html.unescape(each) for each in re.findall(r'(?:href|src)="(/[^"]*)"', text_of(explorer, path))}
    assert len(links) > 10
    for link in sorted(links)[:40]:
        assert explorer.get(link).status_code == 200, link


@pytest.mark.parametrize(
    ("filters", "sql"),
    [
        ("", "SELECT count(*) FROM current_products"),
        ("partner=northloom", "SELECT count(*) FROM current_products WHERE partner_id = 'northloom'"),
        ("delivery=golden.test-set", "SELECT count(*) FROM current_products WHERE delivery = 'golden.test-set'"),
        ("status=gone", "SELECT count(*) FROM outcomes WHERE status = 'gone'"),
        ("has=label", "SELECT count(category_id) FROM current_products"),
        ("has=prediction", "SELECT count(category_id) FROM universal_catalog"),
        ("min_depth=3", "SELECT count(*) FROM universal_catalog WHERE depth >= 3"),
        ("min_confidence=0.5", "SELECT count(*) FROM universal_catalog WHERE probability >= 0.5"),
        ("max_confidence=.5", "SELECT count(*) FROM universal_catalog WHERE probability <= 0.5"),
        ("disagreement=1", "SELECT count(*) FROM catalog_disagreements"),
        ("text=SNEAKER", "SELECT count(*) FROM current_products WHERE title ILIKE '%sneaker%'"),
        ("text=%25", "SELECT count(*) FROM current_products WHERE contains(title, '%')"),
        ("new_since=2020-01-01", "SELECT count(*) FROM current_products"),
        ("new_since=2999-01-01", "SELECT 0"),
        (
            "category=1604&has=prediction",
            "SELECT count(*) FROM universal_catalog JOIN taxonomy USING (category_id) WHERE level_2 = 1604",
        ),
        (
            "partner=golden&status=ok&disagreement=1&sort=confident",
            "SELECT count(*) FROM catalog_disagreements WHERE partner = 'golden'",
        ),
    ],
)
def test_a_filter_finds_the_products_that_sql_finds(
    filters: str, sql: str, explorer: TestClient, tiny_catalog: TinyCatalog
) -> None:
    assert num_found(explorer, f"/catalog?{filters}") == value(tiny_catalog, sql)


@pytest.mark.parametrize("sort", ["value", "confidence", "confident", "new", "title"])
def test_pages_of_a_sorted_catalog_have_every_product_once(sort: str, explorer: TestClient) -> None:
    found: list[str] = []
    for page in (1, 2, 3):
        text = text_of(explorer, f"/catalog?partner=golden&sort={sort}&page={page}")
        found += re.findall(r'<a href="/products/([^"]+)">', text)
    assert len(found) == len(set(found)) == 171


def test_the_tree_adds_up(explorer: TestClient) -> None:
    page = text_of(explorer, "/catalog?category=1604")
    assert 'aria-current="true">Clothing</a>' in page
    assert "Shirts &amp; Tops" in page
    assert num_found(explorer, "/catalog?category=166") >= num_found(explorer, "/catalog?category=1604")


def test_a_product_shows_its_category_prediction_history_and_runs(explorer: TestClient) -> None:
    page = text_of(explorer, "/products/golden%3Agolden-00000")
    for part in ("Trousers, black", "Apparel &amp; Accessories &gt; Clothing", "Similar products", "golden.test-set"):
        assert part in page
    assert re.search(r":3000/assets/universal_catalog\?partition=golden.test-set", page)
    assert re.search(r":5000/#/runs/[0-9a-f]{32}", page)
    assert "No image: gone" in text_of(explorer, "/products/golden%3Agolden-00027")


def test_a_delivery_shows_its_rejected_rows_and_drift(explorer: TestClient) -> None:
    page = text_of(explorer, "/deliveries?delivery=harbourhem.autumn")
    assert "id &#39;hh000573&#39; is row 1&#39;s already" in page
    assert "Stability index beyond chance" in page
    assert "missing id" in text_of(explorer, "/deliveries?delivery=harbourhem.autumn&reason=missing_id")


def test_downloads_have_examples_of_every_status(explorer: TestClient, tiny_catalog: TinyCatalog) -> None:
    page = text_of(explorer, "/downloads")
    num = value(tiny_catalog, "SELECT count(DISTINCT status) FROM outcomes")
    assert len(re.findall('aria-label="Examples of ', page)) == num
    assert "gone" in text_of(explorer, "/downloads?partner=golden&host=127.0.0.1&status=gone")


@pytest.mark.parametrize(
    "path",
    ["/products/golden%3Anone", "/catalog?category=99999", "/deliveries?delivery=none", "/nothing", "/products/"],
)
def test_what_does_not_exist_is_a_page_that_says_so(path: str, explorer: TestClient) -> None:
    response = explorer.get(path)
    assert response.status_code == 404
    assert "<h1>" in response.text


HOSTILE = [
    "' OR 1=1 --",
    '"; DROP TABLE items; --',
    "<script>alert(1)</script>",
    "../../etc/passwd",
    "%00",
    "\U0001f600" * 20,
    "a" * 199,
    "*?[]{}",
    "{{ 7 * 7 }}",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_a_hostile_filter_finds_nothing_and_is_shown_as_text(text: str, explorer: TestClient) -> None:
    for path, name in (
        ("/catalog", "text"),
        ("/catalog", "partner"),
        ("/catalog", "delivery"),
        ("/catalog", "status"),
        ("/downloads", "partner"),
        ("/downloads", "host"),
        ("/deliveries", "partner"),
    ):
        response = explorer.get(path, params={name: text})
        assert response.status_code == 200
        assert "<script>alert" not in response.text
        assert "49" not in re.findall(r'value="(\d+)"', response.text)
    assert explorer.get(f"/products/{html.escape(text)}").status_code == 404
    assert num_found(explorer, "/catalog") > 1_000


@pytest.mark.parametrize(
    "filters",
    [
        "category=1;DROP",
        "category=-1",
        "category=" + "9" * 30,
        "min_confidence=nan",
        "min_confidence=1e9",
        "sort=title;DROP",
        "page=0",
        "page=99999999999",
        "new_since=yesterday",
        "disagreement=2",
        "has=anything",
        "text=" + "a" * 201,
    ],
)
def test_a_filter_that_cannot_be_meant_is_refused(filters: str, explorer: TestClient) -> None:
    assert explorer.get(f"/catalog?{filters}").status_code == 422
