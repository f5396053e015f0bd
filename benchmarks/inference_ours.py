"""Our side of the inference benchmark: predicts a delivery's shards, as the asset `universal_catalog` does.

python -m benchmarks.inference_ours DEPLOYMENT IMAGES RESULT.json
"""

import json
import sys
import time
from pathlib import Path

import polars as pl
from upath import UPath

from resources.predictor import CatalogPredictor


def main() -> None:
    """Predicts all images and writes the predictions; the first call, which loads everything, does not count."""
    deployment, images, result = Path(sys.argv[1]), UPath(sys.argv[2]), Path(sys.argv[3])
    files = sorted(images.glob("*.parquet"))
    wanted = pl.concat(
        pl.read_parquet(str(file), columns=["product_id"]).with_columns(shard=pl.lit(file.stem)) for file in files
    )
    predict = CatalogPredictor().load(deployment)
    predict(wanted.head(64), images, lambda done, total: None)
    started = time.perf_counter()
    predictions = predict(wanted, images, lambda done, total: None)
    predictions.write_parquet(result.with_suffix(".parquet"))
    result.write_text(json.dumps({"images": len(predictions), "seconds": time.perf_counter() - started}))


if __name__ == "__main__":
    main()
