"""A Ray of this process's own: one machine, one trial at a time, heard on loopback only, telling nobody of its use."""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager

LOOPBACK = "127.0.0.1"
OBJECT_STORE_BYTES = 128 << 20  # what trials learn from are files; only recipes pass through it
SETTINGS = {
    # Ray turns 127.0.0.1 into an address that others reach, on every system for which it thinks of clusters.
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_AIR_NEW_OUTPUT": "0",
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_MAX_PENDING_TRIALS_PG": "1",  # one device, one trial: the next comes when this one has ended its rung
}
QUIET = ("ray.tune.analysis", "ray.tune.tune")  # they miss the files of the loggers that are off, and tell of folders


@contextmanager
def local_ray() -> Iterator[None]:
    """Ray as this process is connected to it, or started here and ended with the block.

    Ray has to be loaded within, since it reads its settings then; what the environment held before stays.

    Raises:
        RuntimeError: Ray was loaded before and listens beyond this machine.
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
                    f"Ray listens on {address}, where others reach it, as it was loaded before the search set it up; "
                    f"set RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER=0 in the environment of this process"
                )
            yield
        finally:
            ray.shutdown()
    finally:
        for name in added:
            del os.environ[name]
