"""``make demo``: a real catalogue the whole way, from three partners' feeds to a grid of judged classifiers."""

import argparse
import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from demo.catalogue import picture_source, write_catalogue
from demo.fashion_mnist import DataUnavailableError, FashionMnist, load
from demo.place import DATA, SEED, SHOP_HOST, SHOP_PORT, SHOP_URL, allow_shop, store_root
from demo.report import report
from demo.shop import Shop

if TYPE_CHECKING:
    from demo.flow import Progress

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

# Random and self-supervised weights of one backbone, on ever more labels; all shares of all encoders are a backfill.
SHARES = tuple(f"{encoder}|{share}" for encoder in ("random-mnv3", "simclr-mnv3") for share in ("0.01", "0.05", "0.1"))


def main() -> int:
    """Make the catalogue, serve it, bring every asset up to date, and show what came out."""
    parser = argparse.ArgumentParser(prog="python -m demo", description=__doc__)
    parser.add_argument("--products", type=int, default=12_000, help="how many products (140 to 70,000)")
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
        print("\neverything is up to date: nothing was run")
    return 1 if progress.refused else 0


def prepare(root: Path, data: FashionMnist, num_products: int) -> None:
    """Write the feeds and the reference data, unless this store already holds this demo."""
    made = {"products": num_products, "seed": SEED, "shop": SHOP_URL}
    record = root / "demo.json"
    if record.exists():
        if (known := json.loads(record.read_text())) != made:
            raise ValueError(f"store {root} holds another demo ({known}); name a new one with STORE=..., or remove it")
        return
    catalogue = write_catalogue(
        root / "inbox", root / "reference", data=data, seed=SEED, shop_url=SHOP_URL, num_products=num_products
    )
    record.write_text(json.dumps(made))
    print(f"{catalogue.num_products:,} products in {len(catalogue.feeds)} feeds below {root / 'inbox'}")


def run(root: Path, data: FashionMnist) -> "Progress":
    """Materialise what is missing or stale, while the shop answers."""
    allow_shop()
    from demo.flow import Plan, run_flow  # once the environment says which store and which addresses

    with Shop(picture_source(data), seed=SEED, host=SHOP_HOST, port=SHOP_PORT):
        plan = Plan(
            encoders=ENCODERS,
            classifiers=CLASSIFIERS,
            shares=SHARES,
            searches=SEARCHES,
            students=STUDENTS,
            ensembles=ENSEMBLES,
        )
        return run_flow(root, plan)


if __name__ == "__main__":
    sys.exit(main())
