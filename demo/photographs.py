"""Runs the flow on a second real catalog: clothing photographs of many senders.

    python -m demo.photographs FOLDER --taxonomy FILE [--sample N]

FOLDER has ``labels.csv`` and ``images/``; FILE is a Google Product Taxonomy. Splits go by sender.
"""

import argparse
import sys
from pathlib import Path

from demo.clothing import clothing_images, write_clothing
from demo.report import comparison
from demo.settings import SHOP_HOST, SHOP_PORT, SHOP_URL, allow_shop, feed_places, store_root
from demo.shop import Shop

ENCODERS = ("imagenet-lite0-224", "imagenet-lite0")
CLASSIFIERS = ("imagenet-lite0-224-probe", "imagenet-lite0-probe")


def main() -> int:
    """Writes the feeds, serves the photographs, runs the flow and prints the comparison."""
    parser = argparse.ArgumentParser(prog="python -m demo.photographs", description=__doc__)
    parser.add_argument("folder", type=Path, help="labels.csv and images/")
    parser.add_argument("--taxonomy", type=Path, required=True, help="taxonomy-with-ids.*.txt")
    parser.add_argument("--sample", type=int, help="largest number of photographs; whole senders are sampled")
    options = parser.parse_args()
    root = store_root()
    allow_shop()
    from catalog_assets.flow import run_flow  # after the environment names the store and the allowed addresses
    from catalog_assets.plan import Plan

    try:
        catalog = write_clothing(
            *feed_places(),
            folder=options.folder,
            taxonomy=options.taxonomy,
            shop_url=SHOP_URL,
            sample=options.sample,
        )
        print(f"{catalog.num_products:,} photographs of {catalog.num_senders} senders")
        with Shop(clothing_images(options.folder), host=SHOP_HOST, port=SHOP_PORT, faults=lambda _: None):
            run_flow(root, Plan(encoders=ENCODERS, classifiers=CLASSIFIERS))
    except (OSError, ValueError) as error:
        print(f"photographs: {error}", file=sys.stderr)
        return 1
    print(comparison(root / "catalog.duckdb"))
    return 0


if __name__ == "__main__":
    sys.exit(main())
