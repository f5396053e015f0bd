"""Settings of the demo: its project, seed and address of the shop."""

from pathlib import Path

from resources.places import inbox_root, reference_root
from resources.settings import Settings, set_default

SEED = 7
SHOP_HOST, SHOP_PORT = "127.0.0.1", Settings.read().demo_shop_port
SHOP_URL = f"http://{SHOP_HOST}:{SHOP_PORT}"
DATA = Settings.read().demo_data
RECORD = "demo.json"  # in the demo's project: what its feeds were written for


def store_root() -> Path:
    """Returns the absolute path of the store, as the assets see it."""
    return Path(Settings.read().store).absolute()


def feed_places() -> tuple[Path, Path]:
    """Returns the folders of feeds and of reference data, as the assets see them."""
    settings = Settings.read()
    return Path(inbox_root(settings)), Path(reference_root(settings))


def allow_shop() -> None:
    """Allows the assets to fetch from the demo's shop, which is on loopback and responds at once or never."""
    set_default("SHELFSIGHT_ALLOWED_NETWORKS", f"{SHOP_HOST}/32")
    set_default("SHELFSIGHT_CONNECTIONS_PER_HOST", "64")
    set_default("SHELFSIGHT_TIMEOUT_S", "1.5")
