"""`shelfsight recipes`: the recipes of the project and all presets, with their size and seconds an epoch."""

from collections.abc import Callable, Iterator
from typing import Any

import polars as pl

from resources.compute import Compute
from resources.recipe_costs import FILE, RecipeCosts
from resources.recipe_set import KINDS
from resources.recipes import PRESETS, RECIPES
from resources.settings import Settings, project_file
from resources.store import Store
from shelfsight.cli.recipe_work import work_of

WITHOUT_DATASET = 10_000  # images
OnMeasure = Callable[[str], None]


def recipes(
    settings: Settings, *, is_measuring: bool = False, on_measure: OnMeasure = lambda backbone: None
) -> dict[str, Any]:
    """Returns the recipes of the project and all presets, with backbone, size and seconds an epoch on this device.

    Seconds are those of the network for one pass over the training images of the dataset or, without one, over
    10,000 images; decoding and views are not part of them. They come from a measured step where there is one, and are
    otherwise estimated from MACs and a measured step of a small network.

    Args:
        settings: The settings, with the store and the device.
        is_measuring: Measures a step of every backbone that was not measured before: some seconds for each.
        on_measure: Is called with the name and the size of each backbone before it is measured.
    """
    store = Store(root=settings.root)
    num_images = _num_training_images(store)
    with Compute(device=settings.device).session() as session:
        costs = RecipeCosts(store.scratch / FILE, session.device)
        if is_measuring:
            _measure(costs, on_measure)
        return {
            "device": costs.device,
            "images": num_images or WITHOUT_DATASET,
            "images of": "the dataset's training split" if num_images else "an example, as there is no dataset yet",
            "recipes": [_row(costs, num_images or WITHOUT_DATASET, *each) for each in _listed()],
        }


def _listed() -> Iterator[tuple[str, str, str, Any]]:
    """Yields the source, kind, name and recipe of those of the project's file first, then of all presets."""
    own = project_file().recipes
    for kind in KINDS:
        yield from (("project", kind, name, getattr(RECIPES, kind)[name]) for name in own.get(kind, {}))
    for kind in KINDS:
        presets = getattr(PRESETS, kind).items()
        yield from (("preset", kind, name, recipe) for name, recipe in presets if name not in own.get(kind, {}))


def _num_training_images(store: Store) -> int:
    if not store.holds("dataset"):
        return 0
    return int(store.scan("dataset").filter(pl.col("split") == "train").select(pl.len()).collect().item())


def _measure(costs: RecipeCosts, on_measure: OnMeasure) -> None:
    works = [work_of(recipe) for _, _, _, recipe in _listed()]
    for backbone, resolution in dict.fromkeys((e.encoder.backbone, e.encoder.resolution) for e in works if e):
        if costs.measured(backbone, resolution) is None:
            on_measure(f"{backbone} at {resolution} px")
            costs.measure(backbone, resolution)


def _row(costs: RecipeCosts, num_images: int, source: str, kind: str, name: str, recipe: Any) -> dict[str, Any]:
    """Returns one recipe as a row; ensembles and searches have no network of their own."""
    row = {"source": source, "kind": kind, "name": name}
    work = work_of(recipe)
    if work is None:
        empty = ("backbone", "resolution", "million_parameters", "gmacs", "work", "epochs", "seconds_an_epoch", "basis")
        return {**row, **dict.fromkeys(empty)}
    backbone, resolution = work.encoder.backbone, work.encoder.resolution
    cost, measured = costs.cost(backbone, resolution), costs.measured(backbone, resolution)
    times = measured or costs.estimate(backbone, resolution)
    return {
        **row,
        "backbone": backbone,
        "resolution": resolution,
        "million_parameters": round(cost.num_parameters / 1e6, 2),
        "gmacs": round(cost.gmacs, 3),
        "work": work.name,
        "epochs": work.num_epochs,
        "seconds_an_epoch": round(num_images * work.seconds_an_image(times), 1),
        "basis": "estimated" if measured is None else "measured",
    }
