"""Decodes a folder of images by a served model, where this project is not installed, and writes what it returns.

Usage: python served_decoding.py MODEL IMAGES OUT
Writes to OUT/pixels.npy the pixels of images that are ok, and to OUT/rows.json the rows of all, in the order of names;
then those of odd values in place of images.
"""

import json
import sys
from pathlib import Path

sys.path = [path for path in sys.path if path and not (Path(path) / "catalog_assets").is_dir()]

import mlflow  # noqa: E402
import numpy as np  # noqa: E402
import pandas as pd  # noqa: E402

ODD = [None, "no base64 at all", 7, b"", "", float("nan")]

if __name__ == "__main__":
    model, images, out = sys.argv[1:]
    loaded = mlflow.pyfunc.load_model(model)
    data = [path.read_bytes() for path in sorted(Path(images).iterdir())]
    served = loaded.unwrap_python_model()
    statuses, pixels = served.decode(data)
    np.save(Path(out) / "pixels.npy", pixels)
    rows = loaded.predict(pd.DataFrame({"image": data})).to_dict("records")
    odd = served.predict(None, pd.DataFrame({"image": pd.Series([*ODD, data[0]], dtype=object)})).to_dict("records")
    import catalog
    import ml

    places = [catalog.__file__, ml.__file__]
    result = {"statuses": statuses, "rows": rows, "odd": odd, "places": places, "modules": sorted(sys.modules)}
    (Path(out) / "rows.json").write_text(json.dumps(result))
