"""imagededup's side of the duplicates benchmark, in its own environment.

python duplicates_peer.py METHOD FOLDER OUTPUT.json THRESHOLD ...
"""

import json
import sys
from pathlib import Path

from imagededup import methods


def main() -> None:
    """Writes the duplicates of every file for each threshold."""
    method, folder, output, *thresholds = sys.argv[1:]
    hasher = getattr(methods, method)(verbose=False)
    encodings = hasher.encode_images(folder)
    found = {
        threshold: hasher.find_duplicates(encoding_map=encodings, max_distance_threshold=int(threshold))
        for threshold in thresholds
    }
    Path(output).write_text(json.dumps(found))


if __name__ == "__main__":
    main()
