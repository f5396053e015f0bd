"""Peers: other programs, each in its own cached environment below ``.bench/``."""

import subprocess
import sys
import sysconfig
from pathlib import Path

BENCH = Path(__file__).parent.parent / ".bench"


def environment(name: str, *requirements: str, borrows: bool = False) -> Path:
    """Creates an environment with these requirements, and returns the folder of its programs.

    With `borrows`, their dependencies are taken from our own packages, so that PyTorch is not installed twice.
    """
    folder = BENCH / name
    marker = folder / "requirements"
    wanted = "\n".join(requirements)
    if not marker.exists() or marker.read_text() != wanted:
        print(f"installing {', '.join(requirements)} into {folder}", flush=True)
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True)
        options = ["--no-deps"] if borrows else []
        subprocess.run([folder / "bin" / "pip", "install", "--quiet", *options, *requirements], check=True)
        if borrows:
            [packages] = folder.glob("lib/python*/site-packages")
            (packages / "borrowed.pth").write_text(sysconfig.get_path("purelib") + "\n")
        marker.write_text(wanted)
    return folder / "bin"
