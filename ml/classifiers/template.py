"""Templates: the architecture of a classifier behind its encoder."""

from dataclasses import dataclass

from ml.recipe_types import ClassifierRecipe


@dataclass(frozen=True, kw_only=True)
class Template:
    """The heads, the weight of each level and the widths of the layers before them; None omits a layer."""

    heads: str = "per_level"
    depth_weights: tuple[float, ...] = (0.1, 0.2, 0.3, 1.0)
    projector_dim: int | None = None
    predictor_dim: int | None = None

    @classmethod
    def of(cls, recipe: ClassifierRecipe) -> "Template":
        """Return the template of a recipe."""
        return cls(
            heads=recipe.heads,
            depth_weights=recipe.depth_weights,
            projector_dim=recipe.projector_dim,
            predictor_dim=recipe.predictor_dim,
        )
