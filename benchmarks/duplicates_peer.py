"""imagededup's side of the duplicates benchmark, run in its own environment.

python duplicates_peer.py METHOD FOLDER ANSWER.json THRESHOLD ...
"""

import json
import sys
from pathlib import Path

from imagededup import methods


def main() -> None:
    """Writes, for each threshold, the duplicates that every file has."""
    method, folder, answer, *thresholds = sys.argv[1:]
    hasher = getattr(methods, method)(verbose=False)
    encodings = hasher.encode_images(folder)
    found = {
        threshold: hasher.find_duplicates(encoding_map=encodings, max_distance_threshold=int(threshold))
        for threshold in thresholds
    }
    Path(answer).write_text(json.dumps(found))


if __name__ == "__main__":
    main()
