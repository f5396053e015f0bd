"""Our side of the inference benchmark: a delivery's shards labelled, as the asset `universal_catalogue` does it.

python -m benchmarks.inference_ours DEPLOYMENT IMAGES ANSWER.json
"""

import json
import sys
import time
from pathlib import Path

import polars as pl
from upath import UPath

from resources.labeller import Labeller


def main() -> None:
    """Labels all pictures and writes them; the first call loads what has to be loaded once, and does not count."""
    deployment, images, answer = Path(sys.argv[1]), UPath(sys.argv[2]), Path(sys.argv[3])
    files = sorted(images.glob("*.parquet"))
    wanted = pl.concat(
        pl.read_parquet(str(file), columns=["product_id"]).with_columns(shard=pl.lit(file.stem)) for file in files
    )
    label = Labeller().load(deployment)
    label(wanted.head(64), images, lambda done, of: None)
    started = time.perf_counter()
    made = label(wanted, images, lambda done, of: None)
    made.write_parquet(answer.with_suffix(".parquet"))
    answer.write_text(json.dumps({"pictures": len(made), "seconds": time.perf_counter() - started}))


if __name__ == "__main__":
    main()
