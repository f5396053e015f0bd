"""Recipes: the accuracy of those that the demo does not train, on a catalog of 1,200 products.

make bench NAME=recipes

The tests of these recipes train for two epochs; here they train completely, on half of the labels.
"""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import dagster as dg
import polars as pl

from benchmarks.claims import Claim, at_least, figure, publish
from catalog_assets.definitions import definitions
from catalog_assets.flow import QUIET, bring_up_to_date, register_arrivals
from catalog_assets.plan import Plan
from demo.catalog import image_source, write_catalog
from demo.fashion_mnist import load
from demo.settings import DATA, allow_shop
from demo.shop import Shop
from ml.recipes import DEMO_CLASSIFIERS
from resources.settings import Settings
from resources.store import Store

NUM_PRODUCTS, SEED, LABEL_FRACTION = 1_200, 7, 0.5
ENCODERS, TEACHER, STUDENT, ATTRIBUTE = (
    ("imagenet-lite0", "simclr-mnv3"),
    "imagenet-lite0-probe",
    "student-mnv3",
    "color",
)
RECIPES = ("simclr-mnv3-hierarchical-5pct", "simclr-mnv3-fixmatch-5pct", "imagenet-lite0-partial")
MIN_TOP1, MIN_OVER_COMMONEST = 0.2, 10.0  # of ten leaves; percentage points


def main() -> None:
    """Trains, evaluates and publishes."""
    with tempfile.TemporaryDirectory() as folder, catalog(Path(folder) / "store") as (store, instance):
        defs = definitions(Settings.read(store=store.root))

        def run(job: str, partition: str) -> None:
            defs.resolve_job_def(job).execute_in_process(
                instance=instance, partition_key=partition, run_config=QUIET, raise_on_error=True
            )

        for name in RECIPES:
            DEMO_CLASSIFIERS[name] = replace(DEMO_CLASSIFIERS[name], label_fraction=LABEL_FRACTION)
            run("train", name)
            run("evaluate", name)
        run("distill", STUDENT)
        run("attributes", ATTRIBUTE)
        publish("recipes", [*classifier_claims(store), student_claim(store), attribute_claim(store)])


@contextmanager
def catalog(root: Path) -> Iterator[tuple[Store, dg.DagsterInstance]]:
    """Yields a materialized catalog with the encoders and the teacher, and its Dagster instance."""
    (root / "dagster").mkdir(parents=True)
    os.environ["DAGSTER_HOME"] = str(root / "dagster")
    data, store = load(DATA), Store(root=str(root))
    allow_shop()
    with Shop(image_source(data), seed=SEED) as shop, dg.DagsterInstance.get() as instance:
        write_catalog(
            root / "inbox", root / "reference", data=data, seed=SEED, shop_url=shop.url, num_products=NUM_PRODUCTS
        )
        register_arrivals(store, instance)
        plan = Plan(encoders=ENCODERS, classifiers=(TEACHER,))
        bring_up_to_date(definitions(Settings.read(store=store.root)), instance, plan)
        yield store, instance


def classifier_claims(store: Store) -> Iterator[Claim]:
    """Yields the accuracy of each classifier on test products."""
    for name in RECIPES:
        top1 = store.scan("metrics", [name]).filter(split="test", level=4, metric="top1").collect()["value"].item()
        subject = f"{NUM_PRODUCTS:,} products, `{name}` on {LABEL_FRACTION:.0%} of the labels: top-1 on test products"
        yield at_least(subject, top1, MIN_TOP1, "")


def student_claim(store: Store) -> Claim:
    """Returns the points of accuracy by which the student is behind its teacher."""
    rows = store.scan("students", [STUDENT]).collect()
    student, teacher = (rows.filter(role=role)["top1"].item() for role in ("student", "teacher"))
    subject = f"{NUM_PRODUCTS:,} products, `{STUDENT}` beside `{TEACHER}`: points behind on golden products"
    return figure(subject, 100 * (teacher - student), "points")


def attribute_claim(store: Store) -> Claim:
    """Returns the lower end of an attribute's accuracy minus the share of its most frequent label."""
    golden = store.scan("attribute_predictions").filter(split="golden").collect()
    top1 = store.scan("attribute_metrics").filter(pl.col("split") == "golden", metric="top1").collect()
    commonest = golden["label"].value_counts(sort=True)["count"][0] / len(golden)
    subject = (
        f"{NUM_PRODUCTS:,} products, attribute `{ATTRIBUTE}`: lower end of its golden top-1 above the commonest label"
    )
    return at_least(subject, 100 * (top1["ci_low"].item() - commonest), MIN_OVER_COMMONEST, "points")


if __name__ == "__main__":
    main()
