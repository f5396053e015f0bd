"""Starts Ray for this process: one machine, one trial at a time, on loopback only, without usage statistics."""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager

LOOPBACK = "127.0.0.1"
OBJECT_STORE_BYTES = 128 << 20  # training data are files; only recipes pass through it
SETTINGS = {
    # On systems for which it supports clusters, Ray replaces 127.0.0.1 by an address that other machines can reach.
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_AIR_NEW_OUTPUT": "0",
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_MAX_PENDING_TRIALS_PG": "1",  # one device, one trial at a time
}
QUIET = ("ray.tune.analysis", "ray.tune.tune")  # they warn about the disabled loggers' files


@contextmanager
def local_ray() -> Iterator[None]:
    """Use the Ray that this process is connected to, or start one that ends with the block.

    Ray reads its settings when it is imported, so it has to be imported within. The environment is restored.

    Raises:
        RuntimeError: Ray was imported before and listens beyond this machine.
    """
    added = {name: value for name, value in SETTINGS.items() if name not in os.environ}
    os.environ.update(added)
    for name in QUIET:
        logging.getLogger(name).setLevel(logging.ERROR)
    try:
        import ray

        if ray.is_initialized():
            yield
            return
        ray.init(
            num_cpus=1,
            include_dashboard=False,
            log_to_driver=False,
            logging_level=logging.WARNING,
            object_store_memory=OBJECT_STORE_BYTES,
            _node_ip_address=LOOPBACK,
        )
        try:
            if (address := ray.util.get_node_ip_address()) != LOOPBACK:  # type: ignore[no-untyped-call]
                raise RuntimeError(
                    f"Ray listens on {address}, where other machines reach it: it was imported before the search; "
                    f"set RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER=0 in the environment of this process"
                )
            yield
        finally:
            ray.shutdown()
    finally:
        for name in added:
            del os.environ[name]
