"""``make demo``: makes a project of a real catalog and runs it, from three partners' feeds to a categorized catalog."""

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

from demo.project_file import write_project_file
from resources.settings import set_default


def main() -> int:
    """Writes the project, serves its images, brings its plan up to date and prints the report."""
    parser = argparse.ArgumentParser(prog="python -m demo", description=__doc__)
    parser.add_argument("--project", type=Path, default=Path("demo-catalog"), help="folder of the project")
    parser.add_argument("--products", type=int, default=4_000, help="number of products (140 to 70,000)")
    parser.add_argument("--full", action="store_true", help="also search, student, ensemble and shares of the labels")
    options = parser.parse_args()
    folder = options.project.absolute()
    started = time.perf_counter()
    try:
        done = run(folder, options.products, is_full=options.full)
    except (RuntimeError, OSError, ValueError) as error:
        print(f"demo: {error}", file=sys.stderr)
        return 1
    from demo.report import report

    print(report(folder / "store"))
    print(f"project     {folder}  (cd there: shelfsight status, query, classify, similar, export)")
    for delivery, reason in done["failed deliveries"].items():
        print(f"\nrefused: {delivery}: {reason}")
    if done["runs"]:
        print(f"\n{done['runs']} runs in {time.perf_counter() - started:.0f} s")
    else:
        print("\neverything is up to date; nothing was run")
    return 1 if done["failed deliveries"] or done["problems with feeds"] else 0


def run(folder: Path, num_products: int, *, is_full: bool) -> dict[str, Any]:
    """Makes the project unless it is there, and runs it while the shop is open; returns what `shelfsight run` does."""
    write_project_file(folder, is_full=is_full)
    set_default("SHELFSIGHT_PROJECT", str(folder))  # before anything reads the recipes
    from demo.catalog import image_source
    from demo.fashion_mnist import load
    from demo.settings import DATA, SEED, SHOP_HOST, SHOP_PORT
    from demo.shop import Shop
    from resources.settings import Settings
    from shelfsight.cli.run import RunOptions
    from shelfsight.cli.run import run as run_plan

    data = load(DATA)
    write_feeds(folder, data, num_products)
    with Shop(image_source(data), seed=SEED, host=SHOP_HOST, port=SHOP_PORT):
        return run_plan(Settings.read(), RunOptions())


def write_feeds(folder: Path, data: Any, num_products: int) -> None:
    """Writes the feeds and the reference data, unless this project already has them.

    Raises:
        ValueError: the project has the feeds of another demo.
    """
    from demo.catalog import write_catalog
    from demo.settings import RECORD, SEED, SHOP_URL, feed_places

    wanted = {"products": num_products, "seed": SEED, "shop": SHOP_URL}
    record = folder / RECORD
    if record.exists():
        if (known := json.loads(record.read_text())) != wanted:
            raise ValueError(f"project {folder} has another demo ({known}); set PROJECT=... to a new one, or remove it")
        return
    catalog = write_catalog(*feed_places(), data=data, seed=SEED, shop_url=SHOP_URL, num_products=num_products)
    record.write_text(json.dumps(wanted))
    print(f"{catalog.num_products:,} products in {len(catalog.feeds)} feeds below {folder / 'inbox'}")


if __name__ == "__main__":
    sys.exit(main())
