"""Worker environment: the variables that a worker process receives; everything else, secrets above all, stays here."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

# What Python and the libraries of the system need to start, and nothing that a person would call a credential.
ALLOWED = frozenset(
    {
        "PATH",
        "LANG",
        "LANGUAGE",
        "LC_ALL",
        "LC_CTYPE",
        "TZ",
        "TMPDIR",
        "TEMP",
        "TMP",
        "LD_LIBRARY_PATH",
        "DYLD_LIBRARY_PATH",
        "PYTHONHOME",
        "PYTHONDONTWRITEBYTECODE",
        "PYTHONPYCACHEPREFIX",
        "PYTHONUTF8",
        "PYTHON_CPU_COUNT",
        "SYSTEMROOT",
        "VIRTUAL_ENV",
    }
)
# One thread, since there is a worker for each core, and one heap: further ones reserve address space, which is limited.
FIXED: Mapping[str, str] = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "1"}


def worker_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """Returns the allowed variables of an environment, this process's module path, and `FIXED`."""
    allowed = {name: value for name, value in environment.items() if name.upper() in ALLOWED}
    return {**allowed, **FIXED, "PYTHONPATH": os.pathsep.join(path or str(Path.cwd()) for path in sys.path)}
