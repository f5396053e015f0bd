"""A real headless Chromium, operated by the text on the page, as people do.

With SHELFSIGHT_SCREENSHOTS set to a folder, pages are photographed into it for the documentation.
"""

import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from selenium import webdriver
from selenium.common.exceptions import (
    ElementClickInterceptedException,
    ElementNotInteractableException,
    StaleElementReferenceException,
)
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement

from tests.patience import until

FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--window-size=1600,1000"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)
LAST_FAILURE = str(Path(tempfile.gettempdir()) / "shelfsight-failed-page.png")
FADING_S = 0.7
COLORED_S = 8.0  # a graph shows its assets at once and their states later


@dataclass(frozen=True)
class Page:
    """An open tab of one web server."""

    driver: webdriver.Chrome
    url: str
    screenshots: Path | None

    def open(self, path: str) -> None:
        """Go to a path of the server."""
        self.driver.get(self.url + path)

    def see(self, text: str) -> WebElement:
        """The last visible element whose own text holds these words, once it is there."""
        return until(lambda: self._visible(f'//*[text()[contains(normalize-space(.), "{text}")]]'), repr(text))

    def click(self, text: str) -> None:
        """Click on what these words name, as soon as it can be clicked."""
        until(lambda: self._clicked(text), f"a click on {text!r}")

    def open_by(self, text: str, seen: str) -> None:
        """Click until something else is seen: a page that is still being loaded may take a click and do nothing."""

        def is_open() -> bool:
            if self._visible(f'//*[text()[contains(normalize-space(.), "{seen}")]]') is None:
                if self._clicked(text):
                    time.sleep(2.0)
                return False
            return True

        until(is_open, f"{seen!r} after a click on {text!r}")

    def shoot(self, name: str, after_s: float = FADING_S) -> None:
        """Save the page as a PNG, once what was opened has faded in; only where screenshots are wanted."""
        if self.screenshots is not None:
            self.screenshots.mkdir(parents=True, exist_ok=True)
            time.sleep(after_s)
            assert self.driver.save_screenshot(str(self.screenshots / name))

    def _clicked(self, text: str) -> bool:
        element = self._visible(f'//*[text()[contains(normalize-space(.), "{text}")]]')
        if element is None:
            return False
        try:
            element.click()
        except (  # still moving, or behind what is: look again
            ElementClickInterceptedException,
            ElementNotInteractableException,
            StaleElementReferenceException,
        ):
            return False
        return True

    def _visible(self, xpath: str) -> WebElement | None:
        try:
            shown = [element for element in self.driver.find_elements(By.XPATH, xpath) if element.is_displayed()]
        except StaleElementReferenceException:  # the page was drawn anew meanwhile: look again
            return None
        return shown[-1] if shown else None


@contextmanager
def browsing(url: str) -> Iterator[Page]:
    """A browser with a profile of its own; the test is skipped where Chromium is not installed."""
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if chromium is None or driver is None:
        pytest.skip("chromium and chromedriver are not installed (Debian packages chromium, chromium-driver)")
    with tempfile.TemporaryDirectory() as profile:
        options = Options()
        options.binary_location = chromium
        for flag in (*FLAGS, f"--user-data-dir={profile}"):
            options.add_argument(flag)
        browser = webdriver.Chrome(options=options, service=Service(driver))
        try:
            wanted = os.environ.get("SHELFSIGHT_SCREENSHOTS")
            yield Page(browser, url, Path(wanted) if wanted else None)
        except Exception:
            browser.save_screenshot(LAST_FAILURE)
            print(f"{browser.current_url} as it failed: {LAST_FAILURE}")  # noqa: T201 shown with the failure
            raise
        finally:
            browser.quit()
