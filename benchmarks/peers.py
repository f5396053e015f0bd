"""Peers: other programs, each in an environment of its own below ``.bench/``, made once."""

import subprocess
import sys
import sysconfig
from pathlib import Path

BENCH = Path(__file__).parent.parent / ".bench"


def environment(name: str, *requirements: str, borrows: bool = False) -> Path:
    """The folder of the programs of an environment that has these requirements.

    One that borrows finds what they require in turn among our own packages, so that PyTorch is not installed twice.
    """
    folder = BENCH / name
    made = folder / "made-of"
    wanted = "\n".join(requirements)
    if not made.exists() or made.read_text() != wanted:
        print(f"installing {', '.join(requirements)} into {folder}", flush=True)
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True)
        options = ["--no-deps"] if borrows else []
        subprocess.run([folder / "bin" / "pip", "install", "--quiet", *options, *requirements], check=True)
        if borrows:
            [packages] = folder.glob("lib/python*/site-packages")
            (packages / "borrowed.pth").write_text(sysconfig.get_path("purelib") + "\n")
        made.write_text(wanted)
    return folder / "bin"
