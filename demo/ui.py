"""``make ui``: serves what `shelfsight up` serves and, for the demo's project, the shop, on loopback."""

import sys
from contextlib import ExitStack

from demo.settings import DATA, RECORD, SEED, SHOP_HOST, SHOP_PORT, store_root
from resources.settings import Settings, project_file
from shelfsight.cli.up import up


def main() -> int:
    """Runs until interrupted, or until one of the services ends."""
    store_root().mkdir(parents=True, exist_ok=True)
    project = project_file().folder
    with ExitStack() as stack:
        if project is not None and (project / RECORD).exists():
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
