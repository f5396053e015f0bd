"""Views: throughput of SimCLR's random views, compared with kornia (batched) and torchvision (image by image).

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
    """Measures, prints and publishes."""
    peers = environment("kornia", KORNIA, KORNIA_RS, borrows=True)
    claims: list[Claim] = []
    with tempfile.TemporaryDirectory() as name:
        for side in SIDES:
            rates = {
                library: rate(
                    library, side, peers / "python" if library == "kornia" else Path(sys.executable), Path(name)
                )
                for library in ("ours", "kornia", "torchvision")
            }
            print(side, rates, flush=True)
            claim = f"SimCLR's views of 256 images of {side} px, crop, flip, jitter, gray and blur"
            claims.append(at_least_times(f"{claim}, against kornia", rates["ours"], rates["kornia"], 1.0, "views/s"))
            claims.append(
                beside(f"{claim}, beside torchvision image by image", rates["ours"], rates["torchvision"], "views/s")
            )
    publish("views", claims)


def rate(library: str, side: int, python: Path, scratch: Path) -> float:
    """Returns the views per second of one library, measured in its own process."""
    output = scratch / "output.json"
    measure([str(python), "-m", "benchmarks.views_timed", library, str(side), str(output)], scratch / "log")
    return float(json.loads(output.read_text())["rate"])


if __name__ == "__main__":
    main()
