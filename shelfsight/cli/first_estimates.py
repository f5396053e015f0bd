"""First estimates: the seconds of encoding and training in a project whose runs have measured nothing yet.

A step of the encoder is measured on this device, once, and multiplied by the rows of the registered feeds.
"""

from catalog.dataset.splits import TRAIN_SHARE
from ml.recipe_types import ClassifierRecipe
from resources.compute import Compute
from resources.recipe_costs import FILE, RecipeCosts
from resources.recipes import RECIPES
from resources.settings import Settings
from resources.store import Store
from shelfsight.cli.recipe_work import work_of


class FirstEstimates:
    """Estimates of first runs.

    Args:
        settings: The settings, with the device.
        store: The store of the project, whose feeds are registered.
    """

    def __init__(self, settings: Settings, store: Store) -> None:
        self._settings, self._store = settings, store

    def of(self, job: str, key: str) -> tuple[float, str] | None:
        """Returns the seconds of a job's first run and their basis; None where there is no such estimate.

        Args:
            job: "encode" or "train"; the other jobs take little time, and their first runs measure it.
            key: The name of the recipe.
        """
        known = {"encode": RECIPES.encoders, "train": RECIPES.classifiers}.get(job, {})
        deliveries = self._store.deliveries(self._store.delivery_keys())
        num_rows = sum(each.part.num_rows or 0 for each in deliveries)
        if key not in known or not num_rows:
            return None
        recipe = known[key]
        work = work_of(recipe)
        if work is None or work.name == "probe":  # fits embeddings: seconds
            return None
        amount = num_rows * TRAIN_SHARE * recipe.label_fraction if isinstance(recipe, ClassifierRecipe) else num_rows
        with Compute(device=self._settings.device).session() as session:
            times = RecipeCosts(self._store.scratch / FILE, session.device).measure(
                work.encoder.backbone, work.encoder.resolution
            )
        per_image = work.seconds_an_image(times)
        basis = (
            f"{amount:,.0f} images, as many as feeds have rows"
            if job == "encode"
            else (f"{amount:,.0f} labels, {TRAIN_SHARE:.0%} of the rows of feeds times the recipe's share")
        )
        return amount * work.num_epochs * per_image, (
            f"{basis}, {work.num_epochs} epoch{'s' * (work.num_epochs > 1)} at {1 / per_image:,.3g} images/s, a step "
            "measured on this device"
        )
