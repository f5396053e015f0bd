"""A new project under `shelfsight up`: a labeled feed in its inbox ends in a champion and categories by itself."""

import random
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
from PIL import Image, ImageDraw

from resources.store import Store
from tests.catalog.feeds.reading import as_tsv
from tests.catalog_assets.delivering import website
from tests.end_to_end.services import serving_project
from tests.patience import until

pytestmark = pytest.mark.end_to_end

DELIVERY = "hansen.spring"
SHAPES = ("ellipse", "rectangle", "line")
NUM_OF_EACH = 40
SETTINGS = """
allowed_networks = "127.0.0.1/32"
min_labels = 60

[encoders.tiny]
extends = "random-mnv3"
resolution = 32

[classifiers.tiny-probe]
extends = "imagenet-lite0-probe"
encoder = "tiny"

[plan]
encoders = ["tiny"]
classifiers = ["tiny-probe"]
"""


def draw(folder: Path) -> list[tuple[str, str]]:
    """Writes images of shapes at random places; returns the name and the category of each."""
    dice = random.Random(7)
    drawn = []
    for category, shape in enumerate(SHAPES, start=2):
        for number in range(NUM_OF_EACH):
            image = Image.effect_noise((64, 64), dice.uniform(5, 60)).convert("RGB")
            left, top = dice.randrange(30), dice.randrange(30)
            box = (left, top, left + dice.randrange(10, 34), top + dice.randrange(10, 34))
            color = tuple(dice.randrange(256) for _ in range(3))
            getattr(ImageDraw.Draw(image), shape)(box, fill=color, width=5)
            name = f"{shape}-{number}.png"
            image.save(folder / name)
            drawn.append((name, str(category)))
    return drawn


@pytest.fixture(scope="module")
def project(module_folder: Path) -> Path:
    """A project with a taxonomy and a partner, and nothing else."""
    folder = module_folder / "my-catalog"
    (folder / "reference").mkdir(parents=True)
    (folder / "inbox" / "hansen").mkdir(parents=True)
    (folder / "shelfsight.toml").write_text(SETTINGS)
    names = ["1 - Shapes", *(f"{number} - Shapes > {shape}" for number, shape in enumerate(SHAPES, start=2))]
    (folder / "reference" / "taxonomy.txt").write_text("\n".join(names))
    (folder / "reference" / "partners.toml").write_text("[partners.hansen]\n")
    return folder


@pytest.fixture(scope="module")
def served(project: Path, module_folder: Path) -> Iterator[Store]:
    """The project's store, while services are up and the feed has arrived, until its products have categories."""
    images = module_folder / "images"
    with website(images) as (url, _):
        rows = [(name, f"title {name}", f"{url}/{name}", "", category, "") for name, category in draw(images)]
        with serving_project(project) as services:
            (project / "inbox" / "hansen" / "spring.tsv").write_bytes(as_tsv(rows))
            store = Store(root=str(services.root))
            # In steps, each of which may take long on a busy machine: some ten runs follow one another.
            until(lambda: store.holds("outcomes", DELIVERY), f"the images of the feed (see {services.log})")
            trained = store.local / "classifiers" / "tiny-probe" / "classifier.json"
            until(trained.exists, f"a trained classifier (see {services.log})")
            until(lambda: store.read_json("champion", "champion.json"), f"a champion (see {services.log})")
            until(lambda: store.holds("universal_catalog", DELIVERY), f"categories (see {services.log})")
            yield store


def test_a_labeled_feed_ends_in_a_first_champion_and_a_categorized_catalog(served: Store) -> None:
    champion = served.read_json("champion", "champion.json")
    assert champion is not None
    assert champion["classifier"] == "tiny-probe"
    catalog = served.scan("universal_catalog", [DELIVERY]).collect()
    assert len(catalog) == NUM_OF_EACH * len(SHAPES)
    assert set(catalog["classifier"]) == {"tiny-probe"}


def test_no_run_fails_on_the_way(served: Store) -> None:
    with dg.DagsterInstance.from_config(str(served.local / "dagster")) as instance:
        failed = instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.FAILURE]))
        assert [run.job_name for run in failed] == []
