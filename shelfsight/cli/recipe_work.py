"""Recipe work: how often, and at which size, images go through the encoder of a recipe."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ml.recipe_types import AttributeRecipe, ClassifierRecipe, EncoderRecipe
from resources.recipes import PRESETS, RECIPES

if TYPE_CHECKING:
    from ml.training.step_timing import StepTime


@dataclass(frozen=True, kw_only=True)
class Work:
    """The images that go through an encoder.

    Attributes:
        name: "embed", "pretrain", "finetune", or "probe", which embeds images once and then trains on embeddings.
        encoder: The recipe of the encoder.
        num_epochs: Passes over the images.
        num_views: Views of each image in a pass, in units of the encoder's resolution.
    """

    name: str
    encoder: EncoderRecipe
    num_epochs: int = 1
    num_views: float = 1.0

    def seconds_an_image(self, times: "StepTime") -> float:
        """Returns the seconds of one image in a pass, by the measured or estimated step of its encoder."""
        return self.num_views * (times.train_s if self.name in ("pretrain", "finetune") else times.embed_s)


def work_of(recipe: Any) -> Work | None:
    """Returns the work of a recipe of any kind; None for one that combines or searches others."""
    if isinstance(recipe, AttributeRecipe):
        recipe = recipe.classifier
    if isinstance(recipe, ClassifierRecipe):
        encoder = RECIPES.encoders.get(recipe.encoder) or PRESETS.encoder(recipe.encoder)
        if recipe.mode == "probe":
            return Work(name="probe", encoder=encoder)
        ratio = 1 + (recipe.semi_supervised.unlabeled_ratio if recipe.semi_supervised else 0)
        size = (recipe.view_resolution or encoder.resolution) / encoder.resolution
        return Work(name="finetune", encoder=encoder, num_epochs=recipe.optimization.epochs, num_views=ratio * size**2)
    if not isinstance(recipe, EncoderRecipe):
        return None
    if recipe.pretraining is None:
        return Work(name="embed", encoder=recipe)
    from ml.methods import METHODS

    settings, local = recipe.pretraining, recipe.pretraining.local_views
    num_views: float = METHODS[settings.method].num_views
    if local is not None:
        num_views += local.num * (local.resolution / recipe.resolution) ** 2
    return Work(name="pretrain", encoder=recipe, num_epochs=settings.optimization.epochs, num_views=num_views)
