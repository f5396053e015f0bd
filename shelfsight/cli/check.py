"""`shelfsight check`: validates a project before anything runs."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from catalog.feeds.deliveries import feed_files
from catalog.feeds.formats import format_of
from catalog.products.partners import PartnerSettings
from ml.name_suggestions import suggest_names
from ml.recipe_types import ClassifierRecipe, EncoderRecipe
from resources.recipe_tables import FOUND_BY
from resources.recipes import RECIPES
from resources.settings import Settings, project_file
from resources.store import Store


def check(settings: Settings) -> dict[str, Any]:
    """Returns what the project has, and its problems, each with the way out.

    The settings, the keys of the recipes and the plan are checked before this function is called; it checks recipes
    against what they name (backbones, methods, heads, losses), the reference data and the names of feeds.
    """
    store, project = Store.of(settings), project_file()
    feeds = list(feed_files(store.inbox))
    return {
        "project": str(project.path) if project.path else "none: the presets, with settings of the environment",
        "store": settings.root,
        "encoders": list(RECIPES.encoders),
        "classifiers": [*RECIPES.classifiers, *(f"{FOUND_BY}{name}" for name in RECIPES.searches)],
        "feeds": [str(feed.relative_to(store.inbox)) for feed in feeds],
        "product types to confirm": _unconfirmed(store),
        "problems": [
            *_encoder_problems(),
            *_classifier_problems(),
            *_reference_problems(store),
            *_problem(lambda: [format_of(feed.name) for feed in feeds]),
        ],
    }


def _encoder_problems() -> Iterator[str]:
    """Yields an encoder whose backbone or method does not exist, or whose backbone cannot take its resolution."""
    from ml.encoders.backbones import create_backbone
    from ml.methods import METHODS

    built: dict[tuple[str, int], list[str]] = {}
    for name, recipe in RECIPES.encoders.items():
        place = (recipe.backbone, recipe.resolution)
        if place not in built:
            built[place] = list(_problem(partial(create_backbone, *place)))
        yield from (f"[encoders.{name}]: {each}" for each in built[place])
        yield from _missing_weights(name, recipe)
        if recipe.pretraining is not None and recipe.pretraining.method not in METHODS:
            method = recipe.pretraining.method
            yield f"[encoders.{name}] has pretraining.method = {method!r}; {suggest_names(method, METHODS)}"


def _missing_weights(name: str, recipe: EncoderRecipe) -> Iterator[str]:
    file = recipe.weights_file
    if file is not None and not file.exists():
        yield f"[encoders.{name}] has weights = {recipe.weights!r}, which is no file; write imagenet, random or a path"


def _classifier_problems() -> Iterator[str]:
    """Yields a classifier whose heads or loss do not exist."""
    from ml.classifiers.heads import HEADS
    from ml.classifiers.losses import LOSSES

    named: dict[str, ClassifierRecipe] = {
        **{f"[classifiers.{name}]": recipe for name, recipe in RECIPES.classifiers.items()},
        **{f"[students.{name}]": recipe for name, recipe in RECIPES.students.items()},
        **{f"[attributes.{name}]": recipe.classifier for name, recipe in RECIPES.attributes.items()},
        **{f"[searches.{name}]": recipe.base for name, recipe in RECIPES.searches.items()},
    }
    for where, recipe in named.items():
        if recipe.heads not in HEADS:
            yield f"{where} has heads = {recipe.heads!r}; {suggest_names(recipe.heads, HEADS)}"
        if recipe.loss not in LOSSES:
            yield f"{where} has loss = {recipe.loss!r}; {suggest_names(recipe.loss, LOSSES)}"


def _reference_problems(store: Store) -> Iterator[str]:
    """Yields what is wrong with the taxonomy, the partners' settings or the business values."""
    taxonomies: list[Any] = []
    yield from _problem(lambda: taxonomies.append(store.taxonomy()))
    yield from _problem(store.partners)
    if taxonomies and (store.reference / "business_value.csv").exists():
        yield from _problem(lambda: store.business_values(taxonomies[0]))


def _unconfirmed(store: Store) -> list[str]:
    """Returns the partners with proposed categories that nobody has confirmed; they label nothing until then."""
    partners: list[PartnerSettings] = []
    list(_problem(lambda: partners.extend(store.partners())))  # a file that cannot be read is listed as a problem
    return [
        f"{each.partner_id}: {each.num_unconfirmed_types:,} in {each.product_types_file}"
        for each in partners
        if each.num_unconfirmed_types
    ]


def _problem(read: Callable[[], object]) -> Iterator[str]:
    try:
        read()
    except (OSError, ValueError) as error:
        yield str(error)
