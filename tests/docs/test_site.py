"""The documentation site: it builds without a warning, and its generated pages list what the code has."""

import subprocess
import sys
from pathlib import Path

import pytest

from catalog.products.rejections import REJECTIONS
from catalog.storage.tables import TABLES
from catalog.storage.views import VIEWS
from ml.recipes import CLASSIFIER_RECIPES, ENCODER_RECIPES
from resources.settings import Settings, variable_of
from tests.conftest import REPOSITORY


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site as `make docs` builds it."""
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder)]
    built = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr[-2_000:]
    return folder


def test_the_reference_lists_every_setting_recipe_table_and_view(site: Path) -> None:
    listed = {
        "settings": [variable_of(name) for name in Settings.model_fields],
        "recipes": [*ENCODER_RECIPES, *CLASSIFIER_RECIPES],
        "tables": [*TABLES, *VIEWS],
        "rejections": list(REJECTIONS),
        "assets": ["universal_catalog", "champion_decisions", "recheck"],
        "cli": ["shelfsight feed add", "shelfsight classify", "shelfsight status"],
        "python": ["Taxonomy", "SimilarityIndex", "Encoder"],
    }
    for page, names in listed.items():
        html = (site / "reference" / f"{page}.html").read_text()
        assert [name for name in names if name not in html] == [], page


def test_the_site_requests_nothing_from_other_servers(site: Path) -> None:
    html = (site / "index.html").read_text()
    assert "fonts.googleapis" not in html
    assert "unpkg.com" not in html
