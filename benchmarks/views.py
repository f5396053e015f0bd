"""Views: SimCLR's random views of a batch, ours beside kornia's batched ones and torchvision's one by one.

make bench NAME=views
"""

import json
import sys
import tempfile
from pathlib import Path

from benchmarks.claims import Claim, at_least_times, beside, publish
from benchmarks.peers import environment
from benchmarks.processes import measure

KORNIA = "kornia==0.9.0"
KORNIA_RS = "kornia-rs==0.2.0"
SIDES = (64, 128)


def main() -> None:
    """Measure, print, publish."""
    peers = environment("kornia", KORNIA, KORNIA_RS, borrows=True)
    claims: list[Claim] = []
    with tempfile.TemporaryDirectory() as name:
        for side in SIDES:
            rates = {
                who: rate(who, side, peers / "python" if who == "kornia" else Path(sys.executable), Path(name))
                for who in ("ours", "kornia", "torchvision")
            }
            print(side, rates, flush=True)
            what = f"SimCLR's views of 256 pictures of {side} px, crop, flip, jitter, grey and blur"
            claims.append(at_least_times(f"{what}, against kornia", rates["ours"], rates["kornia"], 1.0, "views/s"))
            claims.append(
                beside(f"{what}, beside torchvision picture by picture", rates["ours"], rates["torchvision"], "views/s")
            )
    publish("views", claims)


def rate(who: str, side: int, python: Path, place: Path) -> float:
    """Views a second of one way to make them, in a process of its own."""
    answer = place / "answer.json"
    measure([str(python), "-m", "benchmarks.views_timed", who, str(side), str(answer)], place / "log")
    return float(json.loads(answer.read_text())["rate"])


if __name__ == "__main__":
    main()
