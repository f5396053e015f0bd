"""Where the demo is: its store, its seed, and the address at which its shop answers."""

import os
from pathlib import Path

SEED = 7
SHOP_HOST, SHOP_PORT = "127.0.0.1", int(os.environ.get("SHELFSIGHT_DEMO_SHOP_PORT", "8765"))
SHOP_URL = f"http://{SHOP_HOST}:{SHOP_PORT}"
DATA = Path(os.environ.get("SHELFSIGHT_DEMO_DATA", ".data"))


def store_root() -> Path:
    """The store that ``SHELFSIGHT_STORE`` names, as the assets see it."""
    return Path(os.environ.get("SHELFSIGHT_STORE", "store")).absolute()


def allow_shop() -> None:
    """Let the assets reach the demo's shop: loopback is refused unless named, and it answers at once or never."""
    os.environ.setdefault("SHELFSIGHT_ALLOWED_NETWORKS", f"{SHOP_HOST}/32")
    os.environ.setdefault("SHELFSIGHT_CONNECTIONS_PER_HOST", "64")
    os.environ.setdefault("SHELFSIGHT_TIMEOUT_S", "1.5")
