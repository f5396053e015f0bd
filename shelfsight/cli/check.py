"""`shelfsight check`: validates a project before anything runs."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from catalog.dataset.columns import LEVEL_COLUMNS
from catalog.feeds.formats import expected_format
from catalog.feeds.inbox_entries import inbox_entries
from catalog.products.partners import PartnerSettings
from catalog.taxonomy.moves import Moves
from catalog.taxonomy.tree import Taxonomy
from ml.recipe_types import ClassifierRecipe
from resources.recipe_set import FOUND_BY
from resources.recipes import RECIPES
from resources.settings import Settings, project_file
from resources.store import Store
from resources.stored_size import above_setting


def check(settings: Settings) -> dict[str, Any]:
    """Returns what the project has, and its problems, each with the way out.

    The settings, the keys of the recipes and the plan are checked before this function is called; it checks recipes
    against what they name (backbones, methods, heads, losses), the reference data and the names of feeds.
    """
    store, project = Store.of(settings), project_file()
    inbox, values = inbox_entries(store.inbox), store.reference / "business_value.csv"
    return {
        "project": str(project.path) if project.path else "none: the demo's recipes, with settings of the environment",
        "store": settings.root,
        "encoders": list(RECIPES.encoders),
        "classifiers": [*RECIPES.classifiers, *(f"{FOUND_BY}{name}" for name in RECIPES.searches)],
        "image_roots": [f"{name} = {place}" for name, place in settings.image_roots.items()],
        "feeds": [str(feed.relative_to(store.inbox)) for feed in inbox.files],
        "business value": str(values) if values.exists() else f"every category counts the same; {values} weighs them",
        "product types to confirm": _unconfirmed(store),
        "problems": [
            *_recipe_problems(),
            *_sizes_above(settings.images_short_side_px if project.path else None),
            *reference_problems(store),
            *root_problems(settings),
            *_problem(lambda: [expected_format(feed.name) for feed in inbox.files]),
            *(f"feed {name} is refused: {reason}" for name, reason in inbox.refused.items()),
        ],
    }


def _recipe_problems() -> Iterator[str]:
    """Yields what is wrong between recipes and their backbones, methods, heads and losses."""
    from ml.recipe_checks import classifier_problems, encoder_problems

    for name, encoder in RECIPES.encoders.items():
        parent = RECIPES.encoders[encoder.parent] if encoder.parent else None
        yield from (f"[encoders.{name}] {each}" for each in encoder_problems(encoder, parent))
    for where, recipe, num_levels in _classifiers():
        encoder = RECIPES.encoders[recipe.encoder]
        yield from (f"{where} {each}" for each in classifier_problems(recipe, encoder, num_levels))
    for name, search in RECIPES.searches.items():  # its encoder is one of several
        yield from (f"[searches.{name}] {each}" for each in classifier_problems(search.base, None))


def _classifiers() -> Iterator[tuple[str, ClassifierRecipe, int]]:
    """Yields each recipe of a classifier with its table and the number of levels that it predicts."""
    yield from ((f"[classifiers.{name}]", recipe, len(LEVEL_COLUMNS)) for name, recipe in RECIPES.classifiers.items())
    yield from ((f"[students.{name}]", recipe, len(LEVEL_COLUMNS)) for name, recipe in RECIPES.students.items())
    yield from ((f"[attributes.{name}]", recipe.classifier, 1) for name, recipe in RECIPES.attributes.items())


def _sizes_above(short_side_px: int | None) -> Iterator[str]:
    """Yields a project's encoder whose resolution is above that of stored images; presets alone are no project's."""
    if short_side_px is None:
        return
    for name, recipe in RECIPES.encoders.items():
        if problem := above_setting(recipe, short_side_px):
            yield f"[encoders.{name}] {problem}"


def reference_problems(store: Store) -> Iterator[str]:
    """Yields what is wrong with the taxonomy, the partners' settings or the business values."""
    taxonomies: list[Taxonomy] = []
    yield from _problem(lambda: taxonomies.append(store.taxonomy()))
    yield from _problem(store.partners)
    if taxonomies:
        yield from _changed_ids(store, taxonomies[0])
    if taxonomies and (store.reference / "business_value.csv").exists():
        yield from _problem(lambda: store.business_values(taxonomies[0]))


def _changed_ids(store: Store, taxonomy: Taxonomy) -> Iterator[str]:
    """Yields the ids of former taxonomies that have another path now, whose labels are dropped until confirmed."""
    moves: list[Moves] = []
    yield from _problem(lambda: moves.append(store.taxonomy_moves(taxonomy)))
    yield from (
        f"category {each.old_id} was {each.old_path!r} in version {each.version}: {each.reason}"
        for all_moves in moves
        for each in all_moves.changed
    )


def _unconfirmed(store: Store) -> list[str]:
    """Returns the partners with proposed categories that nobody has confirmed; they label nothing until then."""
    partners: list[PartnerSettings] = []
    list(_problem(lambda: partners.extend(store.partners())))  # a file that cannot be read is listed as a problem
    return [
        f"{each.partner_id}: {each.num_unconfirmed_types:,} in {each.product_types_file}"
        for each in partners
        if each.num_unconfirmed_types
    ]


def root_problems(settings: Settings) -> Iterator[str]:
    """Yields an image root that is refused, missing or of a file system that no package reads."""
    from catalog.download.image_roots import ImageRootError, Roots
    from catalog.download.remote_files import filesystem_of

    for name, place in settings.image_places.items():
        try:
            (root,) = Roots({name: place}).roots
            if not root.is_local:
                filesystem_of(root)
            elif not Path(root.place).is_dir():
                yield f"image_roots has {name} = {place!r}, which is no folder; mount or correct it, or remove the root"
        except ImageRootError as error:
            yield str(error)


def _problem(read: Callable[[], object]) -> Iterator[str]:
    try:
        read()
    except (OSError, ValueError) as error:
        yield str(error)
