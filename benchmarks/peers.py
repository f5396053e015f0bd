"""Peers: other programs, each in an environment of its own below ``.bench/``, made once."""

import subprocess
import sys
from pathlib import Path

BENCH = Path(__file__).parent.parent / ".bench"


def environment(name: str, *requirements: str) -> Path:
    """The folder of the programs of an environment that has these requirements."""
    folder = BENCH / name
    made = folder / "made-of"
    wanted = "\n".join(requirements)
    if not made.exists() or made.read_text() != wanted:
        print(f"installing {', '.join(requirements)} into {folder}", flush=True)
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True)
        subprocess.run([folder / "bin" / "pip", "install", "--quiet", *requirements], check=True)
        made.write_text(wanted)
    return folder / "bin"
