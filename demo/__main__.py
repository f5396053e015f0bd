"""``make demo``: runs the whole flow on a real catalog, from three partners' feeds to a comparison of classifiers."""

import argparse
import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from demo.catalog import image_source, write_catalog
from demo.fashion_mnist import DataUnavailableError, FashionMnist, load
from demo.report import report
from demo.settings import DATA, SEED, SHOP_HOST, SHOP_PORT, SHOP_URL, allow_shop, feed_places, store_root
from demo.shop import Shop

if TYPE_CHECKING:
    from catalog_assets.flow import Progress

ENCODERS = ("imagenet-lite0", "random-mnv3", "simclr-mnv3")
CLASSIFIERS = (
    "imagenet-lite0-probe-5pct",
    "random-mnv3-finetune-5pct",
    "random-mnv3-scratch-5pct",
    "simclr-mnv3-finetune-5pct",
    "imagenet-lite0-probe",
    "simclr-mnv3-finetune",
)
SEARCHES, STUDENTS, ENSEMBLES = ("quick",), ("student-of-search",), ("stack",)

# Random and self-supervised weights of one backbone on growing shares of the labels; a backfill runs all shares.
SHARES = tuple(f"{encoder}|{share}" for encoder in ("random-mnv3", "simclr-mnv3") for share in ("0.01", "0.05", "0.1"))


def main() -> int:
    """Writes the catalog, serves it, brings every asset up to date and prints the report."""
    parser = argparse.ArgumentParser(prog="python -m demo", description=__doc__)
    parser.add_argument("--products", type=int, default=12_000, help="number of products (140 to 70,000)")
    options = parser.parse_args()
    root = store_root()
    started = time.perf_counter()
    try:
        data = load(DATA)
        prepare(root, data, options.products)
        progress = run(root, data)
    except (DataUnavailableError, OSError, ValueError) as error:
        print(f"demo: {error}", file=sys.stderr)
        return 1
    print(report(root))
    for delivery, reason in progress.refused.items():
        print(f"\nrefused: {delivery}: {reason}")
    if progress.num_runs:
        print(f"\n{progress.num_runs} runs in {time.perf_counter() - started:.0f} s")
    else:
        print("\neverything is up to date; nothing was run")
    return 1 if progress.refused else 0


def prepare(root: Path, data: FashionMnist, num_products: int) -> None:
    """Writes the feeds and the reference data, unless this store already has this demo."""
    wanted = {"products": num_products, "seed": SEED, "shop": SHOP_URL}
    record = root / "demo.json"
    if record.exists():
        if (known := json.loads(record.read_text())) != wanted:
            raise ValueError(f"store {root} has another demo ({known}); set STORE=... to a new one, or remove it")
        return
    catalog = write_catalog(*feed_places(), data=data, seed=SEED, shop_url=SHOP_URL, num_products=num_products)
    root.mkdir(parents=True, exist_ok=True)
    record.write_text(json.dumps(wanted))
    print(f"{catalog.num_products:,} products in {len(catalog.feeds)} feeds below {feed_places()[0]}")


def run(root: Path, data: FashionMnist) -> "Progress":
    """Materializes missing and stale assets while the shop is open."""
    allow_shop()
    from catalog_assets.flow import run_flow  # after the environment names the store and the allowed addresses
    from catalog_assets.plan import Plan

    with Shop(image_source(data), seed=SEED, host=SHOP_HOST, port=SHOP_PORT):
        plan = Plan(
            encoders=ENCODERS,
            classifiers=CLASSIFIERS,
            shares=SHARES,
            searches=SEARCHES,
            students=STUDENTS,
            ensembles=ENSEMBLES,
            confidences=[f"search-{name}" for name in SEARCHES],
        )
        return run_flow(root, plan)


if __name__ == "__main__":
    sys.exit(main())
