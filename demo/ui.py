"""``make ui``: serves what `shelfsight up` serves and, for a demo store, the shop, on loopback."""

import sys
from contextlib import ExitStack

from demo.settings import DATA, SEED, SHOP_HOST, SHOP_PORT, allow_shop, store_root
from resources.settings import Settings
from shelfsight.cli.up import up


def main() -> int:
    """Runs until interrupted, or until one of the services ends."""
    root = store_root()
    root.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        if (root / "demo.json").exists():
            allow_shop()
            _open_shop(stack)
        try:
            up(Settings.read(), lambda line: print(line, flush=True))
        except ValueError as error:
            print(f"ui: {error}", file=sys.stderr)
            return 1
    return 0


def _open_shop(stack: ExitStack) -> None:
    from demo.catalog import image_source
    from demo.fashion_mnist import load
    from demo.shop import Shop

    stack.enter_context(Shop(image_source(load(DATA)), seed=SEED, host=SHOP_HOST, port=SHOP_PORT))


if __name__ == "__main__":
    sys.exit(main())
