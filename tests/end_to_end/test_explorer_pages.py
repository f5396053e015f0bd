"""The explorer in a real browser: nothing cut off, no error, accessible, in light and dark, at two widths."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from axe_core_python.selenium import Axe

from resources.settings import Settings, variable_of
from tests.conftest import REPOSITORY, TinyCatalog
from tests.end_to_end.browser import Page, browsing
from tests.end_to_end.services import free_port, responds
from tests.patience import PATIENCE_S, until

pytestmark = [pytest.mark.end_to_end, pytest.mark.browser]

PAGES = {
    "overview": "/",
    "catalog": "/catalog?category=1604&sort=confident",
    "product": "/products/golden%3Agolden-00000",
    "product-without-image": "/products/golden%3Agolden-00027",
    "deliveries": "/deliveries",
    "delivery": "/deliveries?delivery=harbourhem.autumn",
    "downloads": "/downloads",
    "missing": "/products/golden%3Anone",
}
WIDTHS_PX, HEIGHT_PX = (1_280, 1_920), 1_000
CUT_OFF = "return document.documentElement.scrollWidth - document.documentElement.clientWidth"
BROKEN_IMAGES = "return [...document.images].filter(each => each.complete && !each.naturalWidth).length"


@pytest.fixture(scope="module")
def address(tiny_catalog: TinyCatalog) -> Iterator[str]:
    """The command `shelfsight explore` over the tiny catalog."""
    unset = set(map(variable_of, Settings.model_fields))
    environment = {name: each for name, each in os.environ.items() if name not in unset}
    port = free_port()
    server = subprocess.Popen(
        [sys.executable, "-m", "shelfsight", "explore", "--store", str(tiny_catalog.root)],
        cwd=REPOSITORY,
        env={**environment, "SHELFSIGHT_EXPLORER_PORT": str(port)},
    )
    try:
        until(lambda: responds(f"http://127.0.0.1:{port}/catalog"), "the explorer")
        yield f"http://127.0.0.1:{port}"
    finally:
        server.send_signal(signal.SIGINT)
        assert server.wait(timeout=PATIENCE_S) == 0


def test_pages_are_whole_accessible_and_without_errors(address: str) -> None:
    with browsing(address) as page:
        for scheme in ("light", "dark"):
            prefer(page, scheme)
            for width_px in WIDTHS_PX:
                page.driver.set_window_size(width_px, HEIGHT_PX)
                for name, path in PAGES.items():
                    page.open(path)
                    assert problems(page) == [], f"{name}, {scheme}, {width_px} px"
                    page.shoot(f"explorer-{name}-{scheme}-{width_px}.png", after_s=0.2)


def test_a_person_finds_a_product_by_clicks_and_a_link_keeps_the_filter(address: str) -> None:
    with browsing(address) as page:
        page.open("/")
        page.click("Catalog")
        page.click("Apparel & Accessories")
        page.see("Clothing Accessories")
        page.driver.find_element("link text", "Clothing").click()
        page.see("products in Apparel & Accessories > Clothing")
        field(page, "text").send_keys("coat")
        page.click("Show")
        page.see("products in Apparel & Accessories > Clothing")
        assert "text=coat" in page.driver.current_url
        assert "category=1604" in page.driver.current_url
        first = page.driver.find_element("css selector", ".card .title")
        title = first.text
        assert "coat" in title.lower()
        first.click()
        assert page.see("History").is_displayed()
        assert page.driver.find_element("css selector", "h1").text == title


def test_the_switch_between_dark_and_light_is_remembered(address: str) -> None:
    with browsing(address) as page:
        prefer(page, "light")
        page.open("/")
        page.click("Dark or light")
        assert background(page) == "rgb(20, 24, 29)"
        page.open("/catalog")
        assert background(page) == "rgb(20, 24, 29)"


def field(page: Page, name: str) -> Any:
    return page.driver.find_element("css selector", f'[name="{name}"]')


def background(page: Page) -> str:
    return str(page.driver.execute_script("return getComputedStyle(document.body).backgroundColor"))


def prefer(page: Page, scheme: str) -> None:
    """Sets the color scheme that the person's system has."""
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    page.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})


def problems(page: Page) -> list[str]:
    """Lists parts of the page that are cut off, missing or inaccessible, and messages of the console."""
    found = [f"{each['id']}: {each['nodes'][0]['html']}" for each in Axe().run(page.driver)["violations"]]
    if cut_px := page.driver.execute_script(CUT_OFF):
        found.append(f"{cut_px} px are cut off")
    if num := page.driver.execute_script(BROKEN_IMAGES):
        found.append(f"{num} images are broken")
    said = [each["message"] for each in page.driver.get_log("browser")]
    return [*found, *(each for each in said if "/products/golden%3Anone" not in each)]  # which does not exist
