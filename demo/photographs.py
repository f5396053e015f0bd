"""A second real catalogue through the same assets: clothing photographs of many senders.

    python -m demo.photographs FOLDER --taxonomy FILE [--sample N]

FOLDER holds ``labels.csv`` and ``images/``; FILE is a Google Product Taxonomy. Splits go by sender.
"""

import argparse
import sys
from pathlib import Path

from demo.clothing import clothing_pictures, write_clothing
from demo.place import SHOP_HOST, SHOP_PORT, SHOP_URL, allow_shop, store_root
from demo.report import comparison
from demo.shop import Shop

ENCODERS = ("imagenet-lite0-224", "imagenet-lite0")
CLASSIFIERS = ("imagenet-lite0-224-probe", "imagenet-lite0-probe")


def main() -> int:
    """Write the feeds, serve the photographs, run the flow, and show the grid."""
    parser = argparse.ArgumentParser(prog="python -m demo.photographs", description=__doc__)
    parser.add_argument("folder", type=Path, help="labels.csv and images/")
    parser.add_argument("--taxonomy", type=Path, required=True, help="taxonomy-with-ids.*.txt")
    parser.add_argument("--sample", type=int, help="at most so many photographs, of whole senders")
    options = parser.parse_args()
    root = store_root()
    allow_shop()
    from demo.flow import Plan, run_flow  # once the environment says which store and which addresses

    try:
        catalogue = write_clothing(
            root / "inbox",
            root / "reference",
            folder=options.folder,
            taxonomy=options.taxonomy,
            shop_url=SHOP_URL,
            sample=options.sample,
        )
        print(f"{catalogue.num_products:,} photographs of {catalogue.num_senders} senders")
        with Shop(clothing_pictures(options.folder), host=SHOP_HOST, port=SHOP_PORT, faults=lambda _: None):
            run_flow(root, Plan(encoders=ENCODERS, classifiers=CLASSIFIERS))
    except (OSError, ValueError) as error:
        print(f"photographs: {error}", file=sys.stderr)
        return 1
    print(comparison(root / "catalog.duckdb"))
    return 0


if __name__ == "__main__":
    sys.exit(main())
